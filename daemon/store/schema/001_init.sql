-- The store's first shape. Times are seconds since the epoch; paths are relative to the cache folder.

CREATE TABLE jobs (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    owner           TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    spec            TEXT NOT NULL,
    name            TEXT NOT NULL,
    image_hash      TEXT NOT NULL,
    format          TEXT NOT NULL,
    width           INTEGER NOT NULL,
    height          INTEGER NOT NULL,
    out_width       INTEGER NOT NULL,
    out_height      INTEGER NOT NULL,
    created_at      REAL NOT NULL,
    started_at      REAL,
    finished_at     REAL,
    fetched_at      REAL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    deaths          INTEGER NOT NULL DEFAULT 0,
    cached          INTEGER NOT NULL DEFAULT 0,
    device          TEXT,
    stages          TEXT,
    result_path     TEXT,
    result_bytes    INTEGER,
    error_code      TEXT,
    error_message   TEXT,
    idempotency_key TEXT,
    fingerprint     TEXT
) STRICT;
CREATE UNIQUE INDEX jobs_idempotency ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_owner ON jobs (owner, number DESC);
CREATE INDEX jobs_open ON jobs (state, number) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_picture ON jobs (image_hash) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_result ON jobs (result_path) WHERE result_path IS NOT NULL;
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Every state change, in the order of the commits. AUTOINCREMENT: a sequence number is never given twice.
CREATE TABLE job_events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    job    TEXT NOT NULL,
    owner  TEXT NOT NULL,
    event  TEXT NOT NULL,
    detail TEXT NOT NULL,
    at     REAL NOT NULL
) STRICT;
CREATE INDEX job_events_by_age ON job_events (at);

CREATE TABLE processing_cache (
    key            TEXT PRIMARY KEY,
    session_id     TEXT NOT NULL, -- the owner of the job that made it
    image_hash     TEXT NOT NULL,
    recipe         TEXT NOT NULL,
    processed_path TEXT NOT NULL,
    bytes          INTEGER NOT NULL,
    width          INTEGER NOT NULL,
    height         INTEGER NOT NULL,
    out_width      INTEGER NOT NULL,
    out_height     INTEGER NOT NULL,
    format         TEXT NOT NULL,
    device         TEXT NOT NULL,
    created_at     REAL NOT NULL,
    expires_at     REAL NOT NULL,
    last_used_at   REAL NOT NULL
) STRICT;
CREATE INDEX processing_cache_by_expiry ON processing_cache (expires_at);
CREATE INDEX processing_cache_by_use ON processing_cache (last_used_at);
CREATE INDEX processing_cache_by_path ON processing_cache (processed_path);

-- Files that are to go: uploads of jobs that are not over have no cleanup_at yet.
CREATE TABLE temp_files (
    file_path  TEXT PRIMARY KEY,
    cleanup_at REAL
) STRICT;

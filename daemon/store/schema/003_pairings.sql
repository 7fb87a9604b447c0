-- Pages that the user let in. Only the hash of a token is here: whoever reads the store gets no access by it.
CREATE TABLE pairings (
    id           TEXT PRIMARY KEY,
    origin       TEXT NOT NULL,
    name         TEXT NOT NULL,
    token_hash   TEXT NOT NULL UNIQUE, -- SHA-256, hexadecimal
    created_at   REAL NOT NULL,
    last_used_at REAL,
    revoked_at   REAL
) STRICT;
CREATE INDEX pairings_revoked ON pairings (revoked_at) WHERE revoked_at IS NOT NULL;

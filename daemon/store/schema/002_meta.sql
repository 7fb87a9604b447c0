-- Facts about the store itself.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
-- Whose sequence numbers these are: a client that kept one of another store is told so.
INSERT INTO meta VALUES ('store', lower(hex(randomblob(8))));
INSERT INTO meta VALUES ('queue', 'open');

-- A cancel of a running job, until a worker has seen it.
ALTER TABLE jobs ADD COLUMN cancel_asked INTEGER NOT NULL DEFAULT 0;

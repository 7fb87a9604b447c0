-- What is owed to the accounts' project. A charge has the id of its job, so nothing but that need be kept.

-- 'none': nobody is charged; 'reserved': the project has counted it; 'later': it counts once it is told of.
ALTER TABLE jobs ADD COLUMN charge TEXT NOT NULL DEFAULT 'none' CHECK (charge IN ('none', 'reserved', 'later'));

-- Charges that are asked for, until their jobs are there. What a start finds here is asked for no more: it is taken back.
CREATE TABLE reservations (
    job        TEXT PRIMARY KEY, -- the id that it is to have
    owner      TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;

-- Events that the project has not taken yet, in the order in which they happened here.
CREATE TABLE usage_outbox (
    device_seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    job          TEXT NOT NULL UNIQUE,
    owner        TEXT NOT NULL,
    event        TEXT NOT NULL, -- JSON
    created_at   REAL NOT NULL,
    refused_code TEXT, -- refused for good: kept to be shown, and not sent again unless somebody says so
    refused_why  TEXT
) STRICT;
CREATE INDEX usage_outbox_waiting ON usage_outbox (owner, device_seq) WHERE refused_code IS NULL;

-- Names this machine's store where events of several machines come together: a UUID of version 4.
INSERT INTO meta VALUES ('device', lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
    || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
));

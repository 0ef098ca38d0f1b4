-- Programs of the admin that run in the agent when a disk is laid; their bytes are files in the data folder, by digest.
CREATE TABLE finisher (
  name       TEXT PRIMARY KEY,
  digest     TEXT NOT NULL CHECK (length(digest) = 64),
  bytes      INTEGER NOT NULL,
  target     TEXT,                                      -- path in the target: it is a file to be laid there, no program
  on_error   TEXT NOT NULL CHECK (on_error IN ('fail', 'warn')),
  limit_s    INTEGER NOT NULL CHECK (limit_s BETWEEN 1 AND 3600),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a group or an image chooses when a session says nothing. By name: the rows of images are made anew with each version.
CREATE TABLE finisher_default (
  scope     TEXT NOT NULL CHECK (scope IN ('group', 'image')),
  name      TEXT NOT NULL,
  finishers TEXT NOT NULL,                              -- JSON, names in order
  PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE task ADD COLUMN finishers TEXT;             -- JSON, protocol/finisher.ts finisherStepSchema[]
ALTER TABLE task ADD COLUMN number INTEGER NOT NULL DEFAULT 1;  -- of the host in its session, from 1

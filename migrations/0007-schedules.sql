-- Deployments that begin by themselves, and what became of each run.
CREATE TABLE schedule (
  schedule_id INTEGER PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  state       TEXT NOT NULL CHECK (state IN ('active', 'paused', 'done')),
  spec        TEXT NOT NULL,              -- JSON, protocol/schedule.ts scheduleSpecSchema
  checked_ms  INTEGER NOT NULL,           -- every time up to here has been decided
  created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE schedule_run (
  run_id      INTEGER PRIMARY KEY,
  schedule_id INTEGER NOT NULL REFERENCES schedule ON DELETE CASCADE,
  state       TEXT NOT NULL CHECK (state IN ('starting', 'running', 'ended', 'skipped', 'missed')),
  session_id  INTEGER,
  view        TEXT NOT NULL               -- JSON, protocol/schedule.ts scheduleRunSchema
) STRICT;
CREATE INDEX schedule_run_schedule ON schedule_run (schedule_id);
-- One run of a schedule at a time.
CREATE UNIQUE INDEX schedule_run_open ON schedule_run (schedule_id) WHERE state IN ('starting', 'running');

-- The host has begun to write: its disk is no longer what it was.
ALTER TABLE task ADD COLUMN has_written INTEGER NOT NULL DEFAULT 0 CHECK (has_written IN (0, 1));

-- A running session may be changed: its start policy, its hosts. Hosts may be done in waves, and the log says on whose behalf.
ALTER TABLE session ADD COLUMN start_set_ms INTEGER;                 -- when its start policy was last changed
ALTER TABLE session ADD COLUMN wave INTEGER NOT NULL DEFAULT 1 CHECK (wave >= 1);
ALTER TABLE task ADD COLUMN wave INTEGER NOT NULL DEFAULT 1 CHECK (wave >= 1);
ALTER TABLE event ADD COLUMN actor TEXT;
CREATE INDEX event_actor ON event (actor) WHERE actor IS NOT NULL;

-- What a task's host is told about hashing, and how much of the image its disk held when it was last heard of.
ALTER TABLE task ADD COLUMN hash INTEGER NOT NULL DEFAULT 0 CHECK (hash IN (0, 1));
ALTER TABLE task ADD COLUMN have INTEGER NOT NULL DEFAULT 0;         -- chunks
CREATE INDEX task_host ON task (host_id);

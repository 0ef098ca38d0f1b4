-- Where the volumes lie on the disk of a task whose size is not the source's.
ALTER TABLE task ADD COLUMN fit TEXT;       -- JSON, fitSchema

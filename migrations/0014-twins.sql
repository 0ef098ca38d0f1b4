-- Further disks of the host that take the same image in the same task (--disk each).
ALTER TABLE task ADD COLUMN twins TEXT;                 -- JSON, protocol/twin.ts twinSchema[]

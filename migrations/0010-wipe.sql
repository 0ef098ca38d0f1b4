-- A session that wipes disks: its kind is 'deploy', whose CHECK cannot be changed without making the table anew; this says the rest.
ALTER TABLE session ADD COLUMN is_wipe INTEGER NOT NULL DEFAULT 0 CHECK (is_wipe IN (0, 1));

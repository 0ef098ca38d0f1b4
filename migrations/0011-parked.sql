-- A restart of the daemon remembers who left a cast because it held the others back, and whom multicast does not reach.
ALTER TABLE task ADD COLUMN parked_times INTEGER NOT NULL DEFAULT 0 CHECK (parked_times >= 0);
ALTER TABLE task ADD COLUMN parked_rate REAL;                        -- what its disk took then, in plain bytes a second
ALTER TABLE task ADD COLUMN deaf INTEGER NOT NULL DEFAULT 0 CHECK (deaf IN (0, 1));

-- The clock by which leases and boot tokens end (server/db/kept-clock.ts), as it was when it was last written down.
CREATE TABLE kept_clock (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id TEXT NOT NULL,                    -- of the server's kernel
  up_ms   INTEGER NOT NULL,                 -- since that boot
  kept_ms INTEGER NOT NULL
) STRICT;

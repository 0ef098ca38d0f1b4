-- What an admin sets for one host, and when its firmware last asked what to boot.
-- The SecureOn password is kept as it is: it travels in clear in every magic packet.
ALTER TABLE host ADD COLUMN secure_on TEXT CHECK (length(secure_on) = 17 AND secure_on = lower(secure_on));
ALTER TABLE host ADD COLUMN address TEXT;
ALTER TABLE host ADD COLUMN last_boot_ms INTEGER;
CREATE UNIQUE INDEX host_address ON host (address) WHERE address IS NOT NULL;

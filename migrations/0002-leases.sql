-- Addresses that the DHCP server gave (full mode). Offers are not kept: they live for seconds.
CREATE TABLE lease (
  address    TEXT PRIMARY KEY,
  client     TEXT NOT NULL,                -- whom it belongs to: hex of the MAC, or of option 61
  mac        TEXT NOT NULL,
  host_name  TEXT,                         -- option 12, as the client says
  state      TEXT NOT NULL CHECK (state IN ('bound', 'released', 'declined')),
  started_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL              -- declined: end of the quarantine
) STRICT, WITHOUT ROWID;

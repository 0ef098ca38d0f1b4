-- Hosts and groups -----------------------------------------------------------

CREATE TABLE host (
  host_id      INTEGER PRIMARY KEY,
  name         TEXT NOT NULL UNIQUE,
  approval     TEXT NOT NULL CHECK (approval IN ('pending', 'approved')),
  system_uuid  TEXT,
  inventory    TEXT,                       -- JSON, protocol/agent-api.ts inventorySchema
  last_seen_ms INTEGER,
  created_ms   INTEGER NOT NULL
) STRICT;

CREATE TABLE host_mac (
  mac     TEXT PRIMARY KEY CHECK (length(mac) = 17 AND mac = lower(mac)),
  host_id INTEGER NOT NULL REFERENCES host ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX host_mac_host ON host_mac (host_id);

CREATE TABLE host_group (
  group_id INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE host_group_member (
  group_id INTEGER NOT NULL REFERENCES host_group ON DELETE CASCADE,
  host_id  INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,
  PRIMARY KEY (group_id, host_id)
) STRICT, WITHOUT ROWID;

-- Tokens: only their SHA-256 is kept -------------------------------------------

CREATE TABLE boot_token (
  token_hash  BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
  host_id     INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,
  mac         TEXT NOT NULL,
  system_uuid TEXT,
  expires_ms  INTEGER NOT NULL,
  spent_ms    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_token (
  token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
  host_id    INTEGER NOT NULL UNIQUE REFERENCES host ON DELETE CASCADE,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Store: what can be rebuilt from packs, manifests and image files alone -------

CREATE TABLE pack (
  pack_id   INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,          -- hex of the pack's own hash: its file name
  bytes     INTEGER NOT NULL
) STRICT;

CREATE TABLE chunk (
  chunk_id     BLOB PRIMARY KEY CHECK (length(chunk_id) = 32),
  pack_id      INTEGER NOT NULL REFERENCES pack,
  offset       INTEGER NOT NULL,           -- of the stored header in the pack
  stored_bytes INTEGER NOT NULL,           -- without the header
  plain_bytes  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX chunk_pack ON chunk (pack_id);

CREATE TABLE image (
  image_id INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE image_version (
  image_id     INTEGER NOT NULL REFERENCES image ON DELETE CASCADE,
  version      INTEGER NOT NULL CHECK (version >= 1),
  manifest_id  TEXT NOT NULL CHECK (length(manifest_id) = 64),
  view         TEXT NOT NULL,              -- JSON, protocol/admin-api.ts versionViewSchema
  PRIMARY KEY (image_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_version_manifest ON image_version (manifest_id);

-- Sessions and tasks -----------------------------------------------------------

CREATE TABLE session (
  session_id   INTEGER PRIMARY KEY,
  kind         TEXT NOT NULL CHECK (kind IN ('deploy', 'capture')),
  state        TEXT NOT NULL CHECK (state IN
    ('planned', 'gathering', 'capturing', 'casting', 'repairing', 'finishing', 'completed', 'failed', 'cancelled')),
  image        TEXT NOT NULL,
  version      INTEGER,
  manifest_id  TEXT,
  request      TEXT NOT NULL,              -- JSON, deployRequestSchema or captureRequestSchema
  start_now    INTEGER NOT NULL DEFAULT 0 CHECK (start_now IN (0, 1)),
  passes       INTEGER NOT NULL DEFAULT 0, -- casts begun
  created_ms   INTEGER NOT NULL,
  gathering_ms INTEGER,
  ended_ms     INTEGER,
  error        TEXT                        -- JSON, ErrorBody
) STRICT;
CREATE INDEX session_state ON session (state);

CREATE TABLE task (
  task_id    INTEGER PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
  host_id    INTEGER NOT NULL,             -- no reference: history outlives the host
  host       TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN
    ('pending', 'booting', 'preparing', 'ready', 'receiving', 'repairing', 'capturing', 'verifying', 'finishing',
     'succeeded', 'failed', 'cancelled')),
  disk       TEXT NOT NULL,                -- JSON, diskIdentitySchema
  round      INTEGER NOT NULL DEFAULT 0,   -- raised with every move, so that a repeated step is a new order
  repairs    INTEGER NOT NULL DEFAULT 0,   -- times it came back from verifying
  state_ms   INTEGER NOT NULL,             -- when it came into this state
  started_ms INTEGER,
  ended_ms   INTEGER,
  holes      BLOB,                         -- protocol/holes.ts, last known
  result     TEXT,                         -- JSON, deployResultSchema or captureResultSchema
  error      TEXT                          -- JSON, ErrorBody
) STRICT;
CREATE INDEX task_session ON task (session_id);
-- A host takes part in one running session at the most.
CREATE UNIQUE INDEX task_running_host ON task (host_id) WHERE state NOT IN ('succeeded', 'failed', 'cancelled');

CREATE TABLE cast_run (
  cast_id    TEXT PRIMARY KEY,
  session_id INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
  view       TEXT NOT NULL                 -- JSON, castViewSchema
) STRICT, WITHOUT ROWID;
CREATE INDEX cast_run_session ON cast_run (session_id);

-- Audit log ----------------------------------------------------------------------

CREATE TABLE event (
  event_id   INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms      INTEGER NOT NULL,
  subject    TEXT NOT NULL,
  action     TEXT NOT NULL,
  session_id INTEGER,
  host_id    INTEGER,
  host       TEXT,
  text       TEXT NOT NULL,
  error      TEXT                          -- JSON, ErrorBody
) STRICT;
CREATE INDEX event_session ON event (session_id);
CREATE INDEX event_host ON event (host_id);

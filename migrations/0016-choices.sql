-- What a group or an image chooses when a session says nothing: finishers so far, now the secrets of LUKS containers too.
CREATE TABLE choice (
  what  TEXT NOT NULL CHECK (what IN ('finishers', 'luks-secrets')),
  scope TEXT NOT NULL CHECK (scope IN ('group', 'image')),
  name  TEXT NOT NULL,                                  -- of the group or image: the rows of images are made anew with each version
  names TEXT NOT NULL,                                  -- JSON, what is chosen, in order
  PRIMARY KEY (what, scope, name)
) STRICT, WITHOUT ROWID;
INSERT INTO choice (what, scope, name, names) SELECT 'finishers', scope, name, finishers FROM finisher_default;
DROP TABLE finisher_default;

ALTER TABLE task ADD COLUMN luks_secrets TEXT;          -- JSON, names of what opens the containers on this host

-- The X25519 public key that an agent said in its hello: secrets are sealed to it alone (protocol/sealed-secret.ts). NULL: it said none.
ALTER TABLE agent_token ADD COLUMN seal_key TEXT;

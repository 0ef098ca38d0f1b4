-- Which disk of a host, or of the hosts of a group, is meant when a session does not say (protocol/disk-rule.ts).
ALTER TABLE host ADD COLUMN disk_rule TEXT;
ALTER TABLE host_group ADD COLUMN disk_rule TEXT;

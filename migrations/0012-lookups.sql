-- With a thousand hosts these were read through for each of them.
CREATE INDEX host_group_member_host ON host_group_member (host_id);
CREATE INDEX boot_token_expires ON boot_token (expires_ms);

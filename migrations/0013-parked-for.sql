-- What a parked host held the others back by: its disk, or its cable.
ALTER TABLE task ADD COLUMN parked_for TEXT CHECK (parked_for IN ('disk', 'cable'));
UPDATE task SET parked_for = 'disk' WHERE parked_times > 0;

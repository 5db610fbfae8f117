-- What an act on one license reads of the audit is found by the license.
CREATE INDEX audit_of_license ON audit (license_id, id) WHERE license_id IS NOT NULL;
-- The few licenses that were given away.
CREATE INDEX audit_of_giving ON audit (license_id) WHERE action = 'license-given';
-- Seats that are over, whose check-ins go by their age.
CREATE INDEX seat_over_by_change ON seat (changed, handle, device_key) WHERE taken = 0;
-- When the last seat ended whose check-ins were looked at because they are too old; none if there was none.
ALTER TABLE vendor ADD COLUMN check_ins_until BIGINT;

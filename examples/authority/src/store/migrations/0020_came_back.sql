-- On how many days the device of a seat that was released spoke, and when it did last. The columns say what the record
-- says.
ALTER TABLE seat ADD COLUMN came_back BIGINT NOT NULL DEFAULT 0;
ALTER TABLE seat ADD COLUMN came_back_at BIGINT;
CREATE INDEX seat_by_return ON seat (came_back_at, handle, device_key) WHERE came_back_at IS NOT NULL;

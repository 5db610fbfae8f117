-- When the seat's request was made, by the device's clock: a recovery that is dated earlier must not free it. What was granted
-- before this was noted can be recovered by any.
ALTER TABLE seat ADD COLUMN requested BIGINT NOT NULL DEFAULT 0;

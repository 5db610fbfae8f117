-- What is personal goes by its age, and when a person asks for that.

-- For how long what is personal is kept, as a JSON record: docs/FORMAT.md, "Retention".
ALTER TABLE vendor ADD COLUMN retention TEXT NOT NULL DEFAULT '{}';
-- When what was too old went last; none if it never did.
ALTER TABLE vendor ADD COLUMN pruned BIGINT;
-- The last line of the audit that says nothing of a person any more because it is too old.
ALTER TABLE vendor ADD COLUMN forgotten TEXT NOT NULL DEFAULT '';

-- When what was noted of the customer was erased; none while it was not.
ALTER TABLE customer ADD COLUMN erased BIGINT;

-- Whether it still says something of its computer.
ALTER TABLE seat ADD COLUMN described BIGINT NOT NULL DEFAULT 1;
CREATE INDEX seat_described_by_change ON seat (changed, handle, device_key) WHERE taken = 0 AND described = 1;

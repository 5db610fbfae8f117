-- Activations that counted, beside the deactivations: what a license's seats add up to. It only grows.
ALTER TABLE license ADD COLUMN activated BIGINT NOT NULL DEFAULT 0 CHECK (activated >= 0);
-- What of both counts no more, and what was granted beyond the terms, as a JSON record: docs/FORMAT.md, "Records". None
-- is nothing.
ALTER TABLE license ADD COLUMN allowances TEXT;

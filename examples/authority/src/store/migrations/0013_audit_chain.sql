-- The lines of the audit are sealed in batches, each of which names the one before (docs/FORMAT.md, The audit's chain).
CREATE TABLE audit_seal (
    -- From 1, and none is left out.
    number       BIGINT NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    lines        BIGINT NOT NULL,
    lines_digest BLOB   NOT NULL,
    previous     BLOB   NOT NULL,
    digest       BLOB   NOT NULL UNIQUE,
    attestation  BLOB   NOT NULL
);

ALTER TABLE audit ADD COLUMN role TEXT;
-- The address that an act came from, and what else is about a person. Both can be emptied, with the salt.
ALTER TABLE audit ADD COLUMN peer TEXT;
ALTER TABLE audit ADD COLUMN personal TEXT;
ALTER TABLE audit ADD COLUMN salt BLOB;
-- What stands for the two in the digest of the line, and stays.
ALTER TABLE audit ADD COLUMN personal_digest BLOB;
-- The seal of the line; none until there is one.
ALTER TABLE audit ADD COLUMN seal BIGINT;
CREATE INDEX audit_unsealed ON audit (id) WHERE seal IS NULL;
CREATE INDEX audit_by_seal ON audit (seal, id) WHERE seal IS NOT NULL;

-- An actor was written with its address.
UPDATE audit SET peer = substr(actor, 6), actor = 'http' WHERE actor LIKE 'http:%';
UPDATE audit SET peer = substr(actor, length(rtrim(actor, replace(actor, '@', ''))) + 1),
    actor = substr(actor, 1, length(rtrim(actor, replace(actor, '@', ''))) - 1)
    WHERE actor LIKE '%@%' AND actor NOT LIKE 'cli:%';
UPDATE terms SET actor = 'http' WHERE actor LIKE 'http:%';
UPDATE terms SET actor = substr(actor, 1, length(rtrim(actor, replace(actor, '@', ''))) - 1)
    WHERE actor LIKE '%@%' AND actor NOT LIKE 'cli:%';

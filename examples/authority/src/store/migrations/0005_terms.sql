-- What a license said at each time: the latest version is its terms.
CREATE TABLE terms (
    license_id TEXT   NOT NULL REFERENCES license (id),
    -- From 1 on.
    version    BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    -- The terms as a JSON record: docs/FORMAT.md, "Records".
    record     TEXT   NOT NULL,
    PRIMARY KEY (license_id, version)
);

-- The latest version of its terms. What a license said before there were versions is not known any more.
ALTER TABLE license ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
UPDATE license SET version = 1 + (SELECT COUNT(*) FROM audit WHERE audit.license_id = license.id
    AND audit.action IN ('license-edited', 'license-suspended', 'license-resumed'));
INSERT INTO terms (license_id, version, at, actor, record)
    SELECT id, version, created, 'cli:unknown', terms FROM license;
-- When it was ended for good; none while it was not.
ALTER TABLE license ADD COLUMN voided BIGINT;

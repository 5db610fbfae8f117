-- Every key that a license has or had. The license itself names the one that it was given last.
CREATE TABLE license_key (
    -- A license key is a bearer secret: its SHA-256 finds the license, its last group tells people which one it is.
    hash       BLOB   NOT NULL PRIMARY KEY,
    license_id TEXT   NOT NULL REFERENCES license (id),
    hint       TEXT   NOT NULL,
    created    BIGINT NOT NULL,
    -- Since when it opens nothing any more; none while it does.
    revoked    BIGINT,
    -- The key itself, so that it can be sent again, encrypted with a key among the keys; none if it is not kept.
    sealed     BLOB
);
CREATE INDEX license_key_of_license ON license_key (license_id, created, hash);
CREATE INDEX license_key_by_hint ON license_key (hint, license_id);
-- A license that the ledger had lost has none.
INSERT INTO license_key (hash, license_id, hint, created)
    SELECT key_hash, id, key_hint, created FROM license WHERE key_hint <> '?';

-- Whether keys of its licenses are kept, so that they can be sent again.
ALTER TABLE product ADD COLUMN keeps_keys BIGINT NOT NULL DEFAULT 1;

-- Several products in one authority, each with its template. `vendor` keeps what holds for all of them.

CREATE TABLE product (
    -- A short name, for commands and paths.
    id       TEXT   NOT NULL PRIMARY KEY,
    -- As licenses and requests name it, so it never changes.
    name     TEXT   NOT NULL UNIQUE,
    -- The root public key that its applications embed: keys of another root are refused.
    root     TEXT   NOT NULL UNIQUE,
    -- Where its keys are within the folder of keys: empty for the first product, whose keys are in that folder itself.
    folder   TEXT   NOT NULL UNIQUE,
    -- What is sold unless the sale says otherwise, as a JSON record: docs/FORMAT.md, "Said terms".
    template TEXT   NOT NULL,
    created  BIGINT NOT NULL,
    -- How often it was changed, from 1 on.
    revision BIGINT NOT NULL
);

-- A ledger of before has one product, and sold deactivations without limit where nobody said otherwise.
INSERT INTO product (id, name, root, folder, template, created, revision)
    SELECT 'main', product, root, '', '{"deactivations":null}', created, 1 FROM vendor;

ALTER TABLE vendor DROP COLUMN product;
ALTER TABLE vendor DROP COLUMN root;
-- What holds for every product that does not say otherwise, as a JSON record: docs/FORMAT.md, "Said terms".
ALTER TABLE vendor ADD COLUMN policies TEXT NOT NULL DEFAULT '{}';

-- What a license is of, as its terms name it.
ALTER TABLE license ADD COLUMN product_id TEXT REFERENCES product (id);
UPDATE license SET product_id = 'main';
CREATE INDEX license_of_product_by_age ON license (product_id, created, id);

-- What was said when it was ordered, as a JSON record: docs/FORMAT.md, "Said terms". What was not said may have changed
-- by the time that the same order comes again.
ALTER TABLE sale RENAME COLUMN terms TO said;
ALTER TABLE sale ADD COLUMN product_id TEXT REFERENCES product (id);
UPDATE sale SET product_id = 'main';

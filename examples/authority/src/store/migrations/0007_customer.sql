-- To whom licenses are sold. Nothing of it is ever signed into a license, but for the name that a sale takes from it.
CREATE TABLE customer (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    email       TEXT   NOT NULL,
    -- What the vendor's own system calls it; empty if it has no name for it.
    external_id TEXT   NOT NULL,
    -- For the vendor alone.
    notes       TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    -- How often it was changed, from 1 on.
    revision    BIGINT NOT NULL
);
CREATE INDEX customer_by_age ON customer (created, id);
CREATE INDEX customer_by_email ON customer (email, id);
CREATE UNIQUE INDEX customer_by_external_id ON customer (external_id) WHERE external_id <> '';

ALTER TABLE license ADD COLUMN customer_id TEXT REFERENCES customer (id);
CREATE INDEX license_of_customer_by_age ON license (customer_id, created, id);

ALTER TABLE sale ADD COLUMN customer_id TEXT REFERENCES customer (id);
-- Who sold it, as the sale says; empty for the vendor.
ALTER TABLE sale ADD COLUMN reseller TEXT NOT NULL DEFAULT '';
-- 'sold', or 'void' once all its licenses were ended for good.
ALTER TABLE sale ADD COLUMN state TEXT NOT NULL DEFAULT 'sold';
CREATE INDEX sale_by_age ON sale (sold, order_id);

-- A delivery goes to a webhook, or by mail to the customer of its license.
DROP INDEX delivery_due;
DROP INDEX delivery_waiting;
DROP INDEX delivery_aside;
ALTER TABLE delivery RENAME TO former_delivery;
-- What each receiver was told, or is to be told. Of the events of one license, one is due at a time, and the others wait
-- for it in line.
CREATE TABLE delivery (
    -- The id of a webhook, or `mail`.
    receiver    TEXT   NOT NULL,
    event_id    TEXT   NOT NULL,
    -- The event's.
    license_id  TEXT   NOT NULL,
    sequence    BIGINT NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('due', 'queued', 'delivered', 'aside')),
    -- When it is tried next.
    due         BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    -- When it was tried last, the status that was answered, and why that was no success; none before.
    tried       BIGINT,
    status      BIGINT,
    said        TEXT,
    -- Of a mail: whom it is for, and the hash of the license key that it brings.
    customer_id TEXT,
    key_hash    BLOB,
    PRIMARY KEY (receiver, event_id)
);
INSERT INTO delivery (receiver, event_id, license_id, sequence, state, due, attempts, tried, status, said)
    SELECT webhook_id, event_id, license_id, sequence, state, due, attempts, tried, status, said FROM former_delivery;
DROP TABLE former_delivery;
CREATE INDEX delivery_due ON delivery (receiver, due) WHERE state = 'due';
CREATE INDEX delivery_waiting ON delivery (receiver, license_id, sequence) WHERE state IN ('due', 'queued');
CREATE INDEX delivery_aside ON delivery (receiver, event_id) WHERE state = 'aside';

-- What is mailed to customers, from whom, and in which language: for every product, and as each product says.
ALTER TABLE vendor ADD COLUMN mail TEXT NOT NULL DEFAULT '{}';
ALTER TABLE product ADD COLUMN mail TEXT NOT NULL DEFAULT '{}';
-- The language of a customer's mails; empty for that of the product.
ALTER TABLE customer ADD COLUMN language TEXT NOT NULL DEFAULT '';

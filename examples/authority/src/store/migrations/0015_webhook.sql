-- Who is told of events, over HTTP.
CREATE TABLE webhook (
    id           TEXT   NOT NULL PRIMARY KEY,
    url          TEXT   NOT NULL,
    -- The kinds that it is told of, with a comma before, between and after them; empty for all.
    kinds        TEXT   NOT NULL,
    -- What it is signed with, encrypted with a key among the keys; none once the webhook is removed.
    secret       BLOB,
    -- The secret before that one, which signs too until it ends.
    former       BLOB,
    former_until BIGINT,
    created      BIGINT NOT NULL,
    -- Since when it is told nothing any more; none while it is. The row stays, for its deliveries.
    removed      BIGINT
);

-- What each webhook was told, or is to be told. Of the events of one license, one is due at a time, and the others wait
-- for it in line.
CREATE TABLE delivery (
    webhook_id TEXT   NOT NULL REFERENCES webhook (id),
    event_id   TEXT   NOT NULL,
    -- The event's.
    license_id TEXT   NOT NULL,
    sequence   BIGINT NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('due', 'queued', 'delivered', 'aside')),
    -- When it is tried next.
    due        BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    -- When it was tried last, the status that was answered, and why that was no success; none before.
    tried      BIGINT,
    status     BIGINT,
    said       TEXT,
    PRIMARY KEY (webhook_id, event_id)
);
CREATE INDEX delivery_due ON delivery (webhook_id, due) WHERE state = 'due';
CREATE INDEX delivery_waiting ON delivery (webhook_id, license_id, sequence) WHERE state IN ('due', 'queued');
CREATE INDEX delivery_aside ON delivery (webhook_id, event_id) WHERE state = 'aside';

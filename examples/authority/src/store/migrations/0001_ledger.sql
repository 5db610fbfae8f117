-- The ledger, in SQL that SQLite and PostgreSQL both understand, but for one word: BLOB is BYTEA there.
-- Times are seconds since 1970, in UTC. Truth values are 0 and 1.

-- One row: what this authority is for.
CREATE TABLE vendor (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    product TEXT   NOT NULL,
    -- The root public key that the product's applications embed: keys of another root are refused.
    root    TEXT   NOT NULL,
    created BIGINT NOT NULL
);

-- One row: what the ledger noted of its service, as a JSON record: docs/FORMAT.md, "Records".
CREATE TABLE history (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    record TEXT   NOT NULL
);

-- The minutes of service that this ledger knows of, as what is signed names them. They are kept for ever.
CREATE TABLE page (
    page  BLOB   NOT NULL PRIMARY KEY,
    noted BIGINT NOT NULL
);

CREATE TABLE license (
    id       TEXT   NOT NULL PRIMARY KEY,
    -- A license key is a bearer secret: its SHA-256 finds the license, its last group tells people which one it is.
    key_hash BLOB   NOT NULL UNIQUE,
    key_hint TEXT   NOT NULL,
    -- The terms as a JSON record: docs/FORMAT.md, "Records".
    terms    TEXT   NOT NULL,
    created  BIGINT NOT NULL,
    -- What its seats add up to, changed in the transaction of each of them: seats that are active or held and have not
    -- lapsed, and deactivations that counted.
    taken       BIGINT NOT NULL DEFAULT 0 CHECK (taken >= 0),
    deactivated BIGINT NOT NULL DEFAULT 0 CHECK (deactivated >= 0)
);
CREATE INDEX license_by_age ON license (created, id);

-- An order that licenses were sold under, so that it is not sold twice.
CREATE TABLE sale (
    order_id TEXT   NOT NULL PRIMARY KEY,
    -- What was ordered, as the terms of a license without its id and start: docs/FORMAT.md, "Records".
    terms    TEXT   NOT NULL,
    sold     BIGINT NOT NULL
);
CREATE TABLE sale_license (
    order_id   TEXT   NOT NULL REFERENCES sale (order_id),
    -- In the order in which they were shown.
    position   BIGINT NOT NULL,
    license_id TEXT   NOT NULL UNIQUE REFERENCES license (id),
    PRIMARY KEY (order_id, position)
);

-- Seats are kept for ever, so that no message of a device is ever news again, except cancelled ones whose requests would
-- be refused without them. The columns beside `record` are for finding and listing, and say what the record says.
CREATE TABLE seat (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    -- None for a request that was cancelled with a license key that nobody knows.
    license_id TEXT   REFERENCES license (id),
    state      TEXT   NOT NULL CHECK (state IN ('active', 'held', 'replaced', 'returned', 'cancelled', 'revoked')),
    -- Whether it is active or held.
    taken      BIGINT NOT NULL,
    counted    BIGINT NOT NULL,
    granted    BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    -- When its latest license was signed.
    issued     BIGINT NOT NULL,
    -- When its device last spoke.
    contact    BIGINT NOT NULL,
    -- When its use ends: at the end of the year 9999 if never.
    ends       BIGINT NOT NULL,
    -- Whether it counts no longer, because its use ended too long ago.
    lapsed     BIGINT NOT NULL,
    -- The same for all seats that took each other's place on one machine.
    installed  BLOB   NOT NULL,
    reason     TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    copies     BIGINT NOT NULL,
    virtual_machine BIGINT NOT NULL,
    container  BIGINT NOT NULL,
    -- What its machine is called in lists for customers.
    label      TEXT   NOT NULL,
    -- What the device said of itself in its request, in JSON.
    machine    TEXT   NOT NULL,
    -- The seat as a JSON record: docs/FORMAT.md, "Records". It is the last column, so that lists need not read it.
    record     TEXT   NOT NULL,
    -- Handles have 30 bits, and two devices may draw the same one.
    PRIMARY KEY (handle, device_key)
);
-- Seats that lapse are looked for only when a license has no seat left: the first to end, as many as are needed.
CREATE INDEX seat_by_end ON seat (license_id, ends) WHERE taken = 1 AND lapsed = 0;
CREATE INDEX seat_of_device ON seat (device_key, taken, granted);
-- For lists, in their order.
CREATE INDEX seat_by_age ON seat (granted, handle, device_key);
CREATE INDEX seat_of_license_by_age ON seat (license_id, granted, handle, device_key);
CREATE INDEX seat_of_license_by_change ON seat (license_id, taken, changed, handle, device_key);

-- Cancelled seats, with the dates of their requests. They are forgotten when these are outdated.
CREATE TABLE cancelled (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    requested  BIGINT NOT NULL,
    -- Whose it counts for, as for evidence.
    peer       TEXT   NOT NULL,
    PRIMARY KEY (handle, device_key),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);
CREATE INDEX cancelled_by_date ON cancelled (requested);
CREATE INDEX cancelled_by_peer ON cancelled (peer);

-- How many seats are in each state, and how much evidence there is: the sum over all shards. A transaction changes one
-- shard, so that writers do not wait for each other.
CREATE TABLE tally (
    what   TEXT   NOT NULL,
    shard  BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (what, shard)
);

-- What one machine has now, among all that it had.
CREATE INDEX seat_of_machine ON seat (installed) WHERE taken = 1;

-- The hardware of the seats that are taken, by tags: a machine that is installed again is found by them.
CREATE TABLE tag (
    license_id TEXT   NOT NULL,
    -- The component's number and its three bytes, as one number.
    tag        BIGINT NOT NULL,
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    PRIMARY KEY (license_id, tag, handle, device_key),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);
CREATE INDEX tag_of_seat ON tag (handle, device_key);

-- Proofs and codes for seats that nobody has asked for, to be judged when their requests arrive.
CREATE TABLE evidence (
    handle   BIGINT NOT NULL,
    -- 'proof': an envelope; 'code': a deactivation code as text.
    kind     TEXT   NOT NULL CHECK (kind IN ('proof', 'code')),
    content  BLOB   NOT NULL,
    received BIGINT NOT NULL,
    -- Whose it counts for: the address of a peer, empty for the vendor.
    peer     TEXT   NOT NULL,
    PRIMARY KEY (handle, kind, content)
);
CREATE INDEX evidence_by_age ON evidence (received);
CREATE INDEX evidence_by_peer ON evidence (peer, received);

-- The latest check-ins of a seat, and the revision of the license in the answer.
CREATE TABLE check_in (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    digest     BLOB   NOT NULL,
    revision   BIGINT NOT NULL,
    PRIMARY KEY (handle, device_key, digest),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);

-- How many codes were tried at a seat. The row goes when that no longer counts.
CREATE TABLE attempt (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    -- The attempts as a JSON record: docs/FORMAT.md, "Records".
    record     TEXT   NOT NULL,
    -- The first second at which they no longer count.
    ends       BIGINT NOT NULL,
    PRIMARY KEY (handle, device_key),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);
CREATE INDEX attempt_by_end ON attempt (ends);

-- How often something happened to a license within a year, because a license key alone does it.
CREATE TABLE license_count (
    license_id TEXT NOT NULL REFERENCES license (id),
    -- What: requests that were cancelled without being counted, seats that were replaced, requests that matched no seat.
    counted    TEXT NOT NULL CHECK (counted IN ('cancelled', 'replaced', 'unmatched')),
    -- How often as a JSON record: docs/FORMAT.md, "Records".
    record     TEXT NOT NULL,
    PRIMARY KEY (license_id, counted)
);

-- Who did what, when, and where that took a seat. Rows are only ever added, and no rule reads them.
CREATE TABLE audit (
    -- Nanoseconds since 1970 and 64 random bits, in hex: in the order of time, and no counter to fight over.
    id         TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    license_id TEXT,
    handle     BIGINT,
    device_key BLOB,
    from_state TEXT,
    to_state   TEXT,
    detail     TEXT   NOT NULL
);

-- The ledger, in SQL that SQLite and PostgreSQL both understand, but for one word: BLOB is BYTEA there.
-- Times are seconds since 1970, in UTC. Truth values are 0 and 1.

-- One row: what this authority is for.
CREATE TABLE vendor (
    product TEXT   NOT NULL,
    -- The root public key that the product's applications embed: keys of another root are refused.
    root    TEXT   NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE license (
    id       TEXT   NOT NULL PRIMARY KEY,
    -- A license key is a bearer secret: its SHA-256 finds the license, its last group tells people which one it is.
    key_hash BLOB   NOT NULL UNIQUE,
    key_hint TEXT   NOT NULL,
    -- ledger::LicenseTerms, in JSON.
    terms    TEXT   NOT NULL,
    created  BIGINT NOT NULL
);

-- ledger::Seat, kept for ever, so that no message of its device is ever news again.
CREATE TABLE seat (
    handle             BIGINT NOT NULL,
    device_key         BLOB   NOT NULL,
    -- None for a request that was cancelled with a license key that nobody knows.
    license_id         TEXT   REFERENCES license (id),
    release_commitment BLOB   NOT NULL,
    request_digest     BLOB   NOT NULL,
    fingerprint        TEXT   NOT NULL,
    state              TEXT   NOT NULL CHECK (state IN ('active', 'held', 'returned', 'cancelled', 'revoked')),
    granted            BIGINT NOT NULL,
    changed            BIGINT NOT NULL,
    reason             BIGINT NOT NULL,
    counted            BIGINT NOT NULL,
    revision           BIGINT NOT NULL,
    sync_token         BLOB   NOT NULL,
    previous_token     BLOB   NOT NULL,
    copies             BIGINT NOT NULL,
    wrong_codes        BIGINT NOT NULL,
    codes_since        BIGINT NOT NULL,
    -- What the device said of itself in its request, in JSON.
    machine            TEXT   NOT NULL,
    -- The license as it was issued last: the same request again gets the same bytes.
    license            BLOB,
    -- The revocation, once there is one: for when the device speaks up.
    revocation         BLOB,
    -- Handles have 30 bits, and two devices may draw the same one.
    PRIMARY KEY (handle, device_key)
);
CREATE INDEX seat_of_license ON seat (license_id, state);
CREATE INDEX seat_of_device ON seat (device_key, state);

-- Receipts as they were given: the same proof again gets the same bytes.
CREATE TABLE receipt (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    binding    BLOB   NOT NULL,
    envelope   BLOB   NOT NULL,
    PRIMARY KEY (handle, device_key, binding),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);

-- Proofs and codes for seats that were never seen, to be judged when their requests arrive.
CREATE TABLE evidence (
    handle   BIGINT NOT NULL,
    -- 'proof': an envelope; 'code': a deactivation code as text.
    kind     TEXT   NOT NULL CHECK (kind IN ('proof', 'code')),
    content  BLOB   NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (handle, kind, content)
);
CREATE INDEX evidence_by_age ON evidence (received);

-- Who did what, when, and where that took a seat. Rows are only ever added.
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
CREATE INDEX audit_by_action ON audit (action, at);

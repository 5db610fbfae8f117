-- What was refused lately, for whoever helps the customer: once for each device, kind and day, with a count. Rows go by
-- their age, when there are too many, and when the seat of their device is released.
CREATE TABLE refusal (
    device_key BLOB   NOT NULL,
    -- In days since 1970.
    day        BIGINT NOT NULL,
    -- What was asked for.
    asked      TEXT   NOT NULL CHECK (asked IN ('activation', 'check-in')),
    -- Why not, as the code of an error, and in words.
    kind       TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    handle     BIGINT NOT NULL,
    -- None for a license key that nobody has or had.
    license_id TEXT   REFERENCES license (id),
    -- The end of the license key; empty if none came along.
    key_hint   TEXT   NOT NULL,
    -- What the device said of itself in its request, in JSON.
    machine    TEXT   NOT NULL,
    -- Who handed it in, as the audit names them.
    actor      TEXT   NOT NULL,
    -- From which address; empty for the vendor.
    peer       TEXT   NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    number     BIGINT NOT NULL CHECK (number > 0),
    PRIMARY KEY (device_key, day, asked, kind)
);
CREATE INDEX refusal_by_age ON refusal (last_at, device_key, asked, kind);
CREATE INDEX refusal_of_license_by_age ON refusal (license_id, last_at, device_key, asked, kind);

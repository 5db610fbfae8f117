-- Requests that wait for the vendor's approval, or were approved or refused, until there is a seat for them.
CREATE TABLE approval (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    license_id TEXT   NOT NULL REFERENCES license (id),
    state      TEXT   NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
    -- When it came first, or when the vendor ruled on it.
    changed    BIGINT NOT NULL,
    -- Whose it counts for, as for evidence.
    peer       TEXT   NOT NULL,
    -- It as a JSON record: docs/FORMAT.md, "Records".
    record     TEXT   NOT NULL,
    PRIMARY KEY (handle, device_key)
);
CREATE INDEX approval_by_age ON approval (changed, handle, device_key);
CREATE INDEX approval_of_license ON approval (license_id, changed, handle, device_key);
CREATE INDEX approval_by_peer ON approval (peer, changed);

-- What happened to licenses, for whoever is to be told: written in the transaction of what it is about.
CREATE TABLE event (
    -- That of its line of the audit.
    id         TEXT   NOT NULL PRIMARY KEY,
    license_id TEXT   NOT NULL,
    -- From 1 on, for each license.
    sequence   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    handle     BIGINT,
    device_key BLOB,
    from_state TEXT,
    to_state   TEXT,
    UNIQUE (license_id, sequence)
);

-- When each license ends, of those that do.
CREATE TABLE expiry (
    license_id TEXT   NOT NULL PRIMARY KEY REFERENCES license (id),
    ends       BIGINT NOT NULL,
    -- Whether it was noted that this end is near.
    noted      BIGINT NOT NULL
);
CREATE INDEX expiry_to_note ON expiry (ends, license_id) WHERE noted = 0;
INSERT INTO expiry (license_id, ends, noted)
    SELECT id, CAST(json_extract(terms, '$.expires') AS BIGINT), 0 FROM license
    WHERE json_extract(terms, '$.expires') IS NOT NULL;

-- The latest check-ins of a seat and what they were answered. The network may deliver a request twice or late; without
-- this its echo would use up a sync token, and the device's next check-in would look like that of a copy.
CREATE TABLE check_in (
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    -- Signed, unlike the signature itself, which may be written in more than one way.
    nonce      BLOB   NOT NULL,
    -- The revision of the license in the answer.
    revision   BIGINT NOT NULL,
    license    BLOB   NOT NULL,
    PRIMARY KEY (handle, device_key, nonce),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);

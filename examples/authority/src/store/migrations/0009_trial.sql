-- The hardware of trials, by tags, for ever: a machine has one trial of a product.
CREATE TABLE trial_tag (
    product_id TEXT   NOT NULL REFERENCES product (id),
    -- As in `tag`, also of what the machine has no more.
    tag        BIGINT NOT NULL,
    -- As in `seat`: those that were granted last are looked at first.
    granted    BIGINT NOT NULL,
    handle     BIGINT NOT NULL,
    device_key BLOB   NOT NULL,
    PRIMARY KEY (product_id, tag, granted, handle, device_key),
    FOREIGN KEY (handle, device_key) REFERENCES seat (handle, device_key)
);
CREATE INDEX trial_tag_of_seat ON trial_tag (handle, device_key);

-- The license of which a request without a license key gets a trial; none where every request has a key.
ALTER TABLE product ADD COLUMN trial_license TEXT REFERENCES license (id);

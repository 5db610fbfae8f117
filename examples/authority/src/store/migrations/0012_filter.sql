-- What lists are searched by. The columns say what the records say.
ALTER TABLE license ADD COLUMN licensee TEXT NOT NULL DEFAULT '';
-- The end: that of the year 9999 if it has none.
ALTER TABLE license ADD COLUMN expires BIGINT NOT NULL DEFAULT 253402300799;
-- 'active', 'suspended' or 'void'.
ALTER TABLE license ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
UPDATE license SET
    licensee = COALESCE(json(terms) ->> 'licensee', ''),
    expires = COALESCE(CAST(json(terms) ->> 'expires' AS BIGINT), 253402300799),
    state = CASE
        WHEN voided IS NOT NULL THEN 'void'
        WHEN CAST(json(terms) ->> 'suspended' AS TEXT) IN ('1', 'true') THEN 'suspended'
        ELSE 'active'
    END;
CREATE INDEX license_by_licensee ON license (lower(licensee), id);
CREATE INDEX license_by_end ON license (expires, id);
CREATE INDEX license_by_state ON license (state, created, id);
CREATE INDEX license_of_seller ON reseller_license (account, license_id);

CREATE INDEX seat_by_label ON seat (lower(label), handle, device_key);
CREATE INDEX seat_by_contact ON seat (contact, handle, device_key);
CREATE INDEX seat_by_state ON seat (state, granted, handle, device_key);
CREATE INDEX seat_of_product_by_age ON seat (product_id, granted, handle, device_key);

CREATE INDEX customer_by_name ON customer (lower(name), id);

CREATE INDEX sale_of_product ON sale (product_id, sold, order_id);
CREATE INDEX sale_of_customer ON sale (customer_id, sold, order_id);
CREATE INDEX sale_by_reseller ON sale (reseller, sold, order_id);
CREATE INDEX sale_by_state ON sale (state, sold, order_id);

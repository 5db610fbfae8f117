-- What a seat is of, also one without a license. What is looked up for one product finds nothing of another.
ALTER TABLE seat ADD COLUMN product_id TEXT REFERENCES product (id);
UPDATE seat SET product_id = 'main' WHERE license_id IS NULL;
UPDATE seat SET product_id = (SELECT product_id FROM license WHERE license.id = seat.license_id)
    WHERE license_id IS NOT NULL;

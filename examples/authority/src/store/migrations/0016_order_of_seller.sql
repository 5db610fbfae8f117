-- An order's id counts for each product and each reseller's account apart, so that nobody uses up the ids of another.
CREATE TABLE sale_of_seller (
    order_id    TEXT   NOT NULL,
    product_id  TEXT   NOT NULL REFERENCES product (id),
    -- The account of the reseller that sold it; empty for the vendor.
    seller      TEXT   NOT NULL,
    -- What was said when it was ordered, as a JSON record: docs/FORMAT.md, "Said terms".
    said        TEXT   NOT NULL,
    sold        BIGINT NOT NULL,
    customer_id TEXT   REFERENCES customer (id),
    -- Who sold it, as the sale says; empty for the vendor.
    reseller    TEXT   NOT NULL,
    -- 'sold', or 'void' once all its licenses were ended for good.
    state       TEXT   NOT NULL,
    PRIMARY KEY (order_id, product_id, seller)
);
INSERT INTO sale_of_seller (order_id, product_id, seller, said, sold, customer_id, reseller, state)
    SELECT order_id, product_id,
        COALESCE((SELECT MIN(account) FROM reseller_license JOIN sale_license
            ON sale_license.license_id = reseller_license.license_id WHERE sale_license.order_id = sale.order_id), ''),
        said, sold, customer_id, reseller, state FROM sale;
CREATE TABLE sale_license_of_seller (
    order_id   TEXT   NOT NULL,
    product_id TEXT   NOT NULL,
    seller     TEXT   NOT NULL,
    -- In the order in which they were shown.
    position   BIGINT NOT NULL,
    license_id TEXT   NOT NULL UNIQUE REFERENCES license (id),
    PRIMARY KEY (order_id, product_id, seller, position),
    FOREIGN KEY (order_id, product_id, seller) REFERENCES sale_of_seller (order_id, product_id, seller)
);
INSERT INTO sale_license_of_seller (order_id, product_id, seller, position, license_id)
    SELECT sale_license.order_id, sale_of_seller.product_id, sale_of_seller.seller, position, license_id
    FROM sale_license JOIN sale_of_seller ON sale_of_seller.order_id = sale_license.order_id;
DROP TABLE sale_license;
DROP TABLE sale;
ALTER TABLE sale_of_seller RENAME TO sale;
ALTER TABLE sale_license_of_seller RENAME TO sale_license;
CREATE INDEX sale_by_age ON sale (sold, order_id, product_id, seller);
CREATE INDEX sale_of_product ON sale (product_id, sold, order_id, seller);
CREATE INDEX sale_of_customer ON sale (customer_id, sold, order_id, product_id, seller);
CREATE INDEX sale_of_seller ON sale (seller, sold, order_id, product_id);
CREATE INDEX sale_by_reseller ON sale (reseller, sold, order_id, product_id, seller);
CREATE INDEX sale_by_state ON sale (state, sold, order_id, product_id, seller);

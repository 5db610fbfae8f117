//! Products, and what holds for all of them.

use super::{
    Tx,
    row::{count, json, record, seconds, time},
    sql::{Row, query},
};
use nodelock::{LicenseId, authority::LicenseTerms};

use crate::{
    domain::{Occasion, Product, ProductId, Said},
    failure::{Failure, Result},
};

/// The products, the first one first: its keys are in the folder of keys itself. None before an authority is set up.
pub(crate) async fn products(tx: &mut Tx) -> Result<Vec<Product>> {
    let rows = query(
        "SELECT id, name, root, template, created, revision, keeps_keys, folder, trial_license FROM product \
         ORDER BY folder",
    );
    rows.fetch_all(tx).await?.iter().map(product).collect()
}

fn product(row: &Row) -> Result<Product> {
    let id: String = row.get("id")?;
    let read = || -> Result<Product> {
        Ok(Product {
            id: id.parse().map_err(|reason: &str| Failure::Usage(reason.to_owned()))?,
            name: row.get("name")?,
            root: row.get::<String>("root")?.parse()?,
            template: record(row, "template")?,
            created: time(row, "created")?,
            revision: count(row, "revision")?,
            keeps_keys: count(row, "keeps_keys")? != 0,
            trial_license: trial_license(row)?,
            is_first: row.get::<&str>("folder")?.is_empty(),
        })
    };
    read().map_err(|failure| failure.in_record(format!("product {id}")))
}

fn trial_license(row: &Row) -> Result<Option<LicenseId>> {
    Ok(row.get::<Option<&str>>("trial_license")?.map(str::parse).transpose()?)
}

/// The license of which a request without a license key gets a trial; none if the product has no such. One that is no
/// trial any more is sold, and nobody has it without a key.
pub(crate) async fn trial_license_of(tx: &mut Tx, product: &str) -> Result<Option<LicenseId>> {
    let row = query(
        "SELECT license.id, license.terms FROM product JOIN license ON license.id = product.trial_license \
         WHERE product.name = $1",
    );
    let Some(row) = row.bind(product).fetch_optional(tx).await? else { return Ok(None) };
    let id: String = row.get("id")?;
    let terms: LicenseTerms =
        record(&row, "terms").map_err(|failure: Failure| failure.in_record(format!("license {id}")))?;
    Ok(terms.trial_days.map(|_| terms.id))
}

/// Says of which license a request without a license key gets a trial.
pub(crate) async fn set_trial_license(
    tx: &mut Tx,
    product: &ProductId,
    license: Option<LicenseId>,
    revision: u32,
) -> Result<()> {
    query("UPDATE product SET trial_license = $1, revision = $2 WHERE id = $3")
        .bind(license.map(|id| id.to_string()))
        .bind(i64::from(revision))
        .bind(product.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Enters a product. There is none of that id or name.
pub(crate) async fn insert_product(tx: &mut Tx, product: &Product) -> Result<()> {
    query(
        "INSERT INTO product (id, name, root, folder, template, created, revision, keeps_keys) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(product.id.as_str())
    .bind(&product.name)
    .bind(product.root.to_string())
    .bind(if product.is_first { "" } else { product.id.as_str() })
    .bind(json(&product.template)?)
    .bind(seconds(product.created))
    .bind(i64::from(product.revision))
    .bind(i64::from(product.keeps_keys))
    .execute(tx)
    .await?;
    Ok(())
}

/// Changes what is sold of a product.
pub(crate) async fn set_template(tx: &mut Tx, id: &ProductId, template: &Said, revision: u32) -> Result<()> {
    query("UPDATE product SET template = $1, revision = $2 WHERE id = $3")
        .bind(json(template)?)
        .bind(i64::from(revision))
        .bind(id.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that there is an authority. Nobody said so before.
pub(crate) async fn insert_vendor(tx: &mut Tx, occasion: &Occasion) -> Result<()> {
    query("INSERT INTO vendor (id, created, policies) VALUES (1, $1, '{}')")
        .bind(seconds(occasion.time))
        .execute(tx)
        .await?;
    Ok(())
}

/// What holds for every product that does not say otherwise.
pub(crate) async fn policies(tx: &mut Tx) -> Result<Said> {
    let row =
        query("SELECT policies FROM vendor").fetch_optional(tx).await?.ok_or(Failure::NotInitialized)?;
    record(&row, "policies").map_err(|failure: Failure| failure.in_record("the policies".to_owned()))
}

pub(crate) async fn set_policies(tx: &mut Tx, policies: &Said) -> Result<()> {
    query("UPDATE vendor SET policies = $1").bind(json(policies)?).execute(tx).await?;
    Ok(())
}

//! What customers are mailed: the policies, and mails on their way. Each is a delivery of an event.

use nodelock::{LicenseId, Timestamp, authority::KeyHash};
use tracing::warn;

use super::{
    Tx,
    row::{json, record, seconds},
    sql::query,
};
use crate::{
    domain::{CustomerId, MailPolicy, Mailed, ProductId},
    failure::{Failure, Result},
};

/// Who is mailed of what happens to a license.
pub(crate) struct Addressee {
    pub(crate) customer: CustomerId,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Empty for that of the policy.
    pub(crate) language: String,
    /// What the product of the license says, over what the authority says.
    pub(crate) policy: MailPolicy,
}

/// What holds for every product that does not say otherwise.
pub(crate) async fn mail_policy(tx: &mut Tx) -> Result<MailPolicy> {
    let row = query("SELECT mail FROM vendor").fetch_optional(tx).await?.ok_or(Failure::NotInitialized)?;
    record(&row, "mail").map_err(|failure: Failure| failure.in_record("the mail policy".to_owned()))
}

pub(crate) async fn set_mail_policy(tx: &mut Tx, policy: &MailPolicy) -> Result<()> {
    query("UPDATE vendor SET mail = $1").bind(json(policy)?).execute(tx).await?;
    Ok(())
}

/// What a product says for itself; none if there is no such product.
pub(crate) async fn mail_policy_of(tx: &mut Tx, product: &ProductId) -> Result<Option<MailPolicy>> {
    let row =
        query("SELECT mail FROM product WHERE id = $1").bind(product.as_str()).fetch_optional(tx).await?;
    let read =
        |row| record(row, "mail").map_err(|failure: Failure| failure.in_record(format!("product {product}")));
    row.as_ref().map(read).transpose()
}

pub(crate) async fn set_mail_policy_of(tx: &mut Tx, product: &ProductId, policy: &MailPolicy) -> Result<()> {
    let changed = query("UPDATE product SET mail = $1 WHERE id = $2");
    changed.bind(json(policy)?).bind(product.as_str()).execute(tx).await?;
    Ok(())
}

/// Who is mailed of what happens to a license: its customer. None if it has none, or the customer has no address.
pub(crate) async fn addressee_of(tx: &mut Tx, license: LicenseId) -> Result<Option<Addressee>> {
    let row = query(
        "SELECT customer.id, customer.name, customer.email, customer.language, product.mail AS of_product, \
         vendor.mail AS of_all FROM license JOIN customer ON customer.id = license.customer_id \
         JOIN product ON product.id = license.product_id CROSS JOIN vendor \
         WHERE license.id = $1 AND customer.email <> ''",
    );
    let Some(row) = row.bind(license.to_string()).fetch_optional(tx).await? else { return Ok(None) };
    let policy = record::<MailPolicy>(&row, "of_product").and_then(|of| Ok(of.over(record(&row, "of_all")?)));
    Ok(Some(Addressee {
        customer: row.get::<&str>("id")?.parse()?,
        name: row.get("name")?,
        email: row.get("email")?,
        language: row.get("language")?,
        policy: policy.map_err(|failure: Failure| failure.in_record("a mail policy".to_owned()))?,
    }))
}

/// Has the customer of a license be mailed of an event that was entered in this transaction, if that is the policy:
/// at once, or after what the customer was not mailed yet of the license. `key` is the one that the mail brings.
///
/// What is damaged of that is warned of, and holds up nothing that a device asks for.
pub(super) async fn enter_mail(
    tx: &mut Tx,
    event: &str,
    (license, kind): (LicenseId, &str),
    key: Option<KeyHash>,
) -> Result<()> {
    let Ok(mailed) = kind.parse::<Mailed>() else { return Ok(()) };
    let addressee = match addressee_of(tx, license).await {
        Err(failure @ Failure::Damaged { .. }) => {
            warn!(event = "damaged-record", error = failure.message());
            return Ok(());
        }
        found => found?.filter(|addressee| addressee.policy.mails(mailed)),
    };
    let Some(Addressee { customer, .. }) = addressee else { return Ok(()) };
    query(
        "INSERT INTO delivery (receiver, event_id, license_id, sequence, state, due, attempts, customer_id, key_hash) \
         SELECT 'mail', event.id, event.license_id, event.sequence, CASE WHEN EXISTS \
         (SELECT 1 FROM delivery AS former WHERE former.receiver = 'mail' \
         AND former.license_id = event.license_id AND former.state IN ('due', 'queued')) \
         THEN 'queued' ELSE 'due' END, event.at, 0, $2, $3 FROM event WHERE event.id = $1",
    )
    .bind(event)
    .bind(customer.to_string())
    .bind(key.map(|key| key.0.to_vec()))
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether a mail is due, as [`claim`](super::claim) has it.
pub(crate) async fn is_mail_due(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let row = query(
        "SELECT 1 AS found FROM delivery WHERE receiver = 'mail' AND state = 'due' \
         AND (due <= $1 OR due > $1 + 90000) LIMIT 1",
    );
    Ok(row.bind(seconds(now)).fetch_optional(tx).await?.is_some())
}

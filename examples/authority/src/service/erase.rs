//! A customer asks for what is noted of a person to be erased. What proofs need stays, and nothing else.

use nodelock::{LicenseId, Timestamp};

use super::{
    Database,
    customers::known,
    permit::{On, permit},
};
use crate::{
    domain::{CustomerId, Occasion, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// How many seats go in one transaction.
const AT_ONCE: u32 = 200;
/// How many licenses go before others have their turn: each takes a transaction.
const LICENSES_AT_ONCE: u32 = 20;
/// How many lines of the audit about one license are emptied in one transaction.
const LINES_AT_ONCE: u32 = 1_000;

/// What was erased.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Erased {
    /// When it was erased first.
    pub(crate) at: Timestamp,
    /// Those that the customer has.
    pub(crate) licenses: u64,
    pub(crate) seats: u64,
}

/// Empties what is noted of a customer: name, address, the name in the vendor's own system, notes; who licensed it, and
/// the metadata, in all that the licenses ever said and in their orders; what seats say of their computers; what was
/// refused; addresses and names in the audit's lines about the licenses. Of a license that the customer had once it is
/// the name and the audit's lines of that time.
///
/// Ids stay, and so does the hardware of seats that are taken or can be taken back: check-ins are judged by it.
/// [`prune`](super::prune) lets it go once they are over. The same again goes on with what an interrupted call left.
///
/// Fails with [`Failure::UnknownCustomer`].
pub(crate) async fn erase_customer(
    database: &Database,
    id: CustomerId,
    occasion: &Occasion,
) -> Result<Erased> {
    let occasion = &permit(database, occasion, Act::Erase, On::Whole).await?;
    let mut tx = database.write().await?;
    let mut customer = known(&mut tx, id).await?;
    if customer.erased.is_none() {
        customer.revision = customer.revision.saturating_add(1);
        store::erase_customer(&mut tx, &customer, occasion).await?;
        let detail = id.to_string();
        let line = AuditLine { action: "customer-erased", license: None, detail: &detail };
        line.write(&mut tx, occasion).await?;
    }
    tx.commit().await?;
    let at = customer.erased.unwrap_or(occasion.time);
    let (mut erased, mut last) = (Erased { at, licenses: 0, seats: 0 }, None);
    loop {
        let licenses =
            store::licenses_of_customer(&mut database.read().await?, id, last, LICENSES_AT_ONCE).await?;
        let Some(end) = licenses.last().copied() else { break };
        for (_, license) in licenses {
            erased.seats += erase_license(database, license, occasion.time).await?;
            erased.licenses += 1;
        }
        last = Some(end);
        database.make_way().await;
    }
    for license in store::licenses_once_of(&mut database.read().await?, id).await? {
        // They are over: an erased customer is given nothing.
        let times = store::times_of(&mut database.read().await?, license, id).await?;
        let mut tx = database.write().await?;
        store::terms_of(&mut tx, license).await?.ok_or_else(|| Failure::unknown_license(license))?;
        store::erase_times_of(&mut tx, license, (id, times)).await?;
        tx.commit().await?;
        database.make_way().await;
    }
    Ok(erased)
}

/// The same of one license. Returns how many seats it has.
///
/// So many seats go in one transaction, so that its devices need not wait for all of them.
async fn erase_license(database: &Database, license: LicenseId, now: Timestamp) -> Result<u64> {
    let (mut count, mut last) = (0, None);
    loop {
        let mut tx = database.write().await?;
        // From here on nobody else changes the license or its seats.
        store::terms_of(&mut tx, license).await?.ok_or_else(|| Failure::unknown_license(license))?;
        if last.is_none() {
            store::erase_licensee(&mut tx, license).await?;
            store::forget_refusals_of_license(&mut tx, license).await?;
            store::forget_approvals_of(&mut tx, license).await?;
        }
        let seats = store::seats_of_license(&mut tx, license, last.as_ref(), AT_ONCE).await?;
        for seat in &seats {
            store::set_undescribed(&mut tx, &seat.without_computer(now).without_notice(), seat.is_over(now))
                .await?;
            count += 1;
        }
        tx.commit().await?;
        if seats.len() < AT_ONCE as usize {
            break;
        }
        last = seats.last().cloned();
        database.make_way().await;
    }
    let mut line = String::new();
    loop {
        let mut tx = database.write().await?;
        let last = store::forget_persons_of(&mut tx, license, &line, LINES_AT_ONCE).await?;
        tx.commit().await?;
        match last {
            Some(last) => line = last,
            None => return Ok(count),
        }
        database.make_way().await;
    }
}

#[cfg(test)]
mod tests;

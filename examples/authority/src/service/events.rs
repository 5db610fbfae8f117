//! What happened to licenses, and what is about to.

use nodelock::{LicenseId, authority::decision::EventKind};
use tracing::warn;

use super::{
    Database,
    pages::Leaf,
    permit::{On, permit},
    verify::ACTIONS,
};
use crate::{
    domain::{EventRow, Occasion, kind_of, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// The events of a license, or all, that come after one, at most `most`. All begin after an empty id.
///
/// Fails with `ErrorKind::UnknownLicense` for a license out of reach.
pub(crate) async fn events_after(
    database: &Database,
    license: Option<LicenseId>,
    after: &str,
    most: u32,
    occasion: &Occasion,
) -> Result<Leaf<EventRow>> {
    let (act, on) = match license {
        // Whoever may see a license may see what happened to it.
        Some(id) => (Act::ShowLicenses, On::License(id)),
        None => (Act::ShowAudit, On::Whole),
    };
    permit(database, occasion, act, on).await?;
    let found = store::events_after(&mut database.read_list().await?, license, after, most).await?;
    let last = found.last().map(|(id, _)| id.clone());
    Ok(Leaf { rows: found.into_iter().map(|(_, row)| row).collect(), last })
}

/// Every kind of event that there is, in the order of the alphabet.
pub(crate) fn event_kinds() -> Vec<String> {
    let of_license = ACTIONS.iter().filter(|(_, is_of_license)| *is_of_license).map(|(action, _)| *action);
    let of_both = [EventKind::Allowed, EventKind::Healed, EventKind::StrangeLicense].map(EventKind::name);
    let of_seat = EventKind::ALL.iter().filter(|kind| {
        // These are never about a license and a seat.
        !matches!(kind, EventKind::Allowed | EventKind::EvidenceKept | EventKind::Restored)
    });
    let license = of_license.chain(of_both).filter_map(|action| kind_of(action, false));
    let mut kinds: Vec<String> =
        license.chain(of_seat.filter_map(|kind| kind_of(kind.name(), true))).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Notes that licenses end within so many days as the mail policy says, once for each end. Returns of how many. One
/// whose terms are damaged is warned of and passed over.
pub(crate) async fn note_expiring(database: &Database, occasion: &Occasion) -> Result<u32> {
    let occasion = &permit(database, occasion, Act::Edit, On::Whole).await?;
    let days = store::mail_policy(&mut database.read().await?).await?.expiring_days();
    let until = occasion.time.plus_days(days);
    let mut noted = 0;
    loop {
        let next = store::next_to_expire(&mut database.read().await?, occasion.time, until).await?;
        let Some(license) = next else { return Ok(noted) };
        let mut tx = database.write().await?;
        store::lock_license(&mut tx, license).await?;
        let is_new = store::set_expiry_noted(&mut tx, license).await?;
        let standing = match store::terms_of(&mut tx, license).await {
            Ok(standing) => standing,
            Err(failure @ Failure::Database(_)) => return Err(failure),
            Err(failure) => {
                // It is passed over, so that the others are noted.
                warn!(event = "expiring-not-noted", license = %license, error = failure.message());
                None
            }
        };
        if is_new && let Some(standing) = standing.filter(|standing| standing.voided.is_none()) {
            let detail = standing.terms.expires.map(|end| end.to_string()).unwrap_or_default();
            let line = AuditLine { action: "license-expiring", license: Some(license), detail: &detail };
            line.write(&mut tx, occasion).await?;
            noted += 1;
        }
        tx.commit().await?;
        database.make_way().await;
    }
}

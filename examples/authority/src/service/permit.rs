//! Whether an actor may do something. Each service asks once, before anything else; a refusal is noted in the audit.

use std::time::Instant;

use nodelock::{LicenseId, authority::SeatName, code::Handle};
use tracing::warn;

use super::{Database, Service, limits::ANYWHERE};
use crate::{
    domain::{
        Actor, Occasion,
        rights::{self, Act, Denied, Permit, Reach, Subject},
    },
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// What an act is about.
#[derive(Clone, Copy)]
pub(super) enum On<'a> {
    /// The authority as a whole, which no limited right reaches.
    Whole,
    /// Whatever the permit reaches: the caller looks at each thing.
    Each,
    /// Something new, of that product.
    New(&'a str),
    License(LicenseId),
    Seat(SeatName),
    /// Seats of these handles, whoever's devices have them. What is out of reach must not be decided about: see
    /// [`Place::within`](super::selling::Place::within).
    Handles(&'a [Handle]),
    /// An order of that id, which is out of reach.
    Order(&'a str),
}

/// Asks for an act.
///
/// Fails with [`Failure::Forbidden`] where the table says no, and as if there were no such license where it is out of
/// reach: what others bought is nobody's business. Both are noted.
pub(super) async fn permit<'a>(
    database: &Database,
    occasion: &'a Occasion,
    act: Act,
    on: On<'_>,
) -> Result<Permit<'a>> {
    let asked = match rights::ask(occasion, act) {
        Ok(asked) => asked,
        Err(_) => return Err(refuse(database, occasion, act, on, Failure::Forbidden(act)).await),
    };
    // Devices, the operator and most people have no limit, so nothing is looked up for them.
    let unlimited = *asked.reach() == Reach::Everything;
    let license = match on {
        On::Whole | On::Order(_) => None,
        On::Each => return Ok(asked.each()),
        _ if unlimited => None,
        On::New(product) => {
            let subject = Subject { license: None, product: product.to_owned(), sold_by: None };
            return match asked.about(&subject) {
                Ok(permit) => Ok(permit),
                Err(_) => Err(refuse(database, occasion, act, on, Failure::Forbidden(act)).await),
            };
        }
        On::Handles(handles) => {
            let permit = asked.each();
            if is_any_within(database, &permit, handles).await? {
                return Ok(permit);
            }
            let unknown =
                handles.first().map_or(Failure::Forbidden(act), |handle| Failure::unknown_seat(*handle));
            return Err(refuse(database, occasion, act, on, unknown).await);
        }
        On::License(license) => Some(license),
        On::Seat(name) => store::license_of_seat(&mut database.read().await?, name).await?,
    };
    let unknown = match on {
        On::License(license) => Failure::unknown_license(license),
        On::Seat(name) => Failure::unknown_seat(name.handle),
        _ => Failure::Forbidden(act),
    };
    let permit = match license {
        _ if unlimited => asked.whole(),
        None => asked.whole(),
        Some(license) => match store::subject_of(&mut database.read().await?, license).await? {
            Some(subject) => asked.about(&subject),
            None => Err(Denied::Reach),
        },
    };
    match permit {
        Ok(permit) => Ok(permit),
        Err(_) => Err(refuse(database, occasion, act, on, unknown).await),
    }
}

/// Whether a product that has a seat of one of these handles is within reach.
async fn is_any_within(database: &Database, permit: &Permit<'_>, handles: &[Handle]) -> Result<bool> {
    let mut tx = database.read().await?;
    let products = store::products(&mut tx).await?;
    for handle in handles {
        let ids = store::products_of_handle(&mut tx, *handle).await?;
        let of_handle = products.iter().filter(|product| ids.contains(&product.id));
        let mut subjects =
            of_handle.map(|of| Subject { license: None, product: of.name.clone(), sold_by: None });
        if subjects.any(|subject| permit.reaches(&subject)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes a refusal, unless the same bearer was refused the same act within the last hour. Returns it, or why it could
/// not be noted.
pub(super) async fn refuse(
    database: &Database,
    occasion: &Occasion,
    act: Act,
    on: On<'_>,
    failure: Failure,
) -> Failure {
    if let Actor::Bearer(bearer) = &occasion.actor {
        // The answer that was to be kept is of an act that is not done.
        bearer.set_to_keep(None);
        if !bearer.refusals.count(bearer.who.to_string(), act, occasion, Instant::now()) {
            return failure;
        }
    }
    let about = match on {
        On::Whole | On::Each => String::new(),
        On::New(product) => format!(" of product {product}"),
        On::License(license) => format!(" of license {license}"),
        On::Seat(name) => format!(" of seat {}", name.handle),
        On::Handles(handles) => {
            handles.first().map_or_else(String::new, |handle| format!(" of seat {handle}"))
        }
        On::Order(id) => format!(" of order {id}"),
    };
    let why = match &failure {
        Failure::QuotaUsedUp { .. } | Failure::DeploymentKeyUsedUp(_) => format!(": {}", failure.name()),
        _ => String::new(),
    };
    note(database, occasion, "refused", &format!("{act}{about}{why}")).await.err().unwrap_or(failure)
}

/// Notes that a quota or a deployment key was used up, which shows only within the transaction of an act. That one is
/// undone by now.
pub(super) async fn noting<T>(database: &Database, permit: &Permit<'_>, done: Result<T>) -> Result<T> {
    match done {
        Err(failure @ (Failure::QuotaUsedUp { .. } | Failure::DeploymentKeyUsedUp(_))) => {
            Err(refuse(database, permit, permit.act(), On::Whole, failure).await)
        }
        done => done,
    }
}

/// Notes something that changed nothing else.
pub(super) async fn note(
    database: &Database,
    occasion: &Occasion,
    action: &'static str,
    detail: &str,
) -> Result<()> {
    let mut tx = database.write().await?;
    let line = AuditLine { action, license: None, detail };
    line.write(&mut tx, &Permit::to_note_refusal(occasion)).await?;
    tx.commit().await
}

impl Service {
    /// Whether an act is within somebody's rights at all, before it is known what it is about.
    pub(crate) async fn may(&self, occasion: &Occasion, act: Act) -> Result<()> {
        permit(&self.database, occasion, act, On::Each).await.map(drop)
    }

    /// Notes that somebody was refused who is nobody yet, or in whose name somebody else may ask: the first of each
    /// kind from an address within a quarter of an hour, and no more in all than a stranger could fill the audit with.
    /// What cannot be noted is refused all the same.
    pub(crate) async fn note_stranger(&self, what: &str, occasion: &Occasion) {
        self.note_first_of(what, what, occasion).await;
    }

    /// The same, where what is noted says less than what makes the kind.
    pub(super) async fn note_first_of(&self, kind: &str, what: &str, occasion: &Occasion) {
        let address = occasion.actor.address().unwrap_or(ANYWHERE);
        let is_first = self.limits.strangers.take(kind, address).is_ok();
        if is_first
            && self.limits.strangers_in_all.take("", ANYWHERE).is_ok()
            && let Err(failure) = note(&self.database, occasion, "refused", what).await
        {
            warn!(event = "refusal-not-noted", error = failure.message());
        }
    }

    /// Notes how often what was noted was refused again, for each bearer and act whose hour is over, or for all.
    pub(crate) async fn note_refusals(&self, all: bool) -> Result<()> {
        let counted = if all { self.refusals.take_all() } else { self.refusals.take_over(Instant::now()) };
        for of in counted {
            note(&self.database, &of.last, "refused", &format!("{}, {} times more", of.act, of.more)).await?;
        }
        Ok(())
    }

    /// Asks for an act: see [`permit`].
    pub(super) async fn permit<'a>(
        &self,
        occasion: &'a Occasion,
        act: Act,
        on: On<'_>,
    ) -> Result<Permit<'a>> {
        permit(&self.database, occasion, act, on).await
    }
}

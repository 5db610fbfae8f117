//! Whether an actor may do something. Each service asks once, before anything else; a refusal is noted in the audit.

use nodelock::{LicenseId, authority::SeatName};

use super::{Database, Service};
use crate::{
    domain::{
        Occasion,
        rights::{self, Act, Denied, Permit, Reach, Subject},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
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
    /// The order of that id: its licenses are of one product, and one account sold them.
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
        On::Whole => None,
        On::Each => return Ok(asked.each()),
        _ if unlimited => None,
        On::New(product) => {
            let subject = Subject { license: None, product: product.to_owned(), sold_by: None };
            return match asked.about(&subject) {
                Ok(permit) => Ok(permit),
                Err(_) => Err(refuse(database, occasion, act, on, Failure::Forbidden(act)).await),
            };
        }
        On::License(license) => Some(license),
        On::Seat(name) => store::license_of_seat(&mut database.read().await?, name).await?,
        On::Order(id) => {
            store::licenses_of_sale(&mut database.read().await?, id).await?.first().map(|of| of.id)
        }
    };
    let unknown = match on {
        On::License(license) => Failure::unknown_license(license),
        On::Seat(name) => Failure::unknown_seat(name.handle),
        On::Order(id) => Failure::UnknownOrder(id.to_owned()),
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

/// Whether a license is within a permit's reach: nothing is looked up where that has no limit.
pub(super) async fn reaches(permit: &Permit<'_>, tx: &mut Tx, license: LicenseId) -> Result<bool> {
    if !permit.is_limited() {
        return Ok(true);
    }
    Ok(store::subject_of(tx, license).await?.is_some_and(|subject| permit.reaches(&subject)))
}

/// Notes a refusal. Returns it, or why it could not be noted.
async fn refuse(database: &Database, occasion: &Occasion, act: Act, on: On<'_>, failure: Failure) -> Failure {
    let about = match on {
        On::Whole | On::Each => String::new(),
        On::New(product) => format!(" of product {product}"),
        On::License(license) => format!(" of license {license}"),
        On::Seat(name) => format!(" of seat {}", name.handle),
        On::Order(id) => format!(" of order {id}"),
    };
    note(database, occasion, "refused", &format!("{act}{about}")).await.err().unwrap_or(failure)
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

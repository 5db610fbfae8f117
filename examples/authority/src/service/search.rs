//! One search for whatever a customer reads out: a license key or its last group, a code, a seat, a mail address, an
//! order, a computer, a name.

use nodelock::{
    LicenseId, PublicKey, Timestamp,
    authority::{Found, LicenseKeyName, Query, Seat, SeatState, TypedCode},
    code::{Handle, LicenseKey},
};

use super::{
    Database,
    lists::within,
    pages::whole,
    permit::{On, permit},
};
use crate::{
    domain::{
        Customer, CustomerId, LicenseRow, Occasion, SeatRow,
        filter::{Filter, List, Term, Test},
        rights::{Act, Permit, Reach},
    },
    failure::Result,
    store::{self, Pages, Tx},
};

/// How many of each kind are found.
const MOST: u32 = 20;
/// How many codes or keys that one typed text may stand for are looked up.
const MOST_READINGS: usize = 8;
/// The longest text that is looked for, in letters.
const LONGEST: usize = 200;

/// What was found.
#[derive(Default)]
pub(crate) struct Hits {
    pub(crate) licenses: Vec<LicenseRow>,
    pub(crate) seats: Vec<SeatHit>,
    pub(crate) customers: Vec<Customer>,
}

/// A seat that was found.
pub(crate) struct SeatHit {
    pub(crate) handle: Handle,
    pub(crate) device: PublicKey,
    pub(crate) license: Option<LicenseId>,
    pub(crate) label: String,
    pub(crate) state: SeatState,
    pub(crate) contact: Timestamp,
}

impl From<&Seat> for SeatHit {
    fn from(seat: &Seat) -> Self {
        Self {
            handle: seat.handle(),
            device: *seat.device_key(),
            license: seat.license_id(),
            label: seat.label().to_owned(),
            state: seat.state(),
            contact: seat.contact(),
        }
    }
}

impl From<SeatRow> for SeatHit {
    fn from(row: SeatRow) -> Self {
        let SeatRow { handle, device_key: device, license, label, state, contact, .. } = row;
        Self { handle, device, license, label, state, contact }
    }
}

/// Looks for a text that somebody typed, in everything within reach, up to 20 of each kind.
///
/// A license key counts also when it opens nothing any more: whoever calls may have an old one.
pub(crate) async fn search(database: &Database, typed: &str, occasion: &Occasion) -> Result<Hits> {
    let permit = permit(database, occasion, Act::ShowLicenses, On::Each).await?;
    // PostgreSQL knows no texts with a NUL, and nothing that is searched has more than one line.
    let text: String = typed.trim().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    let mut hits = Hits::default();
    if text.is_empty() {
        return Ok(hits);
    }
    let mut tx = database.read_list().await?;
    for id in licenses_named(&mut tx, &text).await? {
        hits.add_license(&mut tx, id, &permit).await?;
    }
    for handle in handles(&text) {
        let found = whole(store::find(&mut tx, &Query::SeatsOfHandle(handle)).await)?;
        if let Some(Found::Seats(seats)) = found {
            for seat in &seats {
                if is_within(&mut tx, seat.license_id(), &permit).await? {
                    hits.add_seat(seat.into());
                }
            }
        }
    }
    let is = |field, value: &str| Term { field, test: Test::Is(value.to_owned()) };
    let begins = |field| Term { field, test: Test::Begins(text.clone()) };
    let mut of_licenses = vec![is("key", &text.to_uppercase()), is("order", &text), begins("licensee")];
    if let Ok(customer) = text.parse::<CustomerId>() {
        of_licenses.push(is("customer", &customer.to_string()));
    }
    for term in of_licenses {
        let filter = within(&mut tx, Filter { list: List::Licenses, terms: vec![term] }, &permit).await?;
        for row in few(&mut tx, store::license_pages(filter)).await? {
            hits.add_license(&mut tx, row.license.terms.id, &permit).await?;
        }
    }
    let filter = within(&mut tx, Filter { list: List::Seats, terms: vec![begins("label")] }, &permit).await?;
    for row in few(&mut tx, store::seat_pages(filter, occasion.time)).await? {
        hits.add_seat(row.into());
    }
    // Customers are of the whole vendor.
    if *permit.reach() == Reach::Everything {
        for term in [is("email", &text), is("external_id", &text), begins("name")] {
            let filter = Filter { list: List::Customers, terms: vec![term] };
            for customer in few(&mut tx, store::customer_pages(filter)).await? {
                let is_new = hits.customers.iter().all(|found| found.id != customer.id);
                if is_new && hits.customers.len() < MOST as usize {
                    hits.customers.push(customer);
                }
            }
        }
    }
    Ok(hits)
}

impl Hits {
    async fn add_license(&mut self, tx: &mut Tx, id: LicenseId, permit: &Permit<'_>) -> Result<()> {
        let is_new = self.licenses.iter().all(|row| row.license.terms.id != id);
        if is_new && self.licenses.len() < MOST as usize && is_within(tx, Some(id), permit).await? {
            // One that is damaged hides no other.
            self.licenses.extend(whole(store::license_row_of(tx, id).await)?.flatten());
        }
        Ok(())
    }

    fn add_seat(&mut self, hit: SeatHit) {
        let is_new = self.seats.iter().all(|seat| (seat.handle, seat.device) != (hit.handle, hit.device));
        if is_new && self.seats.len() < MOST as usize {
            self.seats.push(hit);
        }
    }
}

/// The licenses of an id or of a whole key.
async fn licenses_named(tx: &mut Tx, text: &str) -> Result<Vec<LicenseId>> {
    let mut found: Vec<LicenseId> = text.parse().into_iter().collect();
    let readings = LicenseKey::read(text).unwrap_or_default().into_iter().take(MOST_READINGS);
    let texts = readings.map(|reading| reading.code.to_string()).chain([text.to_owned()]);
    for key in texts.filter_map(|text| LicenseKeyName::new(&text)) {
        found.extend(store::license_of_any_key(tx, key.hash()).await?);
    }
    Ok(found)
}

/// The seats that a code or the name of a seat may stand for.
fn handles(text: &str) -> Vec<Handle> {
    let of_codes = TypedCode::read(text).map(|typed| {
        typed.readings().iter().take(MOST_READINGS).map(|reading| reading.code.handle()).collect::<Vec<_>>()
    });
    let mut handles = of_codes.unwrap_or_default();
    handles.extend(text.parse::<Handle>());
    handles
}

async fn is_within(tx: &mut Tx, license: Option<LicenseId>, permit: &Permit<'_>) -> Result<bool> {
    if *permit.reach() == Reach::Everything {
        return Ok(true);
    }
    let Some(license) = license else { return Ok(false) };
    Ok(store::subject_of(tx, license).await?.is_some_and(|subject| permit.reaches(&subject)))
}

/// The first rows of a list, without those that are damaged.
async fn few<T>(tx: &mut Tx, pages: Pages<T>) -> Result<Vec<T>> {
    let page = pages.after(None, MOST)?.next(tx).await?;
    Ok(page.into_iter().filter_map(Result::ok).collect())
}

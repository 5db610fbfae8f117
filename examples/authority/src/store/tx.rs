//! A transaction, and what it knows by now.

use std::collections::BTreeMap;

use nodelock::{
    LicenseId, Timestamp,
    authority::{
        Allowance, Allowances, History, KeyHash, LicenseRecord, LicenseTerms, Seat, SeatName,
        decision::Decision,
    },
};
use sqlx::{Postgres, Transaction};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Engine,
    counters::{Counted, Counters},
    group::Member,
    ledger::{tags_of, trial_tags_of},
    locks::Locks,
    sql::{Error, Target},
    sqlite::Reader,
};
use crate::{domain::ProductId, failure::Result};

/// A transaction. One that writes and is dropped changes nothing.
pub(crate) struct Tx {
    inner: Inner,
    pub(super) engine: Engine,
    /// What is locked; none on SQLite, which has one writer at a time, and in a transaction that reads.
    locks: Option<Locks>,
    /// The product that it looks things up for: what belongs to another one is not there.
    product: Option<ProductId>,
    /// Licenses that were read, with what their seats added up to before this transaction.
    licenses: BTreeMap<LicenseId, LicenseRecord>,
    /// Keys that found one of them.
    keys: BTreeMap<KeyHash, LicenseId>,
    /// Seats that were read or written.
    seats: BTreeMap<SeatName, KnownSeat>,
    pub(super) counters: Counters,
    /// What the ledger noted of its service, if that was read or written, and if there is any.
    pub(super) history: Option<Option<Box<History>>>,
    /// Of a list.
    _place: Option<OwnedSemaphorePermit>,
    /// What was run in it, with its values.
    #[cfg(test)]
    pub(super) ran: std::collections::BTreeSet<String>,
    /// After so many statements one fails.
    #[cfg(test)]
    pub(super) fails_after: Option<usize>,
}

/// What is known of a seat as it is stored: how it is counted, and the tags that it is found by.
#[derive(Clone)]
pub(super) struct KnownSeat {
    pub(super) counted: Counted,
    pub(super) tags: Vec<i64>,
    pub(super) trial_tags: Vec<i64>,
}

pub(super) enum Inner {
    /// On SQLite, to read.
    Reading(Reader),
    /// On SQLite, to write.
    Writing(Member),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) fn new(inner: Inner, engine: Engine, locks: Option<Locks>) -> Self {
        let (licenses, keys, seats) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let counters = Counters::default();
        Self {
            inner,
            engine,
            locks,
            product: None,
            licenses,
            keys,
            seats,
            counters,
            history: None,
            _place: None,
            #[cfg(test)]
            ran: std::collections::BTreeSet::new(),
            #[cfg(test)]
            fails_after: None,
        }
    }

    /// The same with a place that it keeps until it ends.
    pub(super) fn in_place(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// The same for one product alone: from here on decisions find nothing that belongs to another one.
    pub(crate) fn of_product(self, product: &ProductId) -> Self {
        Self { product: Some(product.clone()), ..self }
    }

    /// The product that it is for; none for all of them.
    pub(super) fn product(&self) -> Option<&str> {
        self.product.as_ref().map(ProductId::as_str)
    }

    /// Ends it. What it changed is on the disk then.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let counters = std::mem::take(&mut self.counters);
        counters.write(&mut self).await?;
        match self.inner {
            Inner::Reading(reader) => drop(reader),
            Inner::Writing(member) => member.commit().await?,
            Inner::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Ends it with nothing changed, and nothing locked any more.
    pub(crate) async fn undo(self) {
        match self.inner {
            Inner::Reading(reader) => drop(reader),
            Inner::Writing(member) => member.undo(),
            // The database does that by itself when the connection is lost.
            Inner::Postgres(transaction) => drop(transaction.rollback().await),
        }
    }

    /// What a decision needs and this transaction has not locked; none if nothing.
    pub(crate) fn lacks(&self, decision: &Decision) -> Option<Locks> {
        let locks = self.locks.as_ref()?;
        let needed = Locks::of_decision(self, decision);
        (!locks.cover(&needed)).then_some(needed)
    }

    /// Whether it took all its locks when it began.
    pub(super) fn is_of_decision(&self) -> bool {
        self.locks.is_some()
    }

    /// A license that was read before, with what its seats add up to by now.
    pub(super) fn known_license(&self, id: LicenseId) -> Option<LicenseRecord> {
        self.licenses.get(&id).map(|license| self.up_to_date(license))
    }

    /// The same by the hash of a key.
    pub(super) fn known_license_of_key(&self, hash: KeyHash) -> Option<LicenseRecord> {
        self.keys.get(&hash).and_then(|id| self.known_license(*id))
    }

    /// Remembers which license a key finds.
    pub(super) fn know_key(&mut self, hash: KeyHash, id: LicenseId) {
        self.keys.insert(hash, id);
    }

    fn up_to_date(&self, license: &LicenseRecord) -> LicenseRecord {
        let usage = self.counters.usage(license.terms.id, license.usage);
        LicenseRecord { terms: license.terms.clone(), usage, allowances: license.allowances }
    }

    /// Remembers a license as it is stored. Returns it with what its seats add up to by now.
    pub(super) fn know_license(&mut self, stored: LicenseRecord) -> LicenseRecord {
        let license = self.up_to_date(&stored);
        self.licenses.insert(stored.terms.id, stored);
        license
    }

    /// The terms of a license changed.
    pub(super) fn know_terms(&mut self, terms: &LicenseTerms) {
        if let Some(license) = self.licenses.get_mut(&terms.id) {
            license.terms = terms.clone();
        }
    }

    /// The allowances of a license changed.
    pub(super) fn know_allowances(&mut self, id: LicenseId, allowances: Allowances) {
        if let Some(license) = self.licenses.get_mut(&id) {
            license.allowances = allowances;
        }
    }

    /// Whether this transaction takes the last activation of a license.
    pub(super) fn used_up(&self, id: LicenseId, now: Timestamp) -> bool {
        let is_used_up =
            |license: &LicenseRecord| license.balance(Allowance::Activations, now).left() == Some(0);
        self.licenses
            .get(&id)
            .is_some_and(|stored| !is_used_up(stored) && is_used_up(&self.up_to_date(stored)))
    }

    pub(super) fn known_seat(&self, name: SeatName) -> Option<&KnownSeat> {
        self.seats.get(&name)
    }

    pub(super) fn know_seat(&mut self, seat: &Seat) {
        let known = KnownSeat { counted: seat.into(), tags: tags_of(seat), trial_tags: trial_tags_of(seat) };
        self.seats.insert(seat.name(), known);
    }

    /// The license of a seat that was read.
    pub(super) fn license_of(&self, name: SeatName) -> Option<LicenseId> {
        self.seats.get(&name)?.counted.license
    }

    /// What its statements run on. Fails with [`Error::Undone`] when the database has undone it.
    pub(super) fn target(&mut self) -> Result<Target<'_>, Error> {
        #[cfg(test)]
        if let Some(left) = self.fails_after {
            self.fails_after = Some(left.checked_sub(1).ok_or(Error::Undone)?);
        }
        let connection: &mut rusqlite::Connection = match &mut self.inner {
            Inner::Reading(reader) => reader,
            Inner::Writing(member) => member,
            Inner::Postgres(transaction) => return Ok(Target::Postgres(transaction)),
        };
        // Some failures undo it. What comes after them must not stand alone.
        if connection.is_autocommit() { Err(Error::Undone) } else { Ok(Target::Sqlite(connection)) }
    }
}

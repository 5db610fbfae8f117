//! The authority's service: its pages, and what becomes of it when the ledger is restored behind its back.

use std::time::Duration;

use serde_json::Value;

use super::{LICENSE, LONGEST_LEASE, World, network::Message};
use crate::{
    DeactivationReceipt, License, LicenseBody, Page, Revocation, SigningKey, Timestamp,
    authority::{
        Found, Query, Seat, SeatState,
        decision::{self, Ledger as _, Moment, Note, SILENCE},
    },
    message::Signed,
    model::{
        Mutant, is_mutated,
        random::{
            promise::{Kept, Restore, must},
            script::{Restored, Sold},
        },
    },
    testing::MemoryLedger,
};

/// How long a page lasts.
const LASTS: u64 = 60;
/// A page that nobody notes.
const NO_PAGE: Page = Page::from_bytes([0xFF; 8]);

pub(super) struct Service {
    /// Whether no backup reaches the place of the page outside.
    is_trusted: bool,
    /// The page that is signed under, and when it was noted.
    page: Page,
    noted: u64,
    outside: Option<Page>,
    pages: u64,
    copies: Vec<Copy>,
    /// Pages of which a part was lost, and nothing shows it.
    torn_unseen: Vec<Page>,
}

/// A copy of the ledger, and what was true when it was made.
struct Copy {
    ledger: MemoryLedger,
    key: String,
    page: Page,
    sold: Sold,
    made: u64,
}

impl Service {
    pub(super) fn new(number: u64) -> Self {
        Self {
            is_trusted: number.is_multiple_of(4),
            page: NO_PAGE,
            noted: 0,
            outside: None,
            pages: 0,
            copies: Vec::new(),
            torn_unseen: Vec::new(),
        }
    }
}

impl World<'_> {
    /// The moment of a decision, under a page that was noted before.
    pub(super) fn moment(&mut self) -> Moment {
        // A server that lives notes one each minute.
        if self.now >= self.service.noted + LASTS {
            self.note(Some(Duration::from_secs(LASTS)));
        }
        self.moment_under(self.service.page)
    }

    fn moment_under(&mut self, page: Page) -> Moment {
        self.drawn += 1;
        let mut token = [1; 16];
        token[..4].copy_from_slice(&self.drawn.to_le_bytes());
        Moment {
            now: Timestamp::from_unix_seconds(self.now),
            token,
            page,
            longest_lease: self.vendor.issuer.longest_lease(),
            roots: self.vendor.roots.clone(),
        }
    }

    /// Notes a new page: at a start, or so long after this server's last note.
    pub(super) fn note(&mut self, since_last: Option<Duration>) {
        self.note_with(self.service.page, since_last);
    }

    /// The same of a server that noted that page last.
    fn note_with(&mut self, own: Page, since_last: Option<Duration>) {
        self.service.pages += 1;
        let page = Page::from_bytes(self.service.pages.to_be_bytes());
        let trusted = self.service.is_trusted;
        let own = since_last.map(|_| own).filter(|_| !trusted);
        let note = Note { outside: own.or(self.service.outside), trusted, since_last, ..Note::default() };
        let moment = self.moment_under(page);
        let noted = decision::settle(&mut self.ledger, |records| decision::note(&note, records, &moment));
        for event in noted.expect("a note is never refused").events {
            self.count(format!("noted: {}", event.kind.name()));
        }
        let service = &mut self.service;
        (service.page, service.noted, service.outside) = (page, self.now, Some(page));
    }

    /// Time has passed, and nobody did anything. In every other run the server's one timer notes a page each minute, in
    /// the others it failed to.
    pub(super) fn pass_time(&mut self) {
        let is_late = self.now >= self.service.noted + LASTS;
        let has_run = is_late && !self.number.is_multiple_of(2);
        if has_run {
            self.note(Some(Duration::from_secs(LASTS)));
        }
        if has_run && is_mutated(Mutant::TimerFreesSeats) {
            self.change_seats("state", &"returned".into(), |world, seat| !world.counts(seat));
        }
        if is_late && !has_run && is_mutated(Mutant::MissedTimerFreesSeats) {
            self.change_seats("lapsed", &true.into(), |_, _| true);
        }
    }

    /// What no rule does to seats that are taken.
    fn change_seats(&mut self, member: &str, value: &Value, which: impl Fn(&Self, &Seat) -> bool) {
        let taken = self.ledger.seats_of(LICENSE).filter(|seat| seat.state().is_taken());
        let changed: Vec<Seat> = taken.filter(|seat| which(self, seat)).cloned().collect();
        for seat in changed {
            let mut record = serde_json::to_value(&seat).expect("a record");
            record[member] = value.clone();
            self.ledger.seats.insert(seat.name(), serde_json::from_value(record).expect("a record"));
        }
    }

    /// The server is killed, and started after a while.
    pub(super) fn restart(&mut self) -> bool {
        self.note(None);
        true
    }

    pub(super) fn copy(&mut self) -> bool {
        // What was noted last is in the copy, and what is signed under that later is not.
        let _ = self.moment();
        self.service.copies.push(Copy {
            ledger: self.ledger.clone(),
            key: self.key.clone(),
            page: self.service.page,
            sold: self.promise.sold(),
            made: self.now,
        });
        true
    }

    pub(super) fn restore(&mut self, restored: Restored) -> Kept<bool> {
        let copies = &self.service.copies;
        // What is in the log is missing: the database is what it was some time before.
        let before = usize::from(restored == Restored::WithoutLog && copies.len() > 1);
        let copy = &copies[copies.len() - 1 - before];
        let (at, own) = (self.now, self.service.page);
        let (sold, copied, copied_page) = (copy.sold, copy.made, copy.page);
        (self.ledger, self.key) = (copy.ledger.clone(), copy.key.clone());
        let is_rolled_back = matches!(restored, Restored::WithKeys | Restored::OneOfTwo);
        if is_rolled_back && !self.service.is_trusted {
            self.service.outside = Some(copy.page);
        }
        if restored == Restored::WithoutPage {
            self.service.outside = None;
        }
        self.note(None);
        if restored == Restored::OneOfTwo {
            // The other server goes on, and knows what it noted itself.
            self.now += LASTS;
            self.note_with(own, Some(Duration::from_secs(LASTS)));
        }
        // Within the minute of the copy there is no other page that could show it.
        let shows = match restored {
            // The server that was put back saw nothing, and noted that it is there before the other one found out.
            Restored::WithKeys | Restored::OneOfTwo => self.service.is_trusted && own != copied_page,
            Restored::WithoutPage => at > copied + SILENCE.as_secs(),
            Restored::WithLog | Restored::WithoutLog => own != copied_page,
        };
        if !shows {
            self.service.torn_unseen.push(copied_page);
        }
        let seen = self.seen();
        self.promise.restored(self.now, Restore { at, copied, sold, shows, beside: None }, seen)?;
        Ok(true)
    }

    /// Somebody checks in with what proves nothing: it is refused, and changes no seat.
    pub(super) fn lie(&mut self, at: usize) -> Kept<bool> {
        let page = self.moment().page;
        let Some(own) = self.license_of(at) else { return Ok(false) };
        let later = own.revision + 7;
        let (issued, until) = (self.now, self.now + LONGEST_LEASE);
        let forged = |key: &SigningKey, page: Page| {
            let lease_until = Some(Timestamp::from_unix_seconds(until));
            let issued = Timestamp::from_unix_seconds(issued);
            let body = LicenseBody { revision: later, page, issued, lease_until, ..(*own).clone() };
            Signed::sign_by_authority(body, key, None).expect("a valid body").as_bytes().to_vec()
        };
        let (handle, revision, license) = match self.dice.below(4) {
            0 => (own.handle, later, None),
            // Under a page that the ledger might have lost.
            1 => (own.handle, later, Some(forged(&self.vendor.strangers, NO_PAGE))),
            // Under one that it knows in full.
            2 => (own.handle, later, Some(forged(&self.vendor.stolen, page))),
            _ => {
                let others = (0..self.installations.len()).filter(|other| *other != at);
                let licenses: Vec<_> = others.filter_map(|other| self.license_of(other)).collect();
                let is_known =
                    |license: &License| self.ledger.seats.keys().any(|name| name.handle == license.handle);
                let lost = licenses.iter().find(|license| !is_known(license));
                let Some(another) = lost.or(licenses.first()) else { return Ok(false) };
                (another.handle, another.revision, Some(another.as_bytes().to_vec()))
            }
        };
        self.drawn += 1;
        let lie = self.installations[at].claim((handle, revision), license.as_deref(), self.drawn, self.now);
        let before = self.ledger.seats.clone();
        let answer = self.hear(&Message::CheckIn(lie))?;
        // A seat that is over is said to be, to whoever asks in its device's name.
        let is_believed = answer.as_ref().is_ok_and(|reply| reply.license.is_some());
        must(!is_believed, || format!("S4: a license that proves nothing is renewed, of seat {handle}"))?;
        must(answer.is_ok() || self.ledger.seats == before, || {
            "S4: what proves nothing changes a seat".into()
        })?;
        Ok(true)
    }

    /// A device whose seat was unknown was answered when it checked in with this license: what it held before is over.
    pub(super) fn judge_entered(&self, license: &License) -> Kept {
        let is_earlier = |seat: &&Seat| {
            seat.state() == SeatState::Active
                && *seat.device_key() == license.device_key
                && seat.handle() != license.handle
                && seat.granted() < license.issued
        };
        let earlier = self.ledger.seats_of(LICENSE).find(is_earlier);
        must(earlier.is_none(), || format!("S4: seat {} is entered beside an earlier one", license.handle))
    }

    /// A device's request was answered. The seat of which the authority said last that it is over is over, if that was
    /// said under a page that the ledger has lost.
    pub(super) fn judge_last_word(&self, at: usize) -> Kept {
        let (installed, roots) = (&self.installations[at], &self.vendor.roots);
        let Some(word) = installed.last_word() else { return Ok(()) };
        let (handle, page) = match DeactivationReceipt::verify(word, roots) {
            Ok(receipt) => (receipt.handle, receipt.page),
            Err(_) => {
                Revocation::verify(word, roots).map(|word| (word.handle, word.page)).expect("it was kept")
            }
        };
        let is_lost = matches!(self.ledger.find(&Query::Page(page)), Ok(Found::Page(false)));
        let mut seats = self.ledger.seats_of(LICENSE).filter(|seat| seat.handle() == handle);
        let is_active = seats.any(|seat| seat.state() == SeatState::Active);
        must(!is_active || !is_lost, || format!("S4: the device of seat {handle} knows that it is over"))
    }

    /// Whether the license on it was signed in the minute of a copy, which is in the ledger's place, and nothing shows
    /// that: its page is known, so it passes for a stolen key's (docs/DESIGN.md, Limits).
    pub(super) fn is_taken_for_stolen(&self, at: usize) -> bool {
        self.license_of(at).is_some_and(|license| self.service.torn_unseen.contains(&license.page))
    }

    /// Whether the ledger has the seat of a license.
    pub(super) fn is_known(&self, license: &License) -> bool {
        self.ledger.seats_of(LICENSE).any(|seat| seat.handle() == license.handle)
    }

    /// The license on an installation, if it is of the license that is judged.
    pub(super) fn license_of(&self, at: usize) -> Option<License> {
        let envelope = self.installations[at].envelope()?;
        let license = License::verify(&envelope, &self.vendor.roots).expect("it was installed");
        (license.license_id == LICENSE).then_some(license)
    }
}

//! What is known by now: what was looked up, as this decision has changed it. What is missing is asked for.

use std::collections::BTreeSet;

use super::{Change, Stop, Work, refuse};
use crate::{
    ErrorKind, LicenseId, Page, PublicKey, Timestamp,
    authority::{
        allowances::Allowances,
        approval::Approval,
        counts::{Attempts, Count, Counting},
        history::{Gap, History},
        incoming::{Claimed, Evidence},
        records::{MAX_SEATS_OF_DEVICE, Query},
        seat::{Seat, SeatName},
        terms::{KeyHash, LicenseRecord, LicenseTerms, Usage},
    },
    code::Handle,
    fingerprint::{Fingerprint, Tag},
    message::Body,
};

impl Work<'_> {
    /// Every seat of a handle.
    pub(in crate::authority::decision) fn seats_of_handle(&self, handle: Handle) -> Result<Vec<Seat>, Stop> {
        self.need([Query::SeatsOfHandle(handle), Query::History])?;
        let known = self.records.seats_of_handle(handle).unwrap_or_default();
        let new = self.seats.keys().filter(|name| name.handle == handle && !known.contains(name));
        Ok(known.iter().chain(new).filter_map(|name| self.seat(*name)).cloned().collect())
    }

    /// The seats that a device holds, of whatever license.
    pub(in crate::authority::decision) fn taken_seats_of(
        &self,
        device: &PublicKey,
    ) -> Result<Vec<Seat>, Stop> {
        self.need([Query::TakenSeatsOf(*device)])?;
        let names = self.records.taken_seats_of(device).unwrap_or_default();
        let seats = names.iter().filter_map(|name| self.seat(*name));
        Ok(seats.filter(|seat| seat.state.is_taken()).cloned().collect())
    }

    /// Those of them that may be on a machine with that fingerprint. Of a device with very many seats only the latest
    /// were looked up, so those of the machine are found by its hardware too.
    pub(in crate::authority::decision) fn taken_seats_on(
        &self,
        device: &PublicKey,
        fingerprint: &Fingerprint,
        terms: &LicenseTerms,
    ) -> Result<Vec<Seat>, Stop> {
        let mut seats = self.taken_seats_of(device)?;
        let is_full = |names: &[SeatName]| names.len() >= MAX_SEATS_OF_DEVICE;
        if self.records.taken_seats_of(device).is_some_and(is_full) {
            let tags: Vec<_> = fingerprint.hardware().collect();
            let mut more = self.seats_with_tags(terms, &tags)?;
            more.retain(|seat| {
                seat.device_key == *device && seats.iter().all(|known| known.name() != seat.name())
            });
            seats.extend(more);
        }
        Ok(seats)
    }

    /// The seat of the device that signed a message, among those of the handle that the message names.
    pub(in crate::authority::decision) fn seat_of_signer<T: Body>(
        &self,
        handle: Handle,
        message: &Claimed<T>,
    ) -> Result<Option<Seat>, Stop> {
        let seats = self.seats_of_handle(handle)?;
        let verification = |seat: &Seat| message.signed_by(&seat.device_key);
        self.verify(seats.iter().map(verification))?;
        // Two devices may have drawn one handle.
        Ok(seats.into_iter().find(|seat| self.fact(&verification(seat)) == Some(true)))
    }

    /// The seats of a license that count now and have one of these tags.
    pub(in crate::authority::decision) fn seats_with_tags(
        &self,
        terms: &LicenseTerms,
        tags: &[Tag],
    ) -> Result<Vec<Seat>, Stop> {
        self.need(tags.iter().map(|tag| Query::SeatsWithTag(terms.id, *tag)))?;
        let named = tags.iter().filter_map(|tag| self.records.seats_with_tag(terms.id, *tag)).flatten();
        let names: BTreeSet<SeatName> = named.copied().collect();
        let seats = names.into_iter().filter_map(|name| self.seat(name));
        let gaps = self.gaps()?;
        let counts = |seat: &Seat| seat.counts(terms, self.moment.now, &gaps) || mutated!(LapsedSeatIsJoined);
        Ok(seats.filter(|seat| counts(seat)).cloned().collect())
    }

    /// The seat that a machine has now; none if that is over.
    pub(in crate::authority::decision) fn seat_of_machine(
        &self,
        machine: [u8; 32],
    ) -> Result<Option<Seat>, Stop> {
        self.need([Query::SeatOfMachine(machine)])?;
        let names = self.records.seat_of_machine(machine).unwrap_or_default();
        Ok(names.iter().filter_map(|name| self.seat(*name)).find(|seat| seat.state.is_taken()).cloned())
    }

    /// The trial seats that a machine has or had, of any license of the product: by its hardware. `device` is who asks.
    pub(in crate::authority::decision) fn trials_of(
        &self,
        device: &PublicKey,
        fingerprint: &Fingerprint,
        terms: &LicenseTerms,
    ) -> Result<Vec<Seat>, Stop> {
        let tags: Vec<Tag> = fingerprint.hardware().collect();
        self.need(tags.iter().map(|tag| Query::TrialsWithTag(terms.id, *tag)))?;
        let named = tags.iter().filter_map(|tag| self.records.trials_with_tag(terms.id, *tag)).flatten();
        let names: BTreeSet<SeatName> = named.copied().collect();
        let is_of_machine = |seat: &&Seat| {
            seat.is_trial_of(fingerprint, terms)
                && (seat.state.is_taken() || !mutated!(TrialEndsWithItsSeat))
                && (seat.device_key == *device || !mutated!(TrialOfTheDevice))
        };
        let trials = names.into_iter().filter_map(|name| self.seat(name)).filter(is_of_machine).cloned();
        let mut trials: Vec<Seat> = trials.collect();
        if mutated!(TrialOfAnyMachine) {
            trials.extend(self.seats_by_end(terms.id, Timestamp::MAX, 1)?);
        }
        Ok(trials)
    }

    /// From when on the days of the trials count that a device holds, wherever its store is now.
    pub(in crate::authority::decision) fn trial_held_by(
        &self,
        device: &PublicKey,
    ) -> Result<Option<Timestamp>, Stop> {
        Ok(self.taken_seats_of(device)?.iter().filter_map(|seat| seat.trial).max())
    }

    /// The seats of a license that end until then and are taken, as this decision has left them.
    pub(in crate::authority::decision) fn seats_by_end(
        &self,
        license: LicenseId,
        until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<Seat>, Stop> {
        self.need([Query::SeatsByEnd { license, until, at_most }])?;
        let names = self.records.seats_by_end(license, until, at_most).unwrap_or_default();
        let seats = names.iter().filter_map(|name| self.seat(*name));
        Ok(seats.filter(|seat| seat.is_marked_taken() && seat.ends <= until).cloned().collect())
    }

    /// A license, with what its seats add up to by now.
    pub(in crate::authority::decision) fn license(
        &self,
        id: LicenseId,
    ) -> Result<Option<LicenseRecord>, Stop> {
        self.need([Query::License(id)])?;
        let (terms, before, allowances) = match (self.new_licenses.get(&id), self.records.license(id)) {
            (Some(terms), _) => (&**terms, Usage::default(), Allowances::default()),
            (None, Some(Some(license))) => (&license.terms, license.usage, self.allowances_of(license)),
            (None, _) => return Ok(None),
        };
        let difference = self.usage.get(&id).copied().unwrap_or_default();
        let count = |before: u32, change: i64| u32::try_from(i64::from(before) + change).unwrap_or(0);
        let usage = Usage {
            taken: count(before.taken, difference.taken),
            deactivated: count(before.deactivated, difference.deactivated),
            activated: count(before.activated, difference.activated),
        };
        Ok(Some(LicenseRecord { terms: terms.clone(), usage, allowances }))
    }

    /// The license of a key; none if no license has that key.
    pub(in crate::authority::decision) fn license_of_key(
        &self,
        hash: KeyHash,
    ) -> Result<Option<LicenseId>, Stop> {
        self.need([Query::LicenseOfKey(hash)])?;
        Ok(self.records.license_of_key(hash).flatten())
    }

    /// The license of a seat. A request that was cancelled under an unknown key has none; the rules ask for terms all
    /// the same, and get some that grant nothing.
    pub(in crate::authority::decision) fn license_of(&self, seat: &Seat) -> Result<LicenseRecord, Stop> {
        match seat.license_id() {
            Some(id) => self
                .license(id)?
                .ok_or_else(|| refuse(ErrorKind::UnknownLicense, format!("license {id} is not known"))),
            None => {
                let terms = LicenseTerms::new(LicenseId::NONE, "", 0, seat.granted);
                Ok(LicenseRecord::new(terms, Usage::default()))
            }
        }
    }

    /// What is kept for a handle by now.
    pub(in crate::authority::decision) fn evidence_of(&self, handle: Handle) -> Result<Vec<Evidence>, Stop> {
        self.need([Query::EvidenceOf(handle)])?;
        let mut kept = self.records.evidence_of(handle).unwrap_or_default().to_vec();
        for change in &self.store {
            match change {
                Change::Keep(evidence) if evidence.handle() == handle => kept.push(evidence.clone()),
                Change::Forget(evidence) => kept.retain(|one| one != evidence),
                _ => {}
            }
        }
        Ok(kept)
    }

    /// The requests under a handle that wait for approval, or were approved or refused.
    pub(in crate::authority::decision) fn approvals_of(&self, handle: Handle) -> Result<Vec<Approval>, Stop> {
        self.need([Query::ApprovalsOf(handle)])?;
        Ok(self.records.approvals_of(handle).unwrap_or_default().to_vec())
    }

    /// The revision of the license that a check-in was answered with before.
    pub(in crate::authority::decision) fn check_in(
        &self,
        name: SeatName,
        digest: [u8; 32],
    ) -> Result<Option<u32>, Stop> {
        self.need([Query::CheckIn(name, digest)])?;
        Ok(self.records.check_in(name, digest).flatten())
    }

    pub(in crate::authority::decision) fn attempts(&self, name: SeatName) -> Result<Attempts, Stop> {
        self.need([Query::Attempts(name)])?;
        Ok(self.records.attempts(name).unwrap_or_default())
    }

    /// How often something happened to a license by now.
    pub(in crate::authority::decision) fn count_of(
        &self,
        license: LicenseId,
        counted: Counting,
    ) -> Result<Count, Stop> {
        if let Some(count) = self.counts.get(&(license, counted)) {
            return Ok(count.clone());
        }
        self.need([Query::Count(license, counted)])?;
        Ok(self.records.count(license, counted).cloned().unwrap_or_default())
    }

    /// What the ledger noted of its service.
    pub(in crate::authority::decision) fn history(&self) -> Result<Option<History>, Stop> {
        if self.history.is_some() {
            return Ok(self.history.clone());
        }
        self.need([Query::History])?;
        Ok(self.records.history().flatten().cloned())
    }

    pub(in crate::authority::decision) fn has_history(&self) -> bool {
        self.history.is_some() || self.records.history().flatten().is_some()
    }

    /// The times of service that the ledger may have lost.
    pub(in crate::authority::decision) fn gaps(&self) -> Result<Vec<Gap>, Stop> {
        Ok(self.history()?.map(|history| history.gaps).unwrap_or_default())
    }

    /// Whether the ledger noted that page.
    pub(in crate::authority::decision) fn is_known(&self, page: Page) -> Result<bool, Stop> {
        self.need([Query::Page(page)])?;
        Ok(self.records.is_known(page).unwrap_or_default())
    }

    /// Whether a seat counts now.
    pub(in crate::authority::decision) fn counts(
        &self,
        seat: &Seat,
        terms: &LicenseTerms,
    ) -> Result<bool, Stop> {
        Ok(seat.counts(terms, self.moment.now, &self.gaps()?))
    }
}

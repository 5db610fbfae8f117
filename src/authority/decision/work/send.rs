//! What is sent. A license leaves only where there is room for its seat.

use super::{Stop, Work, unknown_seat};
use crate::{
    Binding, SeatList, Timestamp,
    authority::{
        allowances::Allowance,
        counts::Counting,
        decision::{Draft, EventKind, Refusal, Unsigned},
        seat::{Seat, SeatName},
        terms::{LicenseTerms, SeatListing},
    },
};

/// Where a license leaves. No door but healing lets more seats count than there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::authority::decision) enum Door {
    Request,
    RepeatedRequest,
    HeldSeat,
    Recovery,
    CheckIn,
    Healing,
    Renewal,
    Unrelease,
}

impl Door {
    /// Whether it is open whatever counts: for a seat that the ledger had lost, which is in use anyway, and by a fault.
    fn is_open(self) -> bool {
        match self {
            Self::Request => mutated!(SeatsUncounted),
            Self::RepeatedRequest => mutated!(RepeatedRequestUncounted),
            Self::HeldSeat => mutated!(HeldSeatUncounted),
            Self::Recovery => mutated!(RecoveryUncounted),
            Self::CheckIn => mutated!(CheckInUncounted),
            Self::Healing => true,
            Self::Renewal => mutated!(RenewalUncounted),
            Self::Unrelease => mutated!(UnreleaseUncounted),
        }
    }
}

impl Work<'_> {
    /// Sends the license of a seat, in the state that the license tells of, in answer to the message with the digest
    /// `answers`. Every license leaves here.
    ///
    /// The seat's end of use is noted in the same transaction. A seat that counts from now on, and did not count
    /// before, needs room: fails with [`ErrorKind::NoFreeSeat`] without (`docs/PROTOCOL.md`, Seats over time).
    pub(in crate::authority::decision) fn send_license(
        &mut self,
        terms: &LicenseTerms,
        license: &Seat,
        door: Door,
        answers: Option<[u8; 32]>,
    ) -> Result<(), Stop> {
        let (name, now) = (license.name(), self.moment.now);
        let gaps = self.gaps()?;
        let counted = self.records.seat(name).is_some_and(|seat| seat.counts(terms, now, &gaps));
        let seat = self.seat(name).ok_or_else(|| unknown_seat(name.handle))?;
        let signed = seat.signed(license.end_of_license(terms), terms, now, &gaps);
        if signed != *seat {
            self.update(signed.clone());
        }
        if signed.counts(terms, now, &gaps) && !counted && !self.has_room(terms)? && !door.is_open() {
            return Err(Refusal::no_free_seat(terms.seats, self.seat_list(terms, name)?).into());
        }
        let deactivations_left = self.license_of(&signed)?.left(Allowance::Deactivations, now);
        self.draft(Unsigned::License {
            deactivations_left,
            terms: Box::new(terms.clone()),
            seat: Box::new(license.clone()),
            answers,
        });
        Ok(())
    }

    /// Whether no more seats of a license count than it has. Of those that are taken and lapsed, so many are marked as
    /// that takes: a license with 100,000 dead seats is not gone through.
    pub(in crate::authority::decision) fn has_room(&mut self, terms: &LicenseTerms) -> Result<bool, Stop> {
        let excess = |work: &Self| {
            let Some(license) = work.license(terms.id)? else { return Ok(0) };
            let extra = license.allowances.extra(Allowance::Activations);
            let seats = if mutated!(ExtraIsASeat) { terms.seats + extra } else { terms.seats };
            Ok::<_, Stop>(license.usage.taken.saturating_sub(seats))
        };
        let most = excess(self)?;
        let Some(until) = terms.lapsed_until(self.moment.now, &self.gaps()?).filter(|_| most > 0) else {
            return Ok(most == 0);
        };
        // The ledger has not heard yet of what this decision does to seats.
        let touched = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let ended = self.seats_by_end(terms.id, until, most.saturating_add(touched))?;
        for seat in ended.iter().take(most as usize) {
            let lapsed = seat.marked_lapsed();
            self.note(EventKind::Lapsed, Some(seat), &lapsed, "");
            self.update(lapsed);
        }
        Ok(excess(self)? == 0)
    }

    /// What the device of a seat that cannot be had is told of the others, as the terms allow it.
    fn seat_list(&self, terms: &LicenseTerms, but: SeatName) -> Result<SeatList, Stop> {
        let most = SeatList::MAX_LISTED;
        let seats = self.seats_by_end(terms.id, Timestamp::MAX, most as u32 + 1)?;
        let now = self.moment.now;
        let replaced = self.count_of(terms.id, Counting::Replaced)?;
        let seats = seats.iter().filter(|seat| seat.name() != but).take(most);
        let gaps = self.gaps()?;
        // A request that names a seat is a new activation.
        let is_spent = self
            .license(terms.id)?
            .is_some_and(|license| license.left(Allowance::Activations, now) == Some(0));
        let listed = |seat: &Seat| {
            let is_replaceable = !is_spent && seat.is_replaceable(terms, &replaced, &gaps, now);
            seat.listed(terms, &gaps, is_replaceable)
        };
        let listed: Vec<_> = seats.map(listed).collect();
        Ok(SeatList {
            next_lapse: listed.first().and_then(|seat| seat.lapses),
            seats: if terms.seat_list == SeatListing::None { Vec::new() } else { listed },
        })
    }

    pub(in crate::authority::decision) fn send_receipt(&mut self, seat: &Seat, binding: Binding) {
        self.draft(Unsigned::Receipt { seat: Box::new(seat.clone()), binding });
    }

    pub(in crate::authority::decision) fn send_revocation(&mut self, seat: &Seat, notice: &str) {
        let time = if seat.notice.is_some() { seat.changed } else { self.moment.now };
        let notice = notice.to_owned();
        self.draft(Unsigned::Revocation { seat: Box::new(seat.clone()), notice, time });
    }

    /// What is signed now is signed under the present page.
    fn draft(&mut self, unsigned: Unsigned) {
        self.send.push(Draft { unsigned, page: self.moment.page });
    }
}

//! What must hold in a random run, at any moment and at its end.

use std::collections::{BTreeSet, HashSet};

use nodelock::{ErrorKind, Reason, Verdict, code::Handle};

use super::{Kept, MACHINES, World, must, name};
use crate::support::ledger::Row;

impl World<'_> {
    pub(super) fn is_damaged(&self, at: usize) -> bool {
        matches!(self.devices[at].client.check().unwrap().verdict(), Verdict::Damaged { .. })
    }

    /// The seats that a store can say something about: its own, the one asked for, those given up.
    pub(super) fn known(&self, at: usize) -> HashSet<u32> {
        let client = &self.devices[at].client;
        let status = client.check().unwrap();
        let mut known: HashSet<u32> = status.pending().iter().map(|handle| handle.get()).collect();
        known.extend(status.license().map(|license| license.handle.get()));
        if !matches!(status.verdict(), Verdict::Damaged { .. }) {
            known.extend(client.outstanding().unwrap().iter().map(|given_up| given_up.handle().get()));
        }
        known
    }

    pub(super) fn usable(&self) -> Vec<u32> {
        let statuses = self.devices.iter().map(|device| device.client.check().unwrap());
        statuses
            .filter(|status| status.is_usable())
            .map(|status| status.license().unwrap().handle.get())
            .collect()
    }

    pub(super) fn active(&mut self) -> BTreeSet<u32> {
        let seats = self.desk.seats(Some(&self.license));
        seats.into_iter().filter(|seat| seat.state == "active").map(|seat| seat.handle).collect()
    }

    /// Whether another request of the same computer has that seat's place: one that was lost on the way and came late.
    /// The seat is taken once, and the computer takes it back when it checks in.
    pub(super) fn is_replaced(&mut self, handle: u32) -> bool {
        self.desk.is_replaced(handle)
    }

    fn own_seat(&self, at: usize) -> Option<u32> {
        self.devices[at].client.check().unwrap().license().map(|license| license.handle.get())
    }

    /// Whether that holds for the seat of a computer's license.
    pub(super) fn is_out_of_place(&mut self, at: usize) -> bool {
        self.own_seat(at).is_some_and(|handle| self.is_replaced(handle))
    }

    /// Counts a seat that its computer took back, after it was out of place.
    pub(super) fn count_taken_back(&mut self, at: usize) {
        let is_back = self.own_seat(at).is_some_and(|handle| self.active().contains(&handle));
        self.taken_back += u64::from(is_back);
    }

    /// Computers whose seat was replaced like that take it back.
    fn take_back(&mut self) -> Kept {
        for at in 0..MACHINES {
            if self.is_out_of_place(at) {
                let done = self.devices[at].client.check_in().map(|status| status.is_usable());
                self.tell(at, "take back", &done);
                must(matches!(done, Ok(true)), || {
                    format!("machine {at} cannot take its seat back: {done:?}")
                })?;
                self.count_taken_back(at);
            }
        }
        Ok(())
    }

    /// The promise, at any moment, by the database and the stores.
    pub(super) fn judge(&mut self) -> Kept {
        let rows = self.desk.seats(Some(&self.license));
        let taken = rows.iter().filter(|row| row.is_taken()).count();
        self.lowered = self.lowered.min(taken);
        let allowed = self.seats.max(self.lowered);
        must(taken <= allowed, || format!("{taken} seats are taken of {allowed}"))?;
        let active = self.active();
        for handle in self.usable() {
            let is_taken = active.contains(&handle) || self.is_replaced(handle);
            must(is_taken || self.released.contains(&handle), || {
                format!("I1: seat {} is free and the license usable", name(handle))
            })?;
        }
        let known: HashSet<u32> = (0..MACHINES).flat_map(|at| self.known(at)).collect();
        let lost: HashSet<u32> = self.devices.iter().flat_map(|device| device.lost.clone()).collect();
        for handle in active {
            must(
                known.contains(&handle) || lost.contains(&handle) || self.forgotten.contains(&handle),
                || format!("I2: no machine can give seat {} up", name(handle)),
            )?;
        }
        Ok(())
    }

    /// With a network that works again, every customer does what brings a machine into order: afterwards nothing waits,
    /// and the seats that are taken are those of usable stores.
    pub(super) fn settle(&mut self) -> Kept {
        for at in 0..MACHINES {
            self.settle_machine(at)?;
        }
        self.take_back()?;
        for handle in self.active().intersection(&self.forgotten.iter().copied().collect()) {
            if !self.usable().contains(handle) {
                self.release_seat(*handle);
            }
        }
        for row in self.desk.seats(Some(&self.license)) {
            if row.state == "held" {
                self.desk.return_held(Handle::new(row.handle).unwrap());
            }
        }
        self.judge()?;
        self.take_back()?;
        let (active, usable) = (self.active(), self.usable());
        must(active.iter().copied().eq(usable.iter().copied().collect::<BTreeSet<_>>()), || {
            format!("seats {active:?} are taken, and {usable:?} are used")
        })
    }

    fn settle_machine(&mut self, at: usize) -> Kept {
        if self.is_damaged(at) {
            self.recover(at)?;
        }
        let client = &self.devices[at].client;
        if let Some(pending) = client.pending().unwrap() {
            // Refused or granted, it is answered; one that would wait for a seat is given up.
            let answered = match pending.recovery() {
                Some(_) => client.recover(),
                None => client.activate(&self.key),
            };
            // So is one under a key that was replaced.
            let is_stuck = |kind| matches!(kind, ErrorKind::NoFreeSeat | ErrorKind::AlreadyActive);
            if answered.is_err_and(|error| is_stuck(error.kind())) {
                client.cancel().map_err(|error| format!("a request cannot be cancelled: {error}"))?;
            }
        }
        let handed_in = self.devices[at].client.online().hand_in().map(|receipts| receipts.len());
        self.tell(at, "hand in", &handed_in);
        handed_in.map_err(|error| format!("a seat cannot be handed in: {error}"))?;
        if self.devices[at].client.check().unwrap().license().is_some() {
            let was_replaced = self.is_out_of_place(at);
            let done = self.devices[at].client.check_in().map(|status| status.verdict().clone());
            self.tell(at, "check in", &done);
            if was_replaced {
                self.count_taken_back(at);
            }
            done.map_err(|error| format!("a license cannot be renewed: {error}"))?;
        }
        // A recovery that was taken back has freed nothing; it can be asked for again.
        let lost: BTreeSet<u32> = self.devices[at].lost.difference(&self.forgotten).copied().collect();
        if self.active().intersection(&lost).any(|seat| !self.usable().contains(seat)) {
            if self.devices[at].client.check().unwrap().license().is_some() {
                self.give_up(at)?;
            }
            self.recover(at)?;
        }
        self.devices[at].lost.clear();
        let client = &self.devices[at].client;
        must(client.pending().unwrap().is_none(), || format!("machine {at} still waits for an answer"))?;
        must(client.outstanding().unwrap().is_empty(), || format!("machine {at} still waits for a receipt"))
    }

    fn give_up(&mut self, at: usize) -> Kept {
        let client = &self.devices[at].client;
        let mut done = client.deactivate(Reason::Moved).map(|receipt| receipt.outcome);
        if done.is_err() {
            // No deactivation left: that is for the vendor to decide.
            let handle = client.check().unwrap().license().unwrap().handle.get();
            self.release_seat(handle);
            done = Ok(nodelock::Outcome::Returned);
            let _ = self.devices[at].client.check_in();
        }
        self.tell(at, "deactivate", done.as_ref().map_err(ToString::to_string));
        must(!self.devices[at].client.check().unwrap().is_usable(), || format!("machine {at} is usable"))
    }

    pub(super) fn judge_replayed(&mut self, before: &[Row]) -> Kept {
        self.judge()?;
        self.take_back()?;
        let after = self.desk.seats(Some(&self.license));
        // What was lost on the way arrives here for the first time, and may be remembered as cancelled. So may the
        // proof of a seat whose place another one of its machine has by now: it is returned, and uses nothing up.
        let is_returned = |row: &Row| {
            let returned = Row { state: "returned".to_owned(), ..row.clone() };
            row.state == "replaced" && after.contains(&returned)
        };
        let changed: Vec<_> = before.iter().filter(|row| !after.contains(row) && !is_returned(row)).collect();
        must(changed.is_empty(), || format!("old messages changed {changed:?}"))?;
        for row in after.iter().filter(|row| row.is_taken() && !before.contains(row)) {
            must(self.forgotten.contains(&row.handle), || {
                format!("an old message took seat {}", name(row.handle))
            })?;
            self.release_seat(row.handle);
        }
        Ok(())
    }

    pub(super) fn free_everything(&mut self) -> Kept {
        for at in 0..MACHINES {
            if self.devices[at].client.check().unwrap().license().is_some() {
                self.give_up(at)?;
            }
        }
        for row in self.desk.seats(Some(&self.license)) {
            if row.state == "held" {
                self.desk.return_held(Handle::new(row.handle).unwrap());
            }
        }
        let taken: Vec<Row> =
            self.desk.seats(Some(&self.license)).into_iter().filter(Row::is_taken).collect();
        must(taken.is_empty(), || format!("I2: {taken:?} cannot be freed"))
    }
}

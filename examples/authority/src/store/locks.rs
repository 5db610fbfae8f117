//! What a decision locks on PostgreSQL, where several transactions write at a time.
//!
//! A decision reads and changes the license of its seats, and the seats of that license: the license's row stands for
//! both. What is not there yet has no row: a handle that no seat has, a device without a seat. An advisory lock stands
//! for each of those.
//!
//! A transaction takes all its locks before it reads anything, in one order, so two of them never wait for each other.
//! What it takes is known from an earlier look at the same act; a decision that needs more is not stored, and begins
//! again with more locks.

use std::collections::BTreeSet;

use nodelock::{
    LicenseId, PublicKey,
    authority::{
        Seat, SeatName,
        decision::{Change, Decision},
    },
    code::Handle,
};

use super::{Tx, ledger::trial_tags_of};

/// Stands for the ledger's history, and for licenses that have no row any more. It is no handle's and no device's.
const HISTORY: i64 = 0x6869_7374_6f72_7921;

/// Stands for the end of the audit's chain. It is no handle's and no device's.
const CHAIN: i64 = 0x6175_6469_7473_6561;

/// What a transaction has locked, or is to lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Locks {
    licenses: BTreeSet<LicenseId>,
    /// Keys of advisory locks.
    names: BTreeSet<i64>,
}

impl Locks {
    /// What a decision needs, which was made from what the transaction found. The events of a license have numbers, so
    /// its row is locked by whatever happens to it.
    pub(crate) fn of_decision(tx: &Tx, decision: &Decision) -> Self {
        let mut locks = Self::of(tx, &decision.store);
        locks.licenses.extend(decision.events.iter().filter_map(|event| event.license));
        locks
    }

    /// What these changes need.
    pub(crate) fn of(tx: &Tx, changes: &[Change]) -> Self {
        let mut locks = Self::default();
        for change in changes {
            match change {
                Change::Insert { seat, .. } => {
                    locks.seat(seat);
                    locks.names.extend([of_handle(seat.handle()), of_device(seat.device_key())]);
                    locks.trial(seat);
                }
                Change::Update(seat) => {
                    locks.seat(seat);
                    locks.trial(seat);
                }
                Change::Keep(evidence) | Change::Forget(evidence) => {
                    locks.names.insert(of_handle(evidence.handle()));
                }
                Change::RememberCheckIn { seat: name, .. }
                | Change::Describe { seat: name, .. }
                | Change::Attempts(name, _) => {
                    locks.license_or_handle(tx.license_of(*name), *name);
                }
                Change::Count(id, ..) | Change::Allowances(id, _) => {
                    locks.licenses.insert(*id);
                }
                // A request may be cancelled under a key that nobody has: that knows no license.
                Change::Approval(approval) => {
                    locks.licenses.insert(approval.license_id());
                    locks.names.insert(of_handle(approval.name().handle));
                }
                Change::ForgetApprovals { license, device } => {
                    locks.licenses.insert(*license);
                    locks.names.insert(of_device(device));
                }
                // A page is new, and comes with the history.
                Change::History(_) | Change::License(_) => drop(locks.names.insert(HISTORY)),
                Change::Page(_) => {}
            }
        }
        locks
    }

    /// What noting the service of the ledger takes.
    pub(crate) fn of_history() -> Self {
        Self { names: BTreeSet::from([HISTORY]), ..Self::default() }
    }

    /// What sealing the audit takes.
    pub(crate) fn of_chain() -> Self {
        Self { names: BTreeSet::from([CHAIN]), ..Self::default() }
    }

    fn seat(&mut self, seat: &Seat) {
        self.license_or_handle(seat.license_id(), seat.name());
    }

    /// Two licenses of a product may be asked for a trial of one machine, and its trial may be extended meanwhile.
    fn trial(&mut self, seat: &Seat) {
        self.names.extend(trial_tags_of(seat).into_iter().map(of_tag));
    }

    /// A seat without a license has a handle.
    fn license_or_handle(&mut self, license: Option<LicenseId>, name: SeatName) {
        match license {
            Some(id) => drop(self.licenses.insert(id)),
            None => drop(self.names.insert(of_handle(name.handle))),
        }
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.licenses.extend(more.licenses);
        self.names.extend(more.names);
    }

    /// Whether nothing is missing for `needed`.
    pub(super) fn cover(&self, needed: &Self) -> bool {
        self.licenses.is_superset(&needed.licenses) && self.names.is_superset(&needed.names)
    }

    /// The licenses, in the order in which they are locked.
    pub(super) fn licenses(&self) -> impl Iterator<Item = LicenseId> {
        self.licenses.iter().copied()
    }

    /// The keys of the advisory locks, parted by commas; none when there is none.
    pub(super) fn advisory_keys(&self) -> Option<String> {
        let texts: Vec<String> = self.names.iter().map(i64::to_string).collect();
        (!texts.is_empty()).then(|| texts.join(","))
    }
}

/// Handles have 30 bits.
fn of_handle(handle: Handle) -> i64 {
    handle.get().into()
}

/// Tags have 32 bits. Two products that share a lock only wait for each other.
fn of_tag(tag: i64) -> i64 {
    tag | 1 << 40
}

/// Negative, so that it is no handle's. Two devices that share a lock only wait for each other.
fn of_device(device: &PublicKey) -> i64 {
    let (first, _) = device.as_bytes().split_first_chunk().expect("a device key has 32 bytes");
    i64::from_le_bytes(*first) | i64::MIN
}

#[cfg(test)]
mod tests {
    use nodelock::{SigningKey, SystemRandom, authority::Approval};
    use serde_json::json;

    use super::*;
    use crate::store::tests::empty;

    /// Its cancellation may come under a key that nobody has: that locks the handle and the device, and no license.
    #[tokio::test]
    async fn what_is_said_of_a_request_waits_for_its_cancellation() {
        let (_folder, database) = empty().await;
        let tx = database.read().await.unwrap();
        let license = LicenseId::generate(&SystemRandom).unwrap();
        let (handle, device) = (Handle::new(7).unwrap(), SigningKey::generate(&SystemRandom).unwrap());
        let device = device.public_key();
        let approval: Approval = serde_json::from_value(json!({
            "seat": handle.to_string(), "device_key": device.to_string(), "license": license.to_string(),
            "request_digest": "ab".repeat(32), "asked": 1, "label": "desk", "state": "waiting", "ruled": 0,
            "reason": "",
        }))
        .unwrap();
        let locks = |change| Locks::of(&tx, &[change]);
        let licenses = BTreeSet::from([license]);
        let of_request = Locks { licenses: licenses.clone(), names: BTreeSet::from([of_handle(handle)]) };
        assert_eq!(locks(Change::Approval(Box::new(approval))), of_request);
        let of_seat = Locks { licenses, names: BTreeSet::from([of_device(&device)]) };
        assert_eq!(locks(Change::ForgetApprovals { license, device }), of_seat);
    }
}

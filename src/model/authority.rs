//! The authority: the ledger's rules over a database in memory, one transaction for each message.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Mutant,
    facts::{Message, NOW, Name, Proof, Universe},
};
use crate::{
    Outcome, Reason,
    authority::ledger::{self, Activation, Released, Seat, SeatState, Usage},
};

/// The database. Seats are found by handle and device key, which a [`Name`] stands for.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Ledger {
    pub(super) seats: BTreeMap<Name, Seat>,
    pub(super) receipts: BTreeMap<Name, (Outcome, Option<u32>)>,
    /// Proofs and codes for handles that were never seen: judged when their requests arrive (docs/PROTOCOL.md, Early
    /// evidence).
    pub(super) parked: BTreeSet<Name>,
}

/// What a message or an administrator comes to.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) ledger: Ledger,
    pub(super) replies: Vec<Message>,
    /// The request that was refused for good.
    pub(super) refused: Option<Name>,
}

impl Ledger {
    pub(super) fn usage(&self) -> Usage {
        let count = |test: fn(&&Seat) -> bool| self.seats.values().filter(test).count() as u32;
        Usage { taken: count(|seat| seat.state.is_taken()), deactivated: count(|seat| seat.counted) }
    }

    pub(super) fn state(&self, name: Name) -> Option<SeatState> {
        self.seats.get(&name).map(|seat| seat.state)
    }

    /// The seats in one of these states.
    pub(super) fn seats_in(&self, states: &[SeatState]) -> u32 {
        let seats = self.seats.iter().filter(|(_, seat)| states.contains(&seat.state));
        seats.fold(0, |set, (name, _)| set | name.bit())
    }

    /// The transaction for a message. There are two answers where databases may differ: the releases that came along
    /// with a request which is refused may be rolled back with it or kept.
    pub(super) fn hear(&self, message: &Message, universe: &Universe) -> Vec<Answer> {
        let mut answer = Answer { ledger: self.clone(), replies: Vec::new(), refused: None };
        match message {
            Message::Request { name, releases } => {
                answer.replies.extend(releases.iter().filter_map(|p| answer.ledger.prove(*p, universe)));
                let kept = answer.clone();
                match answer.ledger.activate(*name, universe) {
                    Ok(license) => answer.replies.push(license),
                    Err(Some(receipt)) => {
                        answer.replies.push(receipt);
                        answer.refused = Some(*name);
                    }
                    Err(None) => {
                        let refused = Some(*name);
                        let rolled_back = Answer { ledger: self.clone(), replies: Vec::new(), refused };
                        return vec![rolled_back, Answer { refused, ..kept }];
                    }
                }
            }
            Message::Proof(proof) => answer.replies.extend(answer.ledger.prove(*proof, universe)),
            Message::Code(name) => answer.replies.extend(answer.ledger.redeem(*name, universe)),
            Message::License { .. } | Message::Receipt { .. } | Message::Revocation(_) => {}
        }
        vec![answer]
    }

    /// What an administrator may do: release a seat by force, renew an active one once.
    pub(super) fn administer(&self, universe: &Universe) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut push = |name: Name, seat: Seat, reply: Option<Message>| {
            let mut ledger = self.clone();
            ledger.seats.insert(name, seat);
            answers.push(Answer { ledger, replies: reply.into_iter().collect(), refused: None });
        };
        for (name, seat) in &self.seats {
            if let Some(released) = ledger::force_release(seat, NOW) {
                let revoked = released.state == SeatState::Revoked;
                push(*name, released, revoked.then_some(Message::Revocation(*name)));
            }
            if seat.revision == 1
                && let Ok(renewed) = ledger::renew(&universe.terms, seat, None, [0; 16], NOW)
            {
                let license = self.license(*name, renewed.revision, universe);
                push(*name, renewed, Some(license));
            }
        }
        answers
    }

    /// Answers a request: the license, or a refusal with the receipt if the request was given up before it came.
    fn activate(&mut self, name: Name, universe: &Universe) -> Result<Message, Option<Message>> {
        let claim = universe.claim(name);
        if !self.seats.contains_key(&name) && self.parked.remove(&name) {
            return Err(Some(self.settle(ledger::cancel(&claim, universe.terms.id, NOW), universe)));
        }
        let known = self.seats.get(&name);
        let is_held =
            |seat: &&Seat| seat.state == SeatState::Held && universe.holder(seat).machine == name.machine;
        let held = self.seats.values().find(is_held);
        let activation = ledger::activate(&universe.terms, self.usage(), known, held, &claim, [0; 16], NOW);
        let seat = match activation.map_err(|_| None)? {
            Activation::Repeated(seat) => seat,
            Activation::Granted { seat, instead_of } => {
                self.seats.extend(instead_of.map(|seat| (universe.holder(&seat), seat)));
                self.seats.insert(name, seat.clone());
                seat
            }
        };
        Ok(self.license(name, seat.revision, universe))
    }

    /// Takes a proof. It is verified under the key of the device whose seat it names, or of the request beside it.
    fn prove(&mut self, proof: Proof, universe: &Universe) -> Option<Message> {
        let of_device = |seat: &&Seat| {
            seat.state == SeatState::Active && universe.holder(seat).machine == proof.name.machine
        };
        let seat = match universe.rules.mutant {
            Some(Mutant::ProofNamesDevice) => self.seats.values().find(of_device),
            _ => self.seats.get(&proof.name),
        };
        let released = match seat {
            Some(seat) => ledger::release(&universe.terms, self.usage(), seat, Reason::Moved, NOW),
            None if proof.request => {
                let released = ledger::cancel(&universe.claim(proof.name), universe.terms.id, NOW);
                if universe.rules.mutant == Some(Mutant::CancelledForgotten) {
                    return Some(Self::receipt(proof.name, (released.outcome, released.deactivations_left)));
                }
                self.parked.remove(&proof.name);
                released
            }
            None => {
                self.parked.insert(proof.name);
                return None;
            }
        };
        Some(self.settle(released, universe))
    }

    /// Takes a code, which says its handle but not its device: that is found by the commitment.
    fn redeem(&mut self, name: Name, universe: &Universe) -> Option<Message> {
        let handle = universe.handle(name);
        if !self.seats.values().any(|seat| seat.handle == handle) {
            self.parked.insert(name);
        }
        let seat = self.seats.get(&name)?;
        let released = ledger::release(&universe.terms, self.usage(), seat, Reason::Other, NOW);
        Some(self.settle(released, universe))
    }

    /// Stores a release and its receipt; the first receipt of a seat is the only one.
    fn settle(&mut self, released: Released, universe: &Universe) -> Message {
        let name = universe.holder(&released.seat);
        if let Some(first) = self.receipts.get(&name) {
            return Self::receipt(name, *first);
        }
        let receipt = (released.outcome, released.deactivations_left);
        self.receipts.insert(name, receipt);
        self.seats.insert(name, released.seat);
        Self::receipt(name, receipt)
    }

    fn receipt(name: Name, (outcome, deactivations_left): (Outcome, Option<u32>)) -> Message {
        Message::Receipt { name, outcome, deactivations_left }
    }

    fn license(&self, name: Name, revision: u32, universe: &Universe) -> Message {
        let deactivations_left = universe.terms.deactivations_left(self.usage());
        Message::License { name, deactivations_left, revision }
    }
}

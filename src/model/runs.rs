//! The runs: the protocol holds, and every mutant is caught (docs/PROTOCOL.md, The model).
//!
//! Each prints its figures, and for a mutant the shortest trace to the breach: `cargo test model -- --nocapture`.
//! `NODELOCK_MODEL_STATES` sets how many states a run may go through; without it, the largest ones stop early.

use super::{
    Invariant::{self, I1, I2, Ledger},
    Mutant, Rules,
    search::search,
};
use crate::authority::ledger::SeatState::{self, Active, Cancelled, Held, Returned, Revoked};

/// Two machines, one seat, two activations each.
const SIMPLE: Rules = Rules {
    seats: 1,
    deactivations: None,
    draws: [2, 2],
    same_handles: false,
    administered: false,
    mutant: None,
};

/// The same with everything that an administrator and an allowance of deactivations bring along, and fewer activations.
const ADMINISTERED: Rules =
    Rules { seats: 2, deactivations: Some(1), draws: [2, 1], administered: true, ..SIMPLE };

/// How many states the largest runs go through unless told otherwise.
const DEFAULT_LIMIT: usize = 1_000_000;

/// Every state keeps every invariant, and these states of a seat occur.
fn holds(title: &str, rules: Rules, limit: Option<usize>, occurring: &[SeatState]) {
    let limit = limit.unwrap_or(usize::MAX);
    let found = search(rules, &[I1, I2, Ledger], limit);
    found.print(title);
    assert!(found.breach.is_none(), "{title}: the trace is printed above");
    assert!(found.exhausted || found.states >= limit);
    // Otherwise what holds would hold of nothing.
    assert_eq!(found.reached, occurring.iter().fold(0, |set, state| set | 1 << *state as u8), "{title}");
}

/// The mutant breaks the invariant; the trace is the shortest there is.
fn is_caught(mutant: Mutant, invariant: Invariant) {
    let found = search(Rules { mutant: Some(mutant), ..SIMPLE }, &[invariant], usize::MAX);
    found.print(&format!("{mutant:?}"));
    assert!(found.breach.is_some(), "{mutant:?} keeps {invariant:?}");
}

#[test]
fn the_protocol_holds_in_every_state_of_the_simple_configuration() {
    holds("simple", SIMPLE, None, &[Active, Returned, Cancelled]);
}

#[test]
fn the_protocol_holds_for_a_machine_that_activates_three_times() {
    // The record remembers only the last activation that ended, so it takes three to meet one that it has forgotten.
    let rules = Rules { draws: [3, 0], ..SIMPLE };
    holds("three times", rules, None, &[Active, Returned, Cancelled]);
}

#[test]
fn the_protocol_holds_when_two_machines_draw_the_same_handles() {
    let rules = Rules { same_handles: true, draws: [2, 1], ..SIMPLE };
    holds("same handles", rules, None, &[Active, Returned, Cancelled]);
}

#[test]
fn the_protocol_holds_with_an_administrator_and_every_allowance() {
    for draws in [[1, 1], [2, 0]] {
        for seats in [1, 2] {
            for deactivations in [None, Some(0), Some(1)] {
                let rules = Rules { seats, deactivations, draws, ..ADMINISTERED };
                let title =
                    format!("administered, draws {draws:?}, seats {seats}, deactivations {deactivations:?}");
                let mut occurring = vec![Active, Returned, Cancelled, Revoked];
                if deactivations.is_some() {
                    occurring.push(Held);
                }
                holds(&title, rules, None, &occurring);
            }
        }
    }
}

#[test]
fn the_protocol_holds_in_the_larger_configuration() {
    let limit = std::env::var("NODELOCK_MODEL_STATES");
    let limit = limit.map_or(DEFAULT_LIMIT, |n| n.parse().expect("NODELOCK_MODEL_STATES is a number"));
    holds("larger", ADMINISTERED, Some(limit), &[Active, Held, Returned, Cancelled, Revoked]);
}

#[test]
fn mutant_1_the_authority_first_then_delete() {
    is_caught(Mutant::AuthorityFirst, I1);
}

#[test]
fn mutant_2_the_proof_only_in_memory() {
    is_caught(Mutant::ProofOnlyInMemory, I2);
}

#[test]
fn mutant_3_a_proof_that_names_the_device() {
    is_caught(Mutant::ProofNamesDevice, I1);
}

#[test]
fn mutant_4_a_request_that_is_not_persisted() {
    is_caught(Mutant::RequestNotPersisted, I2);
}

#[test]
fn mutant_5_no_sync_before_sending() {
    is_caught(Mutant::NoSyncBeforeSending, I1);
}

#[test]
fn mutant_6_no_sync_on_reopening() {
    is_caught(Mutant::NoSyncOnReopening, I1);
}

#[test]
fn mutant_7_an_authority_that_forgets_cancelled_requests() {
    is_caught(Mutant::CancelledForgotten, I2);
    // Its receipt said that the seat was given up, and then it is taken.
    is_caught(Mutant::CancelledForgotten, Ledger);
}

#[test]
fn mutant_8_a_request_that_drops_what_is_outstanding() {
    is_caught(Mutant::OutstandingDropped, I2);
}

#[test]
fn mutant_9_a_refused_request_that_is_forgotten() {
    is_caught(Mutant::RefusedForgotten, I2);
}

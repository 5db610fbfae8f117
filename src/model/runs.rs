//! The runs: the protocol holds, and every mutant of PROTOCOL is caught.
//!
//! Each prints its figures, and for a mutant the shortest trace to the breach: `cargo test model -- --nocapture`.
//! `NODELOCK_MODEL_STATES` sets how many states a run may go through; without it, the largest ones stop early.

use super::{
    Invariant::{self, I1, I2, Ledger},
    Mutant, Rules,
    search::search,
};

/// Two machines, one seat, two activations each.
const SIMPLE: Rules = Rules {
    seats: 1,
    deactivations: None,
    draws: [2, 2],
    same_handles: false,
    administered: false,
    mutant: None,
};

/// How many states the larger configurations go through unless told otherwise.
const DEFAULT_LIMIT: usize = 1_000_000;

fn limit() -> usize {
    let limit = std::env::var("NODELOCK_MODEL_STATES");
    limit.map_or(DEFAULT_LIMIT, |limit| limit.parse().expect("NODELOCK_MODEL_STATES is a number"))
}

/// Every state that is reached keeps every invariant.
fn holds(title: &str, rules: Rules, limit: usize) -> bool {
    let found = search(rules, &[I1, I2, Ledger], limit);
    found.print(title);
    assert!(found.breach.is_none(), "{title}: the trace is printed above");
    assert!(found.exhausted || found.states >= limit);
    found.exhausted
}

/// The mutant breaks the invariant; the trace is the shortest there is.
fn is_caught(mutant: Mutant, invariant: Invariant) {
    let found = search(Rules { mutant: Some(mutant), ..SIMPLE }, &[invariant], usize::MAX);
    found.print(&format!("{mutant:?}"));
    assert!(found.breach.is_some(), "{mutant:?} keeps {invariant:?}");
}

#[test]
fn the_protocol_holds_in_every_state_of_the_simple_configuration() {
    assert!(holds("simple", SIMPLE, usize::MAX));
}

#[test]
fn x_sizes() {
    holds("1,1", Rules { draws: [1, 1], ..SIMPLE }, 20_000_000);
    holds("2,1", Rules { draws: [2, 1], ..SIMPLE }, 20_000_000);
    for deactivations in [None, Some(0), Some(1)] {
        for seats in [1, 2] {
            for draws in [[1, 1], [2, 1]] {
                holds(
                    &format!("{deactivations:?} {seats} {draws:?}"),
                    Rules { draws, seats, deactivations, administered: true, ..SIMPLE },
                    1_000_000,
                );
            }
        }
    }
}

#[test]
fn the_protocol_holds_with_few_deactivations_and_an_administrator() {
    let rules = Rules { seats: 2, deactivations: Some(1), draws: [3, 2], administered: true, ..SIMPLE };
    holds("administered", rules, limit());
}

#[test]
fn the_protocol_holds_when_two_machines_draw_the_same_handles() {
    holds("same handles", Rules { same_handles: true, ..SIMPLE }, limit());
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
}

#[test]
fn mutant_8_a_request_that_drops_what_is_outstanding() {
    is_caught(Mutant::OutstandingDropped, I2);
}

#[test]
fn mutant_9_a_refused_request_that_is_forgotten() {
    is_caught(Mutant::RefusedForgotten, I2);
}

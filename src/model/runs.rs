//! The runs: the protocol holds, and every mutant is caught.
//!
//! Each prints its figures, and for a mutant the shortest trace to the breach: `cargo test model -- --nocapture`.
//! `NODELOCK_MODEL_STATES` sets how many states a run may go through; without it, the largest ones stop early.

use super::{
    Invariant::{self, Allowance, I1, I2, Ledger, Seats},
    Mutant, Outside, Rules,
    search::search,
};
use crate::authority::SeatState::{self, Active, Cancelled, Held, Replaced, Returned, Revoked};

/// Two machines, one seat, two activations each.
const SIMPLE: Rules = Rules {
    seats: 1,
    deactivations: None,
    activations: None,
    period: 0,
    resets: 0,
    trial: 0,
    extends: false,
    approval: false,
    draws: [2, 2],
    same_handles: false,
    administered: false,
    unreleases: false,
    check_ins: 0,
    losses: false,
    replaces: false,
    copies: false,
    days: 0,
    leases: [1, 1],
    one_hardware: false,
    reinstalls: 0,
    replace: 0,
    customers: false,
    is_behind: false,
    restores: None,
    lies: false,
    remembers: false,
    mutant: None,
};

/// The same with everything that an administrator and an allowance of deactivations bring along, and fewer activations.
const ADMINISTERED: Rules =
    Rules { seats: 2, deactivations: Some(1), draws: [2, 1], administered: true, ..SIMPLE };

/// How many states the largest runs go through unless told otherwise.
const DEFAULT_LIMIT: usize = 400_000;

fn limit() -> usize {
    let limit = std::env::var("NODELOCK_MODEL_STATES");
    limit.map_or(DEFAULT_LIMIT, |n| n.parse().expect("NODELOCK_MODEL_STATES is a number"))
}

/// Every state keeps every invariant, and these states of a seat occur.
fn holds(title: &str, rules: Rules, limit: Option<usize>, occurring: &[SeatState]) {
    let limit = limit.unwrap_or(usize::MAX);
    let found = search(rules, &[I1, I2, Ledger, Seats], limit);
    found.print(title);
    assert!(found.breach.is_none(), "{title}: the trace is printed above");
    assert!(found.exhausted || found.states >= limit);
    // Otherwise what holds would hold of nothing.
    assert_eq!(found.reached, occurring.iter().fold(0, |set, state| set | 1 << *state as u8), "{title}");
}

/// The mutant breaks the invariant; the trace is the shortest there is. Without it these rules break nothing that far.
fn is_caught(mutant: Mutant, rules: Rules, invariant: Invariant) {
    let found = search(Rules { mutant: Some(mutant), ..rules }, &[invariant], usize::MAX);
    found.print(&format!("{mutant:?}"));
    assert!(found.breach.is_some(), "{mutant:?} keeps {invariant:?}");
    assert!(search(rules, &[invariant], found.states).breach.is_none(), "{invariant:?} is broken anyway");
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
fn the_protocol_holds_with_a_ledger_that_remembers_what_saves_work() {
    for draws in [[1, 1], [2, 0]] {
        let rules = Rules { remembers: true, draws, ..SIMPLE };
        holds(&format!("remembering, draws {draws:?}"), rules, None, &[Active, Returned, Cancelled]);
    }
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
    holds("larger", ADMINISTERED, Some(limit()), &[Active, Held, Returned, Cancelled, Revoked]);
}

/// Two seats, so that a machine may have a license and ask for another.
const REPLACED: Rules = Rules { seats: 2, draws: [2, 1], replaces: true, ..SIMPLE };

#[test]
fn the_protocol_holds_when_a_license_takes_the_place_of_another() {
    holds("replaced", REPLACED, Some(limit()), &[Active, Returned, Cancelled]);
    let rules = Rules { seats: 1, draws: [2, 0], ..REPLACED };
    holds("replaced, one seat", rules, None, &[Active, Returned, Cancelled]);
    let rules = Rules { draws: [2, 0], deactivations: Some(0), check_ins: 2, administered: true, ..REPLACED };
    holds(
        "replaced, no deactivation left",
        rules,
        Some(limit()),
        &[Active, Held, Returned, Cancelled, Revoked],
    );
}

/// The same with check-ins and lost stores.
const IN_THE_FIELD: Rules = Rules { draws: [2, 1], check_ins: 2, losses: true, ..SIMPLE };

#[test]
fn the_protocol_holds_with_check_ins_after_everything_that_ends_a_seat() {
    for administered in [false, true] {
        let rules = Rules { check_ins: 2, draws: [2, 0], administered, ..SIMPLE };
        let mut occurring = vec![Active, Returned, Cancelled];
        if administered {
            occurring.push(Revoked);
        }
        holds(&format!("check-ins, administered {administered}"), rules, None, &occurring);
    }
}

#[test]
fn the_protocol_holds_when_stores_are_lost() {
    for draws in [[1, 1], [2, 0]] {
        let rules = Rules { losses: true, draws, ..SIMPLE };
        let title = format!("lost stores, draws {draws:?}");
        holds(&title, rules, None, &[Active, Returned, Cancelled]);
    }
}

#[test]
fn the_protocol_holds_in_the_field() {
    holds("in the field", IN_THE_FIELD, Some(limit()), &[Active, Returned, Cancelled]);
}

/// A folder that is copied at any time, and a license without a lease, whose copies nobody can end.
const COPIED: Rules = Rules { draws: [1, 1], deactivations: Some(0), check_ins: 2, copies: true, ..SIMPLE };

#[test]
fn copies_of_a_store_get_no_more_than_the_allowance_explains() {
    for deactivations in [Some(0), Some(1)] {
        for seats in [1, 2] {
            let rules = Rules { deactivations, seats, ..COPIED };
            let found = search(rules, &[Allowance, Ledger], limit());
            found.print(&format!("copied, seats {seats}, deactivations {deactivations:?}"));
            assert!(found.breach.is_none(), "the trace is printed above");
        }
    }
}

/// Time that goes on, for a license whose seats lapse.
const OVER_TIME: Rules = Rules { draws: [1, 1], days: 3, check_ins: 1, ..SIMPLE };

#[test]
fn the_protocol_holds_while_time_goes_on() {
    let limit = limit() / 4;
    holds("over time", OVER_TIME, Some(limit), &[Active, Returned, Cancelled]);
    let rules = Rules { check_ins: 0, losses: true, ..OVER_TIME };
    holds("over time, lost stores", rules, Some(limit), &[Active, Returned, Cancelled]);
    let rules = Rules { check_ins: 0, administered: true, deactivations: Some(0), ..OVER_TIME };
    holds("over time, administered", rules, Some(limit), &[Active, Held, Returned, Cancelled, Revoked]);
    for leases in [[1, 2], [2, 1]] {
        let rules = Rules { leases, ..OVER_TIME };
        let title = format!("over time, a lease of {} steps becomes {}", leases[0], leases[1]);
        holds(&title, rules, Some(limit), &[Active, Returned, Cancelled]);
    }
}

#[test]
fn faults_in_what_counts_are_noticed() {
    is_caught(Mutant::NoMargin, OVER_TIME, Seats);
    is_caught(Mutant::LastEndCounts, OVER_TIME, Seats);
    is_caught(Mutant::CheckInUncounted, OVER_TIME, Ledger);
    let changed = Rules { leases: [1, 3], check_ins: 0, ..OVER_TIME };
    is_caught(Mutant::RepeatedRequestUncounted, changed, Ledger);
    let lost = Rules { losses: true, check_ins: 0, draws: [2, 1], ..OVER_TIME };
    is_caught(Mutant::RecoveryUncounted, lost, Ledger);
    let limited = Rules { deactivations: Some(0), check_ins: 0, draws: [2, 1], ..OVER_TIME };
    is_caught(Mutant::HeldSeatUncounted, limited, Ledger);
    let counted = Rules { deactivations: Some(1), check_ins: 0, ..OVER_TIME };
    is_caught(Mutant::LapsedCostsADeactivation, counted, Ledger);
    let administered = Rules { administered: true, check_ins: 0, ..OVER_TIME };
    is_caught(Mutant::RenewalUncounted, administered, Ledger);
}

/// Two installations on one computer, of which each may take the other's place.
const REINSTALLED: Rules = Rules { draws: [1, 1], one_hardware: true, reinstalls: 9, check_ins: 2, ..SIMPLE };

#[test]
fn the_protocol_holds_when_a_machine_is_installed_again() {
    let limit = limit() / 4;
    let occurring = [Active, Replaced, Returned, Cancelled];
    holds("installed again", REINSTALLED, Some(limit), &occurring);
    let rules = Rules { draws: [2, 1], check_ins: 1, ..REINSTALLED };
    holds("installed again, twice", rules, Some(limit), &occurring);
    for deactivations in [Some(0), Some(1)] {
        let rules = Rules { deactivations, ..REINSTALLED };
        let title = format!("installed again, deactivations {deactivations:?}");
        holds(&title, rules, Some(limit), &[Active, Held, Replaced, Returned, Cancelled]);
    }
    let rules = Rules { days: 2, check_ins: 1, ..REINSTALLED };
    holds("installed again, over time", rules, Some(limit), &occurring);
    let rules = Rules { losses: true, check_ins: 1, ..REINSTALLED };
    holds("installed again, lost stores", rules, Some(limit), &occurring);
}

/// A seat that another machine's request names, under a lease that outlasts the silence that this takes.
const NAMED: Rules = Rules { draws: [1, 2], replace: 1, days: 3, leases: [3, 3], ..SIMPLE };

#[test]
fn the_protocol_holds_when_a_request_names_the_seat_to_replace() {
    let limit = limit() / 4;
    let occurring = [Active, Returned, Cancelled, Revoked];
    holds("named", NAMED, Some(limit), &occurring);
    let rules = Rules { draws: [1, 1], check_ins: 1, ..NAMED };
    holds("named, check-ins", rules, Some(limit), &occurring);
}

#[test]
fn faults_in_replacing_a_named_seat_are_noticed() {
    is_caught(Mutant::LiveSeatIsReplaced, NAMED, Ledger);
}

/// Seats that a customer releases with the license key alone.
const RELEASED: Rules = Rules { draws: [1, 1], customers: true, ..NAMED };

#[test]
fn the_protocol_holds_when_customers_release_seats() {
    let limit = limit() / 4;
    let occurring = [Active, Returned, Cancelled, Revoked];
    holds("released by a customer", RELEASED, Some(limit), &occurring);
    let rules = Rules { seats: 2, replace: 2, check_ins: 1, ..RELEASED };
    holds("released by a customer, check-ins", rules, Some(limit / 2), &occurring);
    let rules = Rules { deactivations: Some(0), ..RELEASED };
    let occurring = [Active, Held, Returned, Cancelled, Revoked];
    holds("released by a customer, no deactivation left", rules, Some(limit), &occurring);
}

#[test]
fn faults_in_what_customers_release_are_noticed() {
    is_caught(Mutant::LiveSeatIsReplaced, RELEASED, Ledger);
    is_caught(Mutant::CustomersReleaseForgotten, RELEASED, Ledger);
    is_caught(Mutant::ReplacementUncounted, Rules { seats: 2, ..RELEASED }, Ledger);
    is_caught(Mutant::LapsedSeatIsReplaced, Rules { leases: [1, 1], ..RELEASED }, Ledger);
}

#[test]
fn faults_in_taking_a_machine_s_place_are_noticed() {
    is_caught(Mutant::JoinsAnyMachine, Rules { one_hardware: false, ..REINSTALLED }, Ledger);
    // Who takes the place of nobody uses up an activation.
    let lapsing = Rules { activations: Some(1), days: 2, check_ins: 0, ..REINSTALLED };
    is_caught(Mutant::LapsedSeatIsJoined, lapsing, Ledger);
    let lapsing = Rules { activations: Some(2), days: 2, check_ins: 0, draws: [2, 0], ..REINSTALLED };
    is_caught(Mutant::LapsedOwnSeatIsJoined, lapsing, Ledger);
    is_caught(Mutant::OlderRequestJoins, Rules { is_behind: true, ..REINSTALLED }, Ledger);
    is_caught(Mutant::JoinedSeatIsUnused, Rules { deactivations: Some(1), ..REINSTALLED }, Ledger);
}

#[test]
fn faults_in_what_the_allowance_means_are_noticed() {
    is_caught(Mutant::UnusedFreesAnyway, COPIED, Allowance);
    is_caught(Mutant::HeldGoesToAnyMachine, COPIED, Allowance);
}

/// One activation, where two machines ask.
const COUNTED: Rules = Rules { activations: Some(1), seats: 2, draws: [2, 1], ..SIMPLE };

#[test]
fn the_protocol_holds_when_activations_are_counted() {
    let limit = limit() / 8;
    let occurring = [Active, Returned, Cancelled];
    for activations in [Some(0), Some(1), Some(2)] {
        let rules = Rules { activations, seats: 1, draws: [1, 1], ..COUNTED };
        let occurring = if activations == Some(0) { &occurring[2..] } else { &occurring[..] };
        holds(&format!("activations {activations:?}"), rules, None, occurring);
    }
    holds("activations, twice", COUNTED, Some(limit), &occurring);
    let rules = Rules { losses: true, ..COUNTED };
    holds("activations, lost stores", rules, Some(limit), &occurring);
    let rules = Rules { deactivations: Some(0), draws: [2, 0], ..COUNTED };
    holds("activations, no deactivation left", rules, Some(limit), &[Active, Held, Returned, Cancelled]);
    let rules = Rules { activations: Some(1), seats: 2, ..REINSTALLED };
    holds("activations, installed again", rules, Some(limit), &[Active, Replaced, Returned, Cancelled]);
    let rules = Rules { activations: Some(1), ..RESTORED };
    holds("activations, restored", rules, Some(limit), &occurring);
}

/// A period of a step, in which a seat may be given up and taken once.
const PERIODS: Rules = Rules {
    activations: Some(1),
    deactivations: Some(1),
    period: 1,
    seats: 1,
    draws: [2, 1],
    days: 2,
    leases: [9, 9],
    ..SIMPLE
};

/// An allowance that the vendor resets, or grants one more of.
const RESETS: Rules = Rules {
    activations: Some(1),
    deactivations: Some(0),
    resets: 1,
    seats: 1,
    draws: [2, 1],
    administered: true,
    ..SIMPLE
};

#[test]
fn the_protocol_holds_when_allowances_begin_anew() {
    let limit = limit() / 8;
    holds("periods", PERIODS, Some(limit), &[Active, Held, Returned, Cancelled]);
    let rules = Rules { draws: [1, 1], ..PERIODS };
    holds("periods, once", rules, Some(limit), &[Active, Held, Returned, Cancelled]);
    let every = [Active, Held, Returned, Cancelled, Revoked];
    holds("resets", RESETS, Some(limit), &every);
    let rules = Rules { draws: [1, 1], resets: 2, ..RESETS };
    holds("resets, twice", rules, Some(limit), &every);
    let rules = Rules { draws: [1, 1], days: 1, period: 1, leases: [9, 9], ..RESETS };
    holds("resets, periods", rules, Some(limit), &every);
}

#[test]
fn faults_in_what_is_counted_are_noticed() {
    is_caught(Mutant::ActivationUncounted, COUNTED, Ledger);
    is_caught(Mutant::ActivationsIgnored, COUNTED, Ledger);
    is_caught(Mutant::TakeoverIsAnActivation, Rules { activations: Some(2), ..REINSTALLED }, Ledger);
    let held = Rules { deactivations: Some(0), draws: [2, 0], activations: Some(2), ..COUNTED };
    is_caught(Mutant::HeldSeatIsAnActivation, held, Ledger);
    let lost = Rules { losses: true, activations: Some(2), ..COUNTED };
    is_caught(Mutant::RecoveryIsAnActivation, lost, Ledger);
    is_caught(Mutant::HealedSeatIsFree, Rules { activations: Some(1), ..RESTORED }, Ledger);
}

#[test]
fn faults_in_what_begins_anew_are_noticed() {
    is_caught(Mutant::PeriodStartsTwice, PERIODS, Ledger);
    is_caught(Mutant::ResetForgivesAhead, RESETS, Ledger);
    is_caught(Mutant::ResetFreesSeats, RESETS, Ledger);
    is_caught(Mutant::ExtraIsASeat, RESETS, Ledger);
}

/// A trial of a step, under a lease that is longer.
const TRIAL: Rules = Rules { trial: 1, seats: 2, days: 2, leases: [9, 9], draws: [2, 1], ..SIMPLE };

/// A folder that is copied to another computer, which may have had its own trial.
const TRIAL_COPIED: Rules = Rules { copies: true, extends: true, days: 0, draws: [1, 2], ..TRIAL };

#[test]
fn the_protocol_holds_for_trials() {
    let limit = limit() / 20;
    let occurring = [Active, Returned, Cancelled];
    let rules = Rules { draws: [1, 1], check_ins: 2, extends: true, ..TRIAL };
    holds("trials", rules, Some(limit), &occurring);
    holds("trials, twice", TRIAL, Some(limit), &occurring);
    // A second user, or a system that was installed again.
    let rules = Rules { one_hardware: true, is_behind: true, draws: [1, 1], extends: true, ..TRIAL };
    holds("trials, on one computer", rules, Some(limit), &occurring);
    let rules = Rules { one_hardware: true, reinstalls: 9, seats: 1, draws: [1, 1], check_ins: 1, ..TRIAL };
    holds("trials, installed again", rules, Some(limit), &[Active, Replaced, Returned, Cancelled]);
    // A copied store breaks I1 by itself.
    for rules in [TRIAL_COPIED, Rules { draws: [1, 1], days: 2, check_ins: 1, ..TRIAL_COPIED }] {
        let found = search(rules, &[Ledger], limit);
        found.print("trials, copied");
        assert!(found.breach.is_none(), "the trace is printed above");
    }
}

#[test]
fn faults_in_trials_are_noticed() {
    is_caught(Mutant::TrialBeginsAnew, TRIAL, Ledger);
    is_caught(Mutant::TrialEndsWithItsSeat, TRIAL, Ledger);
    let shared = Rules { one_hardware: true, draws: [1, 1], ..TRIAL };
    is_caught(Mutant::TrialOfTheDevice, shared, Ledger);
    is_caught(Mutant::TrialComesWithTheStore, TRIAL_COPIED, Ledger);
    is_caught(Mutant::TrialOfAnyMachine, Rules { draws: [1, 1], ..TRIAL }, Ledger);
    is_caught(Mutant::TrialByTheDevicesClock, TRIAL, Ledger);
    is_caught(Mutant::TrialUnsigned, TRIAL, Ledger);
    is_caught(Mutant::TrialOutlived, Rules { check_ins: 1, ..TRIAL }, Ledger);
    is_caught(Mutant::ExtensionForgotten, Rules { extends: true, ..shared }, Ledger);
}

/// One seat, where each activation waits for approval.
const APPROVED: Rules = Rules { approval: true, draws: [1, 1], ..SIMPLE };

#[test]
fn the_protocol_holds_when_activations_wait_for_approval() {
    let limit = limit() / 32;
    let occurring = [Active, Returned, Cancelled];
    holds("approved", APPROVED, Some(limit), &occurring);
    holds("approved, twice", Rules { draws: [2, 0], ..APPROVED }, Some(limit), &occurring);
    let rules = Rules { same_handles: true, ..APPROVED };
    holds("approved, same handles", rules, Some(limit), &occurring);
    let rules = Rules { losses: true, draws: [1, 0], ..APPROVED };
    holds("approved, lost stores", rules, Some(limit), &occurring);
    let rules = Rules { approval: true, check_ins: 1, ..REINSTALLED };
    holds("approved, installed again", rules, Some(limit), &[Active, Replaced, Returned, Cancelled]);
    let rules = Rules { administered: true, deactivations: Some(0), ..APPROVED };
    holds("approved, administered", rules, Some(limit), &[Active, Held, Returned, Cancelled, Revoked]);
}

#[test]
fn faults_in_approval_are_noticed() {
    is_caught(Mutant::ApprovalUnasked, APPROVED, Ledger);
    is_caught(Mutant::ApprovedTwice, APPROVED, Ledger);
    is_caught(Mutant::RefusedIsApproved, APPROVED, Ledger);
    is_caught(Mutant::ApprovalNotTakenBack, APPROVED, Ledger);
    is_caught(Mutant::AnothersApproval, Rules { same_handles: true, ..APPROVED }, Ledger);
    // A device that has a license, and has asked for another seat.
    let replaces = Rules { replaces: true, seats: 2, draws: [2, 0], administered: true, ..APPROVED };
    is_caught(Mutant::ReleaseKeepsRequests, replaces, Ledger);
    is_caught(Mutant::StoppingKeepsRequests, APPROVED, Ledger);
    // Approved after the last seat went, and cancelled while it waits.
    is_caught(Mutant::SeatsUncounted, APPROVED, Ledger);
    is_caught(Mutant::CancelledForgotten, APPROVED, I2);
}

/// One seat, whose release the vendor takes back while its device may check in or give it up.
const UNRELEASED: Rules =
    Rules { draws: [1, 1], administered: true, unreleases: true, check_ins: 2, ..SIMPLE };

#[test]
fn the_protocol_holds_when_releases_are_taken_back() {
    let limit = limit() / 8;
    let occurring = [Active, Returned, Cancelled, Revoked];
    let rules = Rules { one_hardware: true, reinstalls: 9, check_ins: 1, ..UNRELEASED };
    holds(
        "taken back, installed again",
        rules,
        Some(limit),
        &[Active, Replaced, Returned, Cancelled, Revoked],
    );
    holds("taken back", UNRELEASED, Some(limit), &occurring);
    let rules = Rules { draws: [2, 0], ..UNRELEASED };
    holds("taken back, twice", rules, Some(limit), &occurring);
    let rules = Rules { deactivations: Some(0), check_ins: 0, ..UNRELEASED };
    holds(
        "taken back, no deactivation left",
        rules,
        Some(limit),
        &[Active, Held, Returned, Cancelled, Revoked],
    );
    let rules = Rules { days: 2, check_ins: 1, ..UNRELEASED };
    holds("taken back, over time", rules, Some(limit), &occurring);
}

#[test]
fn faults_in_taking_a_release_back_are_noticed() {
    is_caught(Mutant::UnreleasesWhatWasHeard, UNRELEASED, I2);
    is_caught(Mutant::EchoUnheard, UNRELEASED, I2);
    is_caught(Mutant::UnreleasesWhatWasGivenBack, UNRELEASED, Ledger);
    is_caught(Mutant::UnreleaseUncounted, UNRELEASED, Ledger);
}

#[test]
fn faults_in_the_order_of_steps_are_noticed() {
    for (mutant, invariant) in [
        (Mutant::AuthorityFirst, I1),
        (Mutant::ProofOnlyInMemory, I2),
        (Mutant::RequestNotPersisted, I2),
        (Mutant::NoSyncBeforeSending, I1),
        (Mutant::NoSyncOnReopening, I1),
        (Mutant::RefusedForgotten, I2),
    ] {
        is_caught(mutant, SIMPLE, invariant);
    }
}

#[test]
fn faults_in_the_record_are_noticed() {
    is_caught(Mutant::OutstandingDropped, SIMPLE, I2);
    is_caught(Mutant::LicenseKept, SIMPLE, I1);
    is_caught(Mutant::RevocationIgnored, ADMINISTERED, Ledger);
    is_caught(Mutant::ReplacedForgotten, Rules { draws: [2, 0], ..REPLACED }, I2);
}

#[test]
fn faults_in_activation_are_noticed() {
    is_caught(Mutant::SeatsUncounted, SIMPLE, Ledger);
    is_caught(Mutant::GrantsAgain, SIMPLE, Ledger);
}

#[test]
fn faults_in_redemption_are_noticed() {
    is_caught(Mutant::ProofNamesDevice, SIMPLE, I1);
    is_caught(Mutant::CancelledForgotten, SIMPLE, I2);
    // Its receipt said that the seat was given up, and then it is taken.
    is_caught(Mutant::CancelledForgotten, SIMPLE, Ledger);
    is_caught(Mutant::GiveUpFreesTwice, ADMINISTERED, Ledger);
    is_caught(Mutant::AllowanceIgnored, Rules { deactivations: Some(0), ..SIMPLE }, Ledger);
    // A device that knows of none left keeps its seat, so another one uses up the last one first.
    let last = Rules { deactivations: Some(1), seats: 2, draws: [1, 1], ..SIMPLE };
    is_caught(Mutant::PreflightIgnoresAllowance, last, Ledger);
    let lapsing = Rules { days: 2, ..last };
    is_caught(Mutant::PreflightOfLapsedCounts, lapsing, Ledger);
    is_caught(Mutant::CodeFitsItsHandle, Rules { same_handles: true, ..SIMPLE }, I1);
}

#[test]
fn faults_in_check_ins_are_noticed() {
    is_caught(Mutant::ChecksInAfterTheEnd, Rules { check_ins: 2, ..SIMPLE }, Ledger);
}

#[test]
fn faults_in_recovery_are_noticed() {
    is_caught(Mutant::LateRecoveryFrees, Rules { draws: [3, 0], losses: true, ..SIMPLE }, I1);
    is_caught(Mutant::EchoRecovers, IN_THE_FIELD, I1);
}

#[test]
fn faults_of_the_vendor_s_acts_are_noticed() {
    is_caught(Mutant::RenewsRevokedSeats, ADMINISTERED, Ledger);
    is_caught(Mutant::ReleaseForgets, ADMINISTERED, I1);
    is_caught(Mutant::ReturnsActiveSeats, ADMINISTERED, I1);
}

/// A ledger that may be restored once, at any time, to a copy of any earlier day.
const RESTORED: Rules =
    Rules { draws: [1, 1], days: 2, check_ins: 1, restores: Some(Outside::Page), ..SIMPLE };

#[test]
fn the_protocol_holds_when_the_ledger_is_restored() {
    let limit = limit() / 4;
    let occurring = [Active, Returned, Cancelled];
    for outside in [Outside::Page, Outside::Nothing] {
        let rules = Rules { restores: Some(outside), ..RESTORED };
        holds(&format!("restored, outside {outside:?}"), rules, Some(limit), &occurring);
        let rules = Rules { leases: [1, 2], draws: [1, 0], days: 3, ..rules };
        holds(&format!("restored, longer leases, outside {outside:?}"), rules, Some(limit), &occurring);
    }
    let rules = Rules { draws: [1, 0], lies: true, ..RESTORED };
    holds("restored, lies", rules, Some(limit), &occurring);
    let rules = Rules { draws: [2, 0], ..RESTORED };
    // Further on, a phantom is ended by a revocation.
    holds("restored, twice", rules, Some(DEFAULT_LIMIT / 4), &occurring);
    let rules = Rules { draws: [1, 0], administered: true, deactivations: Some(0), ..RESTORED };
    holds("restored, administered", rules, Some(limit), &[Active, Held, Returned, Cancelled, Revoked]);
    let rules = Rules { one_hardware: true, reinstalls: 9, ..RESTORED };
    holds("restored, installed again", rules, Some(limit), &[Active, Replaced, Returned, Cancelled]);
}

#[test]
fn faults_in_what_a_restored_ledger_keeps_are_noticed() {
    let rules = Rules { draws: [1, 0], days: 3, check_ins: 2, ..RESTORED };
    is_caught(Mutant::OwnLeaseAfterAGap, rules, Seats);
    is_caught(Mutant::LongestLeaseAfterTheOwn, rules, Seats);
    is_caught(Mutant::SilenceIsNoGap, Rules { restores: Some(Outside::Nothing), ..rules }, Seats);
    is_caught(Mutant::RestartDelaysALapse, RESTORED, Ledger);
}

#[test]
fn faults_in_healing_are_noticed() {
    let lies = Rules { lies: true, ..RESTORED };
    is_caught(Mutant::ClaimedRevisionIsEvidence, lies, Ledger);
    is_caught(Mutant::HealsByAnybodysLicense, lies, Ledger);
    is_caught(Mutant::HealsByAnotherDevicesLicense, lies, Ledger);
    is_caught(Mutant::HealsOutsideAGap, lies, Ledger);
    is_caught(Mutant::HealsASeatThatEnded, Rules { draws: [1, 0], check_ins: 2, ..RESTORED }, Ledger);
    let twice = Rules { draws: [2, 0], ..RESTORED };
    is_caught(Mutant::EarlierSeatStays, twice, Ledger);
    is_caught(Mutant::PhantomsStay, twice, Ledger);
}

//! Random runs over the decisions and the devices' records: what is too long a story for the search, in which each rule
//! is switched off in turn (`docs/THREATS.md`, Test 21).
//!
//! A run is a license with its terms, three computers with several installations, and 56 random acts of customers, of
//! the vendor and of misfortune, over some months. `examples/authority/tests/faults/over_time` has the same runs over
//! the real programs. `NODELOCK_RANDOM_RUNS` sets how many there are, `NODELOCK_RANDOM_SEED` the first.

mod device;
mod dice;
mod promise;
mod script;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

pub(super) use self::dice::Dice;
use self::{
    script::{Event, FLAGGED, IN_USE_BESIDES, NOTED, Script, Sold, TURNED_UP_LATE},
    world::{Counts, Vendor, World},
};
use super::{Mutant, Switched};

/// In so many runs everything happens.
const ENOUGH: u64 = 1500;

/// What the authority says no with, and to what.
const REFUSED: [&str; 19] = [
    "deactivation-not-allowed to a release by a customer",
    "given-up to a taking back of a release",
    "given-up to a request",
    "license-ended to a check-in",
    "license-ended to a request",
    "license-wanted to a check-in",
    "no-activation-left to a request",
    "no-free-seat to a taking back of a release",
    "no-free-seat to a check-in",
    "no-free-seat to a request",
    "outdated to a check-in",
    "outdated to a request",
    "request-cancelled to a request",
    "revoked to a renewal",
    "revoked to a request",
    "unknown-license to a request",
    "unknown-seat to a check-in",
    "unknown-seat to a request",
    "wrong-machine to a check-in",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The rules about seats over time, and some others that these runs miss too, by what is wrong without them.
const MUTANTS: [Mutant; 55] = [
    Mutant::NoMargin,
    Mutant::LastEndCounts,
    Mutant::LapsedCostsADeactivation,
    Mutant::SeatsUncounted,
    Mutant::RepeatedRequestUncounted,
    Mutant::HeldSeatUncounted,
    Mutant::RecoveryUncounted,
    Mutant::CheckInUncounted,
    Mutant::RenewalUncounted,
    Mutant::JoinsAnyMachine,
    Mutant::OlderRequestJoins,
    Mutant::JoinedSeatIsUnused,
    Mutant::LiveSeatIsReplaced,
    Mutant::AllowanceIgnored,
    Mutant::EchoRecovers,
    Mutant::ReleaseForgets,
    Mutant::LicenseKept,
    Mutant::SmallerReadingTaken,
    Mutant::OwnLeaseAfterAGap,
    Mutant::LongestLeaseAfterTheOwn,
    Mutant::SilenceIsNoGap,
    Mutant::RestartDelaysALapse,
    Mutant::TimerFreesSeats,
    Mutant::MissedTimerFreesSeats,
    Mutant::ClaimedRevisionIsEvidence,
    Mutant::HealsByAnybodysLicense,
    Mutant::HealsByAnotherDevicesLicense,
    Mutant::HealsOutsideAGap,
    Mutant::HealsASeatThatEnded,
    Mutant::EarlierSeatStays,
    Mutant::ExcessUnflagged,
    Mutant::PhantomsStay,
    Mutant::SuspendedIssues,
    Mutant::EndedIssues,
    Mutant::OldKeysActivate,
    Mutant::RenewsRevokedSeats,
    Mutant::ActivationUncounted,
    Mutant::ActivationsIgnored,
    Mutant::TakeoverIsAnActivation,
    Mutant::HeldSeatIsAnActivation,
    Mutant::RecoveryIsAnActivation,
    Mutant::HealedSeatIsFree,
    Mutant::ResetForgivesAhead,
    Mutant::ResetFreesSeats,
    Mutant::ExtraIsASeat,
    Mutant::UnreleasesWhatWasHeard,
    Mutant::UnreleasesWhatWasGivenBack,
    Mutant::UnreleaseUncounted,
    Mutant::ReplacementUncounted,
    Mutant::LapsedSeatIsReplaced,
    Mutant::LapsedSeatIsJoined,
    Mutant::LapsedOwnSeatIsJoined,
    Mutant::CustomersReleaseForgotten,
    Mutant::GiveUpFreesTwice,
    Mutant::LateRecoveryFrees,
];

/// All runs, and those of them that break the promise; with a mutant, until one has.
fn runs(count: u64, mutant: Option<Mutant>) -> (Counts, Vec<(u64, String)>) {
    let first = number("NODELOCK_RANDOM_SEED", 0);
    let next = AtomicU64::new(first);
    let total = Mutex::new((Counts::new(), Vec::new()));
    let vendor = Vendor::new();
    let work = || {
        let _switched = Switched::on(mutant);
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && number < first + count
            && (mutant.is_none() || total.lock().expect("nothing panics here").1.is_empty())
        {
            let mut world = World::new(&vendor, number, Script::new(number).sold);
            let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
            let breach = lived.unwrap_or_else(|_| Err("panicked, see above".to_owned())).err();
            let mut total = total.lock().expect("nothing panics here");
            for (what, count) in &world.counts {
                *total.0.entry(what.clone()).or_default() += count;
            }
            total
                .1
                .extend(breach.map(|breach| (number, format!("{breach}\n  {}", world.story.join("\n  ")))));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let (counts, mut breaches) = total.into_inner().expect("nothing panics here");
    breaches.sort();
    (counts, breaches)
}

#[test]
fn random_runs_keep_what_is_promised_over_time() {
    let start = Instant::now();
    let count = number("NODELOCK_RANDOM_RUNS", ENOUGH);
    let (counts, breaches) = runs(count, None);
    for (what, count) in &counts {
        println!("{count:>9} {what}");
    }
    println!("{count} runs in {:.1} s, {} breaches", start.elapsed().as_secs_f64(), breaches.len());
    for (run, breach) in &breaches {
        println!("run {run}: {}", breach.lines().next().unwrap_or_default());
    }
    let shown: Vec<_> = breaches.iter().take(3).map(|(run, breach)| format!("run {run}: {breach}")).collect();
    assert!(breaches.is_empty(), "{} of {count} runs, such as\n{}", breaches.len(), shown.join("\n\n"));
    let noted = NOTED.map(|noted| format!("noted: {noted}"));
    let refused = REFUSED.map(|refusal| format!("refused: {refusal}"));
    let events = Event::NAMES.into_iter().chain([TURNED_UP_LATE, IN_USE_BESIDES, FLAGGED]).map(str::to_owned);
    let expected = events.chain(noted).chain(refused);
    let missing: Vec<_> = expected.filter(|what| !counts.contains_key(what)).collect();
    assert!(missing.is_empty() || count < ENOUGH, "{missing:?} never happened");
}

/// A run in which a check-in of a lost store comes when its device has asked for the seat anew.
fn late_check_in() -> Result<(), String> {
    let drawn = Script::new(0).sold;
    let sold = Sold {
        seats: 1,
        deactivations: None,
        activations: None,
        reinstalls: 5,
        margin_days: Some(14),
        ..drawn
    };
    World::new(&Vendor::new(), 0, sold).lose_and_hear_late()
}

#[test]
fn a_check_in_of_the_time_before_a_loss_takes_nothing_back() {
    late_check_in().unwrap();
    let _switched = Switched::on(Some(Mutant::LateCheckInTakesBack));
    let breach = late_check_in().unwrap_err();
    assert!(breach.starts_with("S2: the lost seat"), "{breach}");
}

#[test]
fn in_the_same_runs_each_rule_is_missed_when_it_is_switched_off() {
    let count = number("NODELOCK_RANDOM_RUNS", ENOUGH);
    let mut unnoticed = Vec::new();
    for mutant in MUTANTS {
        let start = Instant::now();
        let (_, breaches) = runs(count, Some(mutant));
        let seconds = start.elapsed().as_secs_f64();
        println!("{mutant:?}: {} breaches in {seconds:.1} s", breaches.len());
        for (run, breach) in &breaches {
            println!("    run {run}: {}", breach.lines().next().unwrap_or_default());
        }
        assert!(breaches.iter().all(|(_, breach)| !breach.starts_with("panicked")), "{mutant:?}");
        if breaches.is_empty() {
            unnoticed.push(mutant);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?} break nothing in {count} runs");
}

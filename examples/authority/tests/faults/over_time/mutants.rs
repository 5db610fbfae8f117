//! The same runs with each rule switched off in turn, in the authority's programs and on the devices
//! (docs/DESIGN.md, How it is tested).

use std::fs;

use super::MUTANT;

/// The rules that the runs over the decisions switch off are in this file.
const OF_THE_MODEL: &str = include_str!("../../../../../src/model/random/mod.rs");

/// The mutants, each with a run in which it was missed.
const MUTANTS: [(&str, u64); 25] = [
    ("LapsedCostsADeactivation", 0),
    ("SeatsUncounted", 0),
    ("RecoveryUncounted", 2086),
    ("CheckInUncounted", 0),
    ("RenewalUncounted", 0),
    ("JoinsAnyMachine", 0),
    ("LiveSeatIsReplaced", 8),
    ("EchoRecovers", 2027),
    ("ReleaseForgets", 4001),
    ("LicenseKept", 4018),
    ("SmallerReadingTaken", 0),
    ("LongestLeaseAfterTheOwn", 1),
    ("SilenceIsNoGap", 2),
    ("RestartDelaysALapse", 0),
    ("ExcessUnflagged", 26),
    ("SuspendedIssues", 1),
    ("EndedIssues", 3),
    ("RenewsRevokedSeats", 6027),
    ("ActivationUncounted", 0),
    ("ActivationsIgnored", 10),
    ("ResetForgivesAhead", 4023),
    ("ResetFreesSeats", 4),
    ("ExtraIsASeat", 40),
    ("UnreleasesWhatWasGivenBack", 7742),
    ("UnreleaseUncounted", 2365),
];

// Why the real programs do not show a mutant.
const TIMER: &str = "no program has a timer: the harness plays one, in `a_timer_that_frees_seats_is_noticed`";
const LIE: &str = "no device of these runs forges a license, or shows another's";
const ANSWER: &str = "it is judged when a check-in is answered, which only the runs over the decisions see";
const CHARGE: &str =
    "it is judged by what a decision stores of a seat, which only the runs over the decisions see";
const RARE: &str = "it was missed in none of up to 30 runs that were tried here; over the decisions it is";
const DESK: &str = "no customer of these runs releases a seat by the license key";
const LATER: &str = "it came to the runs over the decisions later, and was not looked for here";

/// What the real programs do not show, and why.
const NOT_HERE: [(&str, &str); 30] = [
    ("TimerFreesSeats", TIMER),
    ("MissedTimerFreesSeats", TIMER),
    ("ClaimedRevisionIsEvidence", LIE),
    ("HealsByAnybodysLicense", LIE),
    ("HealsByAnotherDevicesLicense", LIE),
    ("HealsOutsideAGap", LIE),
    ("EarlierSeatStays", ANSWER),
    ("PhantomsStay", ANSWER),
    ("TakeoverIsAnActivation", CHARGE),
    ("HeldSeatIsAnActivation", CHARGE),
    ("RecoveryIsAnActivation", CHARGE),
    ("HealedSeatIsFree", CHARGE),
    ("NoMargin", RARE),
    ("LastEndCounts", RARE),
    ("RepeatedRequestUncounted", RARE),
    ("HeldSeatUncounted", RARE),
    ("OlderRequestJoins", RARE),
    ("JoinedSeatIsUnused", RARE),
    ("AllowanceIgnored", RARE),
    ("OwnLeaseAfterAGap", RARE),
    ("HealsASeatThatEnded", RARE),
    ("OldKeysActivate", RARE),
    ("UnreleasesWhatWasHeard", RARE),
    ("CustomersReleaseForgotten", DESK),
    ("ReplacementUncounted", LATER),
    ("LapsedSeatIsReplaced", LATER),
    ("LapsedSeatIsJoined", LATER),
    ("LapsedOwnSeatIsJoined", LATER),
    ("GiveUpFreesTwice", LATER),
    ("LateRecoveryFrees", LATER),
];

#[test]
fn every_rule_that_the_runs_over_the_decisions_switch_off_is_here() {
    let mut of_the_model: Vec<_> = OF_THE_MODEL
        .lines()
        .filter_map(|line| line.strip_prefix("    Mutant::")?.strip_suffix(','))
        .collect();
    let here = MUTANTS.iter().map(|(mutant, _)| *mutant);
    let mut here: Vec<_> = here.chain(NOT_HERE.iter().map(|(mutant, _)| *mutant)).collect();
    of_the_model.sort_unstable();
    here.sort_unstable();
    assert_eq!(here, of_the_model);
}

#[test]
fn only_programs_that_are_compiled_for_it_have_switches() {
    let program = fs::read(env!("CARGO_BIN_EXE_authority")).unwrap();
    let has_switches = program.windows(MUTANT.len()).any(|bytes| bytes == MUTANT.as_bytes());
    assert_eq!(has_switches, cfg!(nodelock_switches));
}

#[cfg(nodelock_switches)]
mod switched {
    use std::{env, process::Command};

    use super::{
        super::{ENOUGH, number},
        MUTANT, MUTANTS,
    };

    /// These runs with that mutant, until one breaks the promise: how.
    fn breach(mutant: &str, first: u64, runs: u64) -> Option<String> {
        let mut program = Command::new(env::current_exe().unwrap());
        let of_runs =
            "over_time::whatever_becomes_of_machines_and_terms_no_seat_is_lost_and_none_is_used_twice";
        program.args(["--exact", of_runs, "--nocapture"]).env(MUTANT, mutant);
        program.env("NODELOCK_ONLINE_SEED", first.to_string()).env("NODELOCK_ONLINE_RUNS", runs.to_string());
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        let breach = said.lines().find(|line| line.starts_with("run ")).map(str::to_owned);
        assert_eq!(breach.is_none(), output.status.success(), "{mutant}: {said}");
        assert!(!breach.iter().any(|breach| breach.contains("panicked")), "{mutant}: {said}");
        breach
    }

    #[test]
    fn each_rule_that_is_switched_off_is_missed() {
        let most = number("NODELOCK_ONLINE_RUNS", ENOUGH);
        let mut unnoticed = Vec::new();
        for (mutant, run) in MUTANTS {
            match breach(mutant, run, 1).or_else(|| breach(mutant, 0, most)) {
                Some(breach) => println!("{mutant}: {breach}"),
                None => unnoticed.push(mutant),
            }
        }
        assert!(unnoticed.is_empty(), "{unnoticed:?} break nothing in {most} runs");
    }
}

//! Machines that are installed again, die, turn up or change their license while months pass: the random runs of
//! `src/model/random` over the real programs and a bad network (docs/THREATS.md, Test 21).
//!
//! Each run is a license, three computers and a network of their own, and 56 random acts of customers, of the vendor
//! and of misfortune. After every act the stores are judged by what they can use. The server's clock is moved by
//! `tests/support/clock.c`, so this needs Linux.
//!
//! A breach names its run; `NODELOCK_ONLINE_SEED=run NODELOCK_ONLINE_RUNS=1` has it again.

mod mutants;
#[path = "../../../../../src/model/random/promise.rs"]
mod promise;
#[path = "../../../../../src/model/random/script.rs"]
mod script;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Instant, SystemTime},
};

use nodelock::Timestamp;

use self::{
    script::{Event, FLAGGED, IN_USE_BESIDES, NOTED, TURNED_UP_LATE},
    world::{Counts, World},
};
use crate::support::{
    administration::Administrator,
    dice,
    ledger::Ledger,
    server::{Authority, Engine, PRODUCT},
};

/// An authority's clock goes on over its runs, and no license of these lasts for ever.
const RUNS_OF_AN_AUTHORITY: u64 = 5;
/// In so many runs a planted fault is noticed.
const FAULTY: u64 = 3;
/// In so many runs everything happens, whatever the chance of the network and of the keys.
const ENOUGH: u64 = 400;

/// Names the rule that is switched off.
const MUTANT: &str = "NODELOCK_MUTANT";

/// What the authority says no with.
const REFUSALS: [&str; 10] = [
    "given-up",
    "license-ended",
    "no-activation-left",
    "no-free-seat",
    "outdated",
    "request-cancelled",
    "revoked",
    "unknown-license",
    "unknown-seat",
    "wrong-machine",
];

/// What the vendor does, and is refused, besides the script's events.
const OF_THE_VENDOR: [&str; 9] = [
    "an edit of an older version was refused",
    "given to another customer",
    "key added, and the one before revoked",
    "license ended for good",
    "order ended for good",
    "order extended",
    "unrelease refused: given-up",
    "extension refused: no end to move",
    "resumption refused: void",
];

/// What only happens where the ledger is restored.
const OF_A_RESTORE: [&str; 5] = ["restored", "healed", "phantom-ended", IN_USE_BESIDES, FLAGGED];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What goes wrong on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An administrator makes a call again under another key.
    Forgetful,
    /// A timer gives back the seats whose use is over.
    Timer,
}

/// These runs, and those of them that broke the promise.
fn runs(first: u64, runs: u64, fault: Option<Fault>) -> (Counts, Vec<String>) {
    let next = AtomicU64::new(first);
    let total = Mutex::new((Counts::new(), Vec::new()));
    // Of a mutant one breach is enough.
    let is_mutated = std::env::var_os(MUTANT).is_some();
    assert!(cfg!(nodelock_switches) || !is_mutated, "tests/switches/compiler did not make these programs");
    let work = || {
        while let begin = next.fetch_add(RUNS_OF_AN_AUTHORITY, Ordering::Relaxed)
            && begin < first + runs
            && (!is_mutated || total.lock().unwrap().1.is_empty())
        {
            let mut time = Timestamp::from(SystemTime::now()).unix_seconds();
            let Some(authority) =
                Authority::over_time_with(PRODUCT, time, &["--admin-listen", "127.0.0.1:0"])
            else {
                return;
            };
            let mut ledger = Ledger::open(&authority);
            let key_of_another_license = authority.sell("99", &[]);
            let is_forgetful = fault == Some(Fault::Forgetful);
            let mut administrator = Administrator::new(&authority, begin | 1 << 23, is_forgetful);
            for run in begin..(begin + RUNS_OF_AN_AUTHORITY).min(first + runs) {
                let beside = (&mut ledger, &mut administrator);
                let mut world = World::new(run, &authority, beside, key_of_another_license.clone(), time);
                world.fault = fault;
                let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
                let breach = lived.unwrap_or_else(|_| Err("panicked, see above".to_owned())).err();
                time = world.is_over();
                let mut total = total.lock().unwrap();
                for (what, count) in world.counts() {
                    *total.0.entry(what).or_default() += count;
                }
                let told = |breach| format!("run {run}: {breach}\n  {}", world.story.join("\n  "));
                total.1.extend(breach.map(told));
            }
            for (what, count) in administrator.counts() {
                *total.lock().unwrap().0.entry(format!("administration: {what}")).or_default() += count;
            }
            for noted in ledger.texts("SELECT action FROM audit").into_iter().flatten() {
                *total.lock().unwrap().0.entry(format!("noted: {noted}")).or_default() += 1;
            }
            // Whatever came of it, the ledger is one that the rules make.
            if fault != Some(Fault::Timer) && !is_mutated {
                authority.vendor(&["verify"]);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    total.into_inner().unwrap()
}

fn is_noticed(fault: Fault, by: &str) {
    let _up = crate::database_stays();
    let (counts, breaches) = runs(0, FAULTY, Some(fault));
    let is_by_it = |breach: &String| breach.contains(by);
    assert!(counts.is_empty() || breaches.iter().any(is_by_it), "{breaches:?}");
}

/// A call that is made again under another key is done twice, or stands in its own way.
#[test]
fn a_call_under_a_key_of_its_own_each_time_is_noticed() {
    is_noticed(Fault::Forgetful, ": V: ");
}

#[test]
fn a_timer_that_frees_seats_is_noticed() {
    is_noticed(Fault::Timer, ": F4: ");
}

#[test]
fn whatever_becomes_of_machines_and_terms_no_seat_is_lost_and_none_is_used_twice() {
    let _up = crate::database_stays();
    let (first, count) = (number("NODELOCK_ONLINE_SEED", 0), number("NODELOCK_ONLINE_RUNS", 40));
    let start = Instant::now();
    let (counts, breaches) = runs(first, count, None);
    for (what, often) in &counts {
        println!("{often:>9} {what}");
    }
    println!("{count} runs in {:.1} s, {} breaches", start.elapsed().as_secs_f64(), breaches.len());
    let shown = breaches.iter().take(3).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(breaches.is_empty(), "{} of {count} runs, such as\n{shown}", breaches.len());
    // A restore is of a file. Nobody but the authority signs a false license.
    let is_file = matches!(Engine::chosen(), Engine::Sqlite);
    if !is_file {
        println!("the ledger is not put back here: PostgreSQL's is in tests/commands/restored.rs");
    }
    if count >= ENOUGH && !counts.is_empty() && std::env::var_os(MUTANT).is_none() {
        let refusals = REFUSALS.map(|refusal| format!("refused: {refusal}"));
        let noted = NOTED.into_iter().filter(|noted| is_file || !OF_A_RESTORE.contains(noted));
        let noted = noted.map(|noted| format!("noted: {noted}"));
        let alone = [Event::Lie, Event::ReleaseByCustomer].map(Event::name);
        let events = Event::NAMES.into_iter().filter(|name| !alone.contains(name));
        let events = events.chain(OF_THE_VENDOR).chain([TURNED_UP_LATE, IN_USE_BESIDES, FLAGGED]);
        let events =
            events.filter(|name| is_file || !name.starts_with("ledger") && !OF_A_RESTORE.contains(name));
        let expected = events.map(str::to_owned).chain(noted).chain(refusals);
        let missing: Vec<_> = expected.filter(|what| !counts.contains_key(what)).collect();
        assert!(missing.is_empty(), "{missing:?} never happened");
    }
}

//! What is handed to the authority: its reader of everything that is typed, pasted or uploaded, and the decisions on
//! it.
#![no_main]

// The reader itself, because the authority's library shows nothing but its main function.
#[path = "../../../examples/authority/src/domain/submission.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod submission;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{
    Timestamp,
    authority::{
        Records,
        decision::{self, Moment, Refusal, Step},
    },
    testing::MemoryLedger,
};
use nodelock_fuzz::{NOW, mutate_text, planted, settle, world};

use submission::{Deactivation, Submission, is_typed};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_text(data, size, max_size, 0, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_target!(|data: &[u8]| {
    let world = world();
    let read = || Submission::read(data, &world.roots);
    if is_typed(data).is_some() {
        assert!(matches!(read(), Ok(Submission::Typed(_))), "what is typed is read as such");
    }
    let Ok(submission) = read() else { return };
    let what = submission.what();
    if let Ok(file) = submission.activation() {
        for ledger in &world.ledgers {
            for license in [None, Some(ledger.terms[0].id)] {
                decide(ledger, |records, moment| decision::activate(&file, license, records, moment));
            }
        }
    }
    if let Ok(Submission::Releases(claims)) = read() {
        planted(claims.len(), 2);
        for claim in &claims {
            for ledger in &world.ledgers {
                decide(ledger, |records, moment| decision::redeem(claim, records, moment));
            }
        }
    }
    if let Ok(claim) = read().and_then(Submission::check_in) {
        for ledger in &world.ledgers {
            decide(ledger, |records, moment| decision::check_in(&claim, records, moment));
        }
    }
    let code = read().and_then(Submission::code);
    match read().and_then(Submission::deactivation) {
        Ok(Deactivation::Code(typed)) => {
            assert!(code.is_ok(), "{what:?}");
            for ledger in &world.ledgers {
                decide(ledger, |records, moment| decision::redeem_code(&typed, records, moment));
            }
        }
        Ok(Deactivation::Proof(_)) => assert!(read().and_then(Submission::proof).is_ok(), "{what:?}"),
        Err(_) => assert!(code.is_err(), "{what:?}"),
    }
});

/// No more seats are taken than were sold, and what is sent can be signed.
fn decide(ledger: &MemoryLedger, act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>) {
    let mut ledger = ledger.clone();
    if let Some(Ok(decision)) = settle(&mut ledger, act) {
        let terms = &ledger.terms[0];
        assert!(ledger.usage(terms.id).taken <= terms.seats, "more seats than were sold");
        let reply = world().issuer.reply(&decision, Timestamp::from_unix_seconds(NOW));
        reply.expect("what was decided can be signed");
    }
}

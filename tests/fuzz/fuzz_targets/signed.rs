//! Any body, truly signed: what a vendor's or a device's key could be made to say, and what becomes of it on a device
//! and at an authority.
//!
//! An input is the place of a kind in [`KINDS`], the place of a state, and a body.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{
    Certificate, DeactivationReceipt, Kind, License, Reason, Result, Revocation, Timestamp,
    authority::{
        ActivationFile, CheckInClaim, PreflightClaim, Records, ReleaseClaim,
        decision::{self, Decision, Moment, Refusal, Step},
    },
    testing::MemoryLedger,
};
use nodelock_fuzz::{KINDS, NOW, World, bundle, mutate_body, planted, settle, world};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_body(data, size, max_size, 2, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, state], body)) = data.split_first_chunk::<2>() else { return };
    let kind = usize::from(kind) % KINDS.len();
    let envelope = world().sign(kind, body, state & 0x80 == 0);
    let state = usize::from(state & 0x7f);
    if World::is_authoritys(KINDS[kind]) {
        on_a_device(world(), KINDS[kind], state, &envelope);
    } else {
        at_an_authority(world(), KINDS[kind], state, &envelope);
    }
});

fn on_a_device(world: &World, kind: Kind, state: usize, envelope: &[u8]) {
    let store = world.store(&world.states[state % world.states.len()]);
    let client = world.client(&store);
    let before = store.read().expect("it can be read");
    let is_genuine = match kind {
        Kind::License => match License::verify(envelope, &world.roots) {
            Ok(license) => {
                planted(license.edition.len(), 63);
                true
            }
            Err(_) => false,
        },
        Kind::DeactivationReceipt => DeactivationReceipt::verify(envelope, &world.roots).is_ok(),
        Kind::Revocation => Revocation::verify(envelope, &world.roots).is_ok(),
        _ => {
            let _ = Certificate::verify(envelope, &world.roots).map(|certificate| certificate.to_text());
            false
        }
    };
    match client.accept(envelope) {
        Ok(_) => assert!(is_genuine, "what is taken in can be verified"),
        Err(_) => assert_eq!(store.read().expect("it can be read"), before, "a refusal changes nothing"),
    }
    let status = client.check().expect("memory can be read");
    let again = world.client(&store).check().expect("memory can be read");
    assert_eq!(status.verdict(), again.verdict(), "another process sees the same");
    let _ = client.observe().expect("memory can be written");
    let _ = client.fingerprint_report();
    let _ = client.pending();
    if client.deactivate_offline(Reason::Moved).is_ok() {
        assert!(!client.check().expect("memory can be read").is_usable());
    }
    for outstanding in client.outstanding().expect("what is kept can be shown") {
        ReleaseClaim::read(&outstanding.to_bytes()).expect("what is shown can be read");
    }
}

fn at_an_authority(world: &World, kind: Kind, state: usize, envelope: &[u8]) {
    let ledger = &world.ledgers[state % world.ledgers.len()];
    let files: Vec<Vec<u8>> = match kind {
        Kind::RecoveryRequest => {
            let request =
                world.messages.iter().find(|m| m.name == "recovering request").expect("there is one");
            vec![bundle(&[&request.envelope, envelope])]
        }
        Kind::DeactivationProof => {
            let request =
                |name| &world.messages.iter().find(|m| m.name == name).expect("there is one").envelope;
            let second = request("second request");
            vec![envelope.to_vec(), bundle(&[envelope, second]), bundle(&[second, envelope])]
        }
        _ => vec![envelope.to_vec()],
    };
    for file in &files {
        if let Ok(file) = ActivationFile::read(file) {
            for license in [None, Some(ledger.terms[0].id)] {
                decide(world, ledger, |records, moment| decision::activate(&file, license, records, moment));
            }
        }
        for claim in ReleaseClaim::read_all(file).unwrap_or_default() {
            decide(world, ledger, |records, moment| decision::redeem(&claim, records, moment));
        }
        if let Ok(claim) = CheckInClaim::read(file) {
            decide(world, ledger, |records, moment| decision::check_in(&claim, records, moment));
        }
        if let Ok(claim) = PreflightClaim::read(file) {
            decide(world, ledger, |records, moment| decision::preflight(&claim, records, moment));
        }
    }
}

/// Decides twice: no more seats are taken than were sold, what is sent can be signed and verified, and the same message
/// again is answered and changes nothing.
fn decide(world: &World, ledger: &MemoryLedger, act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>) {
    let mut ledger = ledger.clone();
    let Some(Ok(decision)) = settle(&mut ledger, &act) else { return };
    check(world, &ledger, &decision);
    let again = settle(&mut ledger, &act).expect("no code is left to try");
    let again = again.expect("what was decided is not refused");
    assert!(again.store.is_empty(), "the same message again changes nothing: {:?}", again.store);
    check(world, &ledger, &again);
}

fn check(world: &World, ledger: &MemoryLedger, decision: &Decision) {
    let terms = &ledger.terms[0];
    assert!(ledger.usage(terms.id).taken <= terms.seats, "more seats than were sold");
    let now = Timestamp::from_unix_seconds(NOW);
    let reply = world.issuer.reply(decision, now).expect("what was decided can be signed");
    if let Some(license) = &reply.license {
        License::verify(license.as_bytes(), &world.roots).expect("what was signed can be verified");
    }
    for receipt in &reply.receipts {
        DeactivationReceipt::verify(receipt.as_bytes(), &world.roots).expect("it can be verified");
    }
}

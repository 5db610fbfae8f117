//! Any store, and the client's operations on it.
//!
//! An input is a flag, an operation's number, and the body of a state file, or with an odd flag a whole state file.
#![no_main]

#[path = "../../../src/model/random/dice.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod dice;
#[path = "../../support/disk.rs"]
#[allow(dead_code, reason = "a part of it serves here")]
mod disk;

use std::{path::Path, sync::Arc};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{ErrorKind, Reason, Store, Verdict, authority::ReleaseClaim};
use nodelock_fuzz::{mutate_body, planted, world};

const PLACE: &str = "/var/lib/example";

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_body(data, size, max_size, 2, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_target!(|data: &[u8]| {
    let Some((&[flag, operation], content)) = data.split_first_chunk::<2>() else { return };
    let store = if flag % 2 == 1 {
        let disk = disk::Disk::new();
        disk.put(Path::new(PLACE).join("device.key"), world().device_file());
        disk.put(Path::new(PLACE).join("state"), content);
        Store::in_directory(PLACE, None).with_file_system(Arc::new(disk))
    } else if content.len() < 1 << 19 {
        world().store(content)
    } else {
        return;
    };
    operate(&store, operation);
});

fn operate(store: &Store, operation: u8) {
    let world = world();
    let before = store.read().ok();
    let client = world.client(store);
    let status = client.check().expect("whatever is damaged is a verdict");
    if let Verdict::Revoked { reason } = status.verdict() {
        planted(reason.len(), 32);
    }
    let _ = client.fingerprint_report();
    let message =
        |name: &str| &world.messages.iter().find(|m| m.name == name).expect("there is one").envelope;
    let done = match operation % 10 {
        0 => client.accept(message("license")).map(drop),
        1 => client.accept(message("renewal")).map(drop),
        2 => client.accept(message("receipt")).map(drop),
        3 => client.accept(message("revocation")).map(drop),
        4 => client.deactivate_offline(Reason::Moved).map(drop),
        5 => client.cancel().map(drop),
        6 => client.observe().map(drop),
        7 => client.pending().map(drop),
        8 => client.outstanding().map(|seats| {
            for seat in seats {
                let _ = ReleaseClaim::read(&seat.to_bytes());
                let _ = (seat.to_text(), seat.code().to_string(), seat.time());
            }
        }),
        // Only as far as it is refused: making a request derives a key, which is slow.
        _ if client.check().is_ok_and(|status| status.license().is_some() || status.pending().is_some()) => {
            client.begin(&world.license_key).map(drop)
        }
        _ => Ok(()),
    };
    match done {
        Ok(()) => {}
        Err(error) => {
            assert!(!matches!(error.kind(), ErrorKind::Io | ErrorKind::Busy), "{error}");
            assert_eq!(store.read().ok(), before, "a failure changes nothing");
        }
    }
    let after = world.client(store).check().expect("whatever is damaged is a verdict");
    let seen = client.check().expect("whatever is damaged is a verdict");
    assert_eq!(seen.verdict(), after.verdict(), "another process sees the same");
}

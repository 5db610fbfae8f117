//! What is shown is durable: a request or a proof that a kill left visible, and not yet durable, is made durable before
//! the next start hands it out. A power cut right after that must not take it back.

use std::sync::Arc;

use crate::support::{
    disk::{Cut, Disk, Fault},
    vendor::{Device, Vendor},
};
use nodelock::{Reason, Store, Verdict};

fn device(vendor: &Vendor, disk: &Disk) -> Device {
    let store =
        Store::in_directory("/store", Some("/tombstones".into())).with_file_system(Arc::new(disk.clone()));
    Device::with_store(vendor, "desk", store)
}

#[test]
fn a_proof_shown_after_a_kill_survives_a_power_cut() {
    let disk = Disk::new();
    let mut vendor = Vendor::new();
    device(&vendor, &disk).activate(&mut vendor);
    let mut shown_again = 0;
    for operation in 0.. {
        let fork = disk.fork();
        fork.inject(operation, Fault::Kill);
        let done = device(&vendor, &fork).client().deactivate_offline(Reason::Moved).is_ok();
        if done && fork.faulted().is_none() {
            break;
        }
        fork.restart();
        let shown = device(&vendor, &fork).client().outstanding().unwrap();
        fork.power_cut(Cut::LoseAll);
        if !shown.is_empty() {
            assert_eq!(
                device(&vendor, &fork).verdict(),
                Verdict::Deactivated,
                "killed at operation {operation}"
            );
            shown_again += 1;
        }
    }
    assert!(shown_again > 0, "some kill leaves the new state");
}

#[test]
fn a_request_shown_after_a_kill_survives_a_power_cut() {
    let vendor = Vendor::new();
    let mut shown_again = 0;
    for operation in 0.. {
        let disk = Disk::new();
        disk.inject(operation, Fault::Kill);
        let begun = device(&vendor, &disk).client().begin(vendor.license_key()).is_ok();
        if begun && disk.faulted().is_none() {
            break;
        }
        disk.restart();
        let shown = device(&vendor, &disk).client().pending().unwrap();
        disk.power_cut(Cut::LoseAll);
        if shown.is_some() {
            let kept = device(&vendor, &disk).client().pending().unwrap();
            assert!(kept.is_some(), "killed at operation {operation}");
            shown_again += 1;
        }
    }
    assert!(shown_again > 0, "some kill leaves the new state");
}

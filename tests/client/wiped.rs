//! A release secret is in the process's memory only while somebody holds what it is part of.

#![allow(unsafe_code, reason = "an allocator that looks at what is given back is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs::{self, File},
    hint::black_box,
    os::unix::fs::FileExt as _,
    slice,
};

use nodelock::{Client, Random, Reason, Result, Store, SystemRandom};

use crate::support::vendor::{Vendor, builder};

/// The secret, each byte with [`MASK`] over it, so that the test has no copy of its own.
const SECRET: [u8; 8] = [0x5f, 0x31, 0x99, 0x0d, 0xe2, 0x47, 0xbc, 0x76];
const MASK: u8 = 0x55;

/// Random numbers, but for the secret, which alone is eight bytes long.
struct Chosen;

impl Random for Chosen {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() != SECRET.len() {
            return SystemRandom.fill(bytes);
        }
        for (byte, masked) in bytes.iter_mut().zip(SECRET) {
            *byte = masked ^ black_box(MASK);
        }
        Ok(())
    }
}

fn is_secret(bytes: &[u8]) -> bool {
    bytes.iter().zip(SECRET).all(|(byte, masked)| *byte == masked ^ black_box(MASK))
}

/// The system's allocator, and how many blocks with the secret in them this thread has given back. The memory is
/// searched too, but a block that was given back may be in use again by then, which depends on what else the program
/// does.
struct Looking;

thread_local! {
    static LOOKS: Cell<bool> = const { Cell::new(false) };
    static GIVEN_BACK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator; a block is read only as far as the caller says that it reaches,
// before it is given back, and all of it was written, since it came as zeros.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LOOKS.get() {
            // SAFETY: the caller gives a block of that size back, which nobody else uses.
            let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
            if bytes.windows(SECRET.len()).any(is_secret) {
                GIVEN_BACK.set(GIVEN_BACK.get() + 1);
            }
        }
        // SAFETY: the caller keeps the promises of this very function.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;

/// Where in the writable memory of this process the secret is. This thread's stack is left out: what calls leave there,
/// the next ones overwrite.
fn copies() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = vec![0; 1 << 20];
    let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
    let mut found = Vec::new();
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [mut at, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        while at < to {
            let length = buffer.len().min((to - at) as usize);
            // What was given back meanwhile cannot be read.
            let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
            for (offset, window) in buffer[..read].windows(SECRET.len()).enumerate() {
                let place = at + offset as u64;
                if is_secret(window) && !own.contains(&place) {
                    found.push(format!("{place:x} in {line}"));
                }
            }
            if read < SECRET.len() || at + read as u64 == to {
                break;
            }
            at += (read - SECRET.len() + 1) as u64;
        }
    }
    buffer.fill(0);
    found
}

fn client(vendor: &Vendor, store: &Store) -> Client {
    builder(vendor.roots.clone(), "machine", store.clone(), vendor.clock.clone())
        .random(Chosen)
        .build()
        .unwrap()
}

#[test]
fn no_copy_of_a_release_secret_stays_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = Store::in_directory(folder.path().join("store"), Some(folder.path().join("tombstones")));
    let mut wrong = Vec::new();
    let mut vendor = Vendor::new();
    let device = client(&vendor, &on_disk);
    LOOKS.set(true);
    let mut expect_none = |what: &str| {
        let mut found = copies();
        let given_back = GIVEN_BACK.take();
        if given_back > 0 {
            found.push(format!("{given_back} blocks that were given back"));
        }
        if !found.is_empty() {
            wrong.push(format!("{what}: {found:#?}"));
        }
    };
    for _ in 0..5 {
        device.begin(vendor.license_key()).unwrap();
        device.cancel().unwrap();
        expect_none("cancelled");
    }
    // The request itself holds the codes of what it releases.
    let request = device.begin(vendor.license_key()).unwrap().to_bytes();
    expect_none("begun");
    device.accept(&vendor.activate(&request).unwrap()).unwrap();
    expect_none("installed");
    client(&vendor, &on_disk).check().unwrap();
    expect_none("checked");
    let given_up = device.deactivate_offline(Reason::Moved).unwrap();
    assert!(!copies().is_empty(), "the search finds what is there");
    drop(given_up);
    expect_none("deactivated");
    device.outstanding().unwrap();
    expect_none("shown again");
    for given_up in device.outstanding().unwrap() {
        device.accept(vendor.redeem(given_up.proof()).unwrap().as_bytes()).unwrap();
    }
    expect_none("acknowledged");
    drop(device);
    expect_none("freed");

    let in_memory = Store::in_memory();
    client(&vendor, &in_memory).begin(vendor.license_key()).unwrap();
    assert!(!copies().is_empty(), "such a store is memory");
    client(&vendor, &in_memory).cancel().unwrap();
    drop(in_memory);
    expect_none("kept in memory");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

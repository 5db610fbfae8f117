//! What licensing costs an application, each operation beside its floor: `cargo bench --bench licensing`, with the
//! part of an operation's name to measure just that.
//!
//! The floor is the least that the operation must do, done by ring and the operating system alone (`floor.rs`); the
//! two are measured in turns, so that their ratio holds on a machine that is busy with other things (`compare.rs`).
//! Files are on the disk that the target directory is on, and in the page cache: "cold" is a client that is new, not
//! a machine that was just started.
//!
//! A process is this very program, started again with `--child`. So the empty one is linked like the one that checks,
//! nodelock and ring included, and returns from `main` at once. That takes some 30 µs longer than `fn main() {}` alone
//! takes: beside the latter the ratio would be 0.05 more.

mod boundary;
mod compare;
mod floor;
#[cfg(target_os = "linux")]
mod machine;
mod vendor;

use std::{
    collections::HashMap,
    env,
    ffi::CString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, exit},
    time::Duration,
};

use nodelock::{
    Client, DeactivationProof, Kind, License, Reason, Roots, Status, Store,
    code::{DeactivationCode, ReleaseSecret},
    fingerprint::{Probe, TagKey},
};

use boundary::CClient;
use compare::{Aim, Comparison, NO_FLOOR, each, each_after};
use vendor::{Vendor, builder, feature_name, store_in};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", "empty"] => {}
        ["--child", "check", folder, root] => {
            let roots = Roots::new([root.parse().unwrap()]);
            exit(if cold_check(roots, Path::new(folder)).is_usable() { 0 } else { 1 });
        }
        ["--child", "least", folder, root, ref files @ ..] => {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            floor::process(Path::new(folder), &root.parse().unwrap(), &files);
        }
        // cargo adds `--bench`.
        _ => compare(arguments.into_iter().find(|argument| !argument.starts_with("--")).unwrap_or_default()),
    }
}

fn compare(filter: String) {
    let comparison = Comparison::new(filter);
    checks(&comparison);
    processes(&comparison);
    features(&comparison);
    from_c(&comparison);
    probes(&comparison);
    activation(&comparison);
    deactivation(&comparison);
}

fn micros(micros: u64) -> Aim {
    Aim::Under(Duration::from_micros(micros))
}

/// On the disk of the target directory: `/tmp` may be in memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn client(vendor: &Vendor, store: &Store) -> Client {
    builder(vendor.roots(), store.clone()).build().unwrap()
}

fn cold_check(roots: Roots, folder: &Path) -> Status {
    builder(roots, store_in(folder)).build().unwrap().check().unwrap()
}

fn checks(comparison: &Comparison) {
    let identities = floor::identities();
    for (who, vendor) in [("certificate", Vendor::with_certificate()), ("root", Vendor::root_alone())] {
        let folder = folder();
        let store = store_in(folder.path());
        let license = vendor.activate(&store);
        let signatures = floor::Signed::as_in(&license);
        comparison.run(
            &format!("check, cold, {who} ({} × Ed25519)", signatures.len()),
            Aim::Ratio(1.12),
            each(|| assert!(cold_check(vendor.roots(), folder.path()).is_usable())),
            Some(each(|| {
                floor::read_store(store.directory());
                signatures.iter().for_each(floor::Signed::verify);
                floor::look_at_machine(&identities)
            })),
        );
        let client = client(&vendor, &store);
        let state = store.directory().join("state");
        comparison.run(
            &format!("check, warm, {who}"),
            micros(5),
            each(|| client.check().unwrap()),
            Some(each(|| fs::metadata(&state).unwrap())),
        );
        let roots = vendor.roots();
        comparison.run(
            &format!("License::verify, {who} ({} × Ed25519)", signatures.len()),
            Aim::None,
            each(|| License::verify(license.as_bytes(), &roots).unwrap()),
            Some(each(|| signatures.iter().for_each(floor::Signed::verify))),
        );
    }
}

fn processes(comparison: &Comparison) {
    let folder = folder();
    let vendor = Vendor::with_certificate();
    vendor.activate(&store_in(folder.path()));
    let (program, root) = (env::current_exe().unwrap(), vendor.root.to_string());
    let start = |what: &[&str]| {
        let mut child = Command::new(&program);
        child.arg("--child").args(what);
        assert!(child.status().unwrap().success());
    };
    let folder = folder.path().to_str().unwrap();
    let files = floor::identities();
    let files = files.iter().map(|file| file.to_str().unwrap());
    let least: Vec<&str> = ["least", folder, &root].into_iter().chain(files).collect();
    comparison.run(
        "process that checks, beside an empty one",
        Aim::Ratio(1.3),
        each(|| start(&["check", folder, &root])),
        Some(each(|| start(&["empty"]))),
    );
    comparison.run(
        "process that checks, beside one that does the floor",
        Aim::None,
        each(|| start(&["check", folder, &root])),
        Some(each(|| start(&least))),
    );
}

fn features(comparison: &Comparison) {
    for count in [10, 1000] {
        let vendor = Vendor::with_certificate().with_features(count);
        let store = Store::in_memory();
        vendor.activate(&store);
        let status = client(&vendor, &store).check().unwrap();
        // Each name in turn, but not in the order in which they are stored: 617 has no divisor in common with `count`.
        let names: Vec<String> = (0..count).map(|i| feature_name(i * 617 % count)).collect();
        let map: HashMap<&str, ()> = names.iter().map(|name| (name.as_str(), ())).collect();
        for (what, suffix) in [("hit", ""), ("miss", "x")] {
            let asked: Vec<String> = names.iter().map(|name| name.clone() + suffix).collect();
            assert!(asked.iter().all(|name| status.has_feature(name) == (what == "hit")));
            let (mut next, mut next_in_map) = (asked.iter().cycle(), asked.iter().cycle());
            comparison.run(
                &format!("has_feature, {what} of {count}"),
                Aim::Under(Duration::from_nanos(50)),
                each(|| status.has_feature(next.next().unwrap())),
                Some(each(|| map.contains_key(next_in_map.next().unwrap().as_str()))),
            );
        }
    }
}

fn from_c(comparison: &Comparison) {
    let vendor = Vendor::with_certificate().with_features(10);
    let folder = folder();
    let store = store_in(folder.path());
    vendor.activate(&store);
    let (client, c_client) = (client(&vendor, &store), CClient::open(folder.path(), &vendor.root));
    comparison.run(
        "C: nodelock_client_check and free, beside check",
        Aim::Ratio(1.05),
        each(|| c_client.check()),
        Some(each(|| client.check().unwrap())),
    );
    let (license, status) = (c_client.license(), client.check().unwrap());
    let name = feature_name(7);
    let c_name = CString::new(&*name).unwrap();
    assert!(c_client.has_feature(license, &c_name) && status.has_feature(&name));
    comparison.run(
        "C: nodelock_license_has_feature, hit of 10",
        Aim::Under(Duration::from_nanos(50)),
        each(|| c_client.has_feature(license, &c_name)),
        Some(each(|| status.has_feature(&name))),
    );
}

fn probes(comparison: &Comparison) {
    let key = TagKey::new("example.com", "editor");
    let files = floor::identities();
    comparison.run(
        &format!("fingerprint, this machine ({} components)", Probe::this_machine().components().count()),
        micros(100),
        each(|| Probe::this_machine().fingerprint(&key)),
        Some(each(|| floor::read(&files))),
    );
    #[cfg(target_os = "linux")]
    {
        let folder = folder();
        let files = machine::lay_out(folder.path());
        let components = Probe::from_root(folder.path()).components().count();
        comparison.run(
            &format!("fingerprint, recorded workstation ({components} components)"),
            micros(100),
            each(|| Probe::from_root(folder.path()).fingerprint(&key)),
            Some(each(|| floor::read(&files))),
        );
    }
}

fn activation(comparison: &Comparison) {
    let vendor = Vendor::with_certificate();
    let begin = |client: Client| client.begin(nodelock::ActivationRequestOptions::new()).unwrap();
    let pending = begin(client(&vendor, &Store::in_memory()));
    let secret = ReleaseSecret::from_random([7; 8]);
    comparison.run(
        "commitment to a release secret",
        Aim::None,
        each(|| pending.request().commits_to(&secret)),
        Some(each(floor::pbkdf2)),
    );
    comparison.run(
        "begin, with a new device key, in memory",
        Aim::None,
        each_after(|| client(&vendor, &Store::in_memory()), begin),
        Some(each(floor::pbkdf2)),
    );
}

fn deactivation(comparison: &Comparison) {
    let vendor = Vendor::with_certificate();
    let folder = folder();
    let on_disk = store_in(folder.path());
    vendor.activate(&on_disk);
    let active = on_disk.read().unwrap().body.clone().unwrap();
    let client_on_disk = client(&vendor, &on_disk);
    let restore_disk = || {
        restore(&on_disk, &active);
        for tombstone in fs::read_dir(on_disk.tombstone_directory().unwrap()).into_iter().flatten() {
            fs::remove_file(tombstone.unwrap().path()).unwrap();
        }
        File::open(on_disk.directory()).unwrap().sync_all().unwrap();
    };
    comparison.run(
        "deactivation, on disk",
        Aim::None,
        each_after(restore_disk, |()| client_on_disk.deactivate_offline(Reason::Moved).unwrap()),
        Some(each(|| floor::replace(folder.path(), &active))),
    );

    let in_memory = Store::in_memory();
    let device_key = vendor.activate(&in_memory).device_key;
    let active = in_memory.read().unwrap().body.clone().unwrap();
    let client = client(&vendor, &in_memory);
    let deactivation = client.deactivate_offline(Reason::Moved).unwrap();
    let signed = floor::Signed::as_message(Kind::DeactivationProof, deactivation.proof());
    comparison.run(
        "proof: made (deactivation in memory)",
        Aim::None,
        each_after(|| restore(&in_memory, &active), |()| client.deactivate_offline(Reason::Moved).unwrap()),
        Some(each(|| signed.sign())),
    );
    comparison.run(
        "proof: redeemed (read, verified)",
        Aim::Rate(0.9),
        each(|| DeactivationProof::verify(deactivation.proof(), &device_key).unwrap()),
        Some(each(|| signed.verify())),
    );
    codes(comparison, deactivation.code());
}

/// Puts back what the store held before a deactivation.
fn restore(store: &Store, active: &[u8]) {
    store.write().unwrap().commit(active).unwrap();
}

fn codes(comparison: &Comparison, code: &DeactivationCode) {
    let written = code.to_string();
    comparison.run("phone code: written", Aim::None, each(|| code.to_string()), NO_FLOOR);
    let mut misheard = written.clone();
    for at in [3, 14, 25] {
        let wrong = if written[at..].starts_with('7') { "8" } else { "7" };
        misheard.replace_range(at..=at, wrong);
    }
    let left_out = written[..8].to_owned() + &written[9..];
    for (what, typed) in [("right", written), ("3 symbols wrong", misheard), ("a symbol left out", left_out)]
    {
        let candidates = DeactivationCode::read(&typed).unwrap();
        assert!(candidates.iter().any(|reading| reading.code == *code));
        let operation = format!("phone code: read, {what}");
        comparison.run(&operation, Aim::None, each(|| DeactivationCode::read(&typed).unwrap()), NO_FLOOR);
    }
}

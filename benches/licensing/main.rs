//! What licensing costs an application, each operation beside its floor: `cargo bench --bench licensing`.
//!
//! The floor is the least that the operation must do, done by ring and the operating system alone (`floor.rs`); both
//! are measured in turns, so that the ratio holds on a machine that is busy with other things (`compare.rs`). All
//! files are on the disk that the target directory is on, in the page cache: "cold" is a client that is new, not a
//! machine that was just started.
//!
//! Processes are this very program, started again with `--child`. So the empty one links all that the checking one
//! links, and criterion besides; what both pay for that is not in the ratio. A program of `fn main() {}` alone starts
//! some tens of µs earlier.

mod compare;
mod floor;
#[cfg(target_os = "linux")]
mod machine;
mod vendor;

use std::{
    collections::HashMap,
    env,
    fs::{self, File},
    hint::black_box,
    path::Path,
    process::{Command, exit},
    time::Duration,
};

use nodelock::{
    Client, Kind, License, Reason, Roots, Status, Store,
    authority::ReleaseClaim,
    code::{DeactivationCode, ReleaseSecret},
    fingerprint::{Probe, TagKey},
};

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
        _ => compare_all(),
    }
}

fn compare_all() {
    let mut comparison = Comparison::from_args();
    checks(&mut comparison);
    processes(&mut comparison);
    features(&mut comparison);
    probes(&mut comparison);
    activation(&mut comparison);
    deactivation(&mut comparison);
    comparison.finish();
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

fn checks(comparison: &mut Comparison) {
    for (who, vendor) in [("certificate", Vendor::with_certificate()), ("root", Vendor::root_alone())] {
        let folder = folder();
        let store = store_in(folder.path());
        let license = vendor.activate(&store);
        let signatures = floor::Signed::as_in(&license);
        let files = ["state", "device.key"].map(|name| store.directory().join(name));
        comparison.run(
            &format!("check, cold, {who} ({} signatures)", signatures.len()),
            Aim::Ratio(1.2),
            each(|| assert!(cold_check(vendor.roots(), folder.path()).is_usable())),
            Some(each(|| {
                files.iter().for_each(|file| drop(black_box(fs::read(file).unwrap())));
                signatures.iter().for_each(floor::Signed::verify);
                Probe::this_machine()
            })),
        );
        let client = client(&vendor, &store);
        comparison.run(
            &format!("check, warm, {who}"),
            micros(5),
            each(|| client.check().unwrap()),
            Some(each(|| fs::metadata(&files[0]).unwrap())),
        );
        let roots = vendor.roots();
        comparison.run(
            &format!("License::verify, {who} ({} signatures)", signatures.len()),
            Aim::None,
            each(|| License::verify(license.as_bytes(), &roots).unwrap()),
            Some(each(|| signatures.iter().for_each(floor::Signed::verify))),
        );
    }
}

fn processes(comparison: &mut Comparison) {
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
    comparison.run(
        "process that starts, checks and exits",
        Aim::Ratio(1.3),
        each(|| start(&["check", folder, &root])),
        Some(each(|| start(&["empty"]))),
    );
}

fn features(comparison: &mut Comparison) {
    for count in [10, 1000] {
        let vendor = Vendor::with_certificate().with_features(count);
        let store = Store::in_memory();
        vendor.activate(&store);
        let status = client(&vendor, &store).check().unwrap();
        let names: Vec<String> = (0..count).map(feature_name).collect();
        let map: HashMap<&str, ()> = names.iter().map(|name| (name.as_str(), ())).collect();
        // Every name in turn, in an order that no cache or branch predictor knows by heart.
        let mixed = |number: &mut usize| {
            *number = (*number * 7 + 3) % count;
            *number
        };
        for (what, suffix) in [("hit", ""), ("miss", "x")] {
            let asked: Vec<String> = names.iter().map(|name| name.clone() + suffix).collect();
            let (mut a, mut b) = (0, 0);
            comparison.run(
                &format!("has_feature, {what} of {count}"),
                Aim::Under(Duration::from_nanos(50)),
                each(|| status.has_feature(&asked[mixed(&mut a)])),
                Some(each(|| map.contains_key(asked[mixed(&mut b)].as_str()))),
            );
        }
    }
}

fn probes(comparison: &mut Comparison) {
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

fn activation(comparison: &mut Comparison) {
    let vendor = Vendor::with_certificate();
    let begin = |client: Client| client.begin("", &[]).unwrap();
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

fn deactivation(comparison: &mut Comparison) {
    let vendor = Vendor::with_certificate();
    let folder = folder();
    let on_disk = store_in(folder.path());
    vendor.activate(&on_disk);
    let active = on_disk.read().unwrap().body.unwrap();
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
    let active = in_memory.read().unwrap().body.unwrap();
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
        each(|| ReleaseClaim::read(deactivation.proof()).unwrap().verify(&device_key).unwrap()),
        Some(each(|| signed.verify())),
    );
    codes(comparison, deactivation.code());
}

/// Puts back what the store held before a deactivation.
fn restore(store: &Store, active: &[u8]) {
    store.write().unwrap().commit(active).unwrap();
}

fn codes(comparison: &mut Comparison, code: &DeactivationCode) {
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

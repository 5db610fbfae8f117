//! Whole profiles restored from a copy, store and tombstones together: nothing on the machine can tell, and the
//! authority finds out when they check in (docs/THREATS.md, Test 14).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::support::{
    calls::http,
    server::{Authority, PRODUCT},
    vendor::machine,
};
use nodelock::{Client, ErrorKind, Reason, Roots, Store, Verdict};

/// A user's profile on a machine, which can be copied.
struct Profile {
    authority: Arc<Authority>,
    folder: PathBuf,
}

impl Profile {
    fn new(authority: &Arc<Authority>, name: &str) -> Self {
        Self { authority: authority.clone(), folder: authority.folder.path().join(name) }
    }

    /// The application, on hardware that is the same for all of them.
    fn client(&self) -> Client {
        let store = Store::in_directory(self.folder.join("store"), Some(self.folder.join("tombstones")));
        Client::builder(PRODUCT, Roots::new([self.authority.root.parse().unwrap()]))
            .store(store)
            .probe(|| machine("machine"))
            .authority(nodelock::Authority::new(format!("http://{}", self.authority.address), http()))
            .build()
            .unwrap()
    }

    /// Another profile with all that is in this one.
    fn copy(&self, name: &str) -> Self {
        let copy = Self::new(&self.authority, name);
        copy_folder(&self.folder, &copy.folder);
        copy
    }

    /// This profile as that copy of it was.
    fn restore(&self, copy: &Self) {
        fs::remove_dir_all(&self.folder).unwrap();
        copy_folder(&copy.folder, &self.folder);
    }
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The seats about which the audit says that.
pub fn audited(authority: &Authority, action: &str) -> Vec<String> {
    let audit = authority.vendor(&["audit", "list"]);
    let lines = audit["audit"].as_array().unwrap().iter().filter(|line| line["action"] == action);
    lines.map(|line| line["handle"].as_str().unwrap().to_owned()).collect()
}

fn copies(authority: &Authority, handle: &str) -> u64 {
    let seats = authority.seats();
    seats.iter().find(|seat| seat["handle"] == handle).unwrap()["copies"].as_u64().unwrap()
}

fn handle(client: &Client) -> String {
    client.check().unwrap().license().unwrap().handle.to_string()
}

fn is_revoked(client: &Client) -> bool {
    matches!(client.check_in().unwrap().verdict(), Verdict::Revoked { .. })
}

#[test]
fn a_copy_from_before_the_deactivation_ends_and_leaves_the_new_activation_alone() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--reinstalls", "0"]);
    let profile = Profile::new(&authority, "profile");
    let original = profile.client();
    original.activate(&key).unwrap();
    let first = handle(&original);
    let (backup, another) = (profile.copy("backup"), profile.copy("another backup"));
    original.deactivate(Reason::Moved).unwrap();
    original.activate(&key).unwrap();
    let second = handle(&original);
    // The network delivers what was said before once more: that is not another store.
    original.check_in().unwrap();
    assert!(audited(&authority, "copy-suspected").is_empty());

    let copy = backup.client();
    assert!(copy.check().unwrap().is_usable(), "nothing on the machine can tell");
    assert!(is_revoked(&copy));
    assert!(!backup.client().check().unwrap().is_usable(), "nor after a restart");
    assert_eq!(audited(&authority, "copy-suspected"), [first.as_str()]);
    assert!(copy.activate(&key).is_err(), "the seat is taken");

    assert!(original.check_in().unwrap().is_usable());
    assert_eq!(handle(&original), second);
    assert_eq!(authority.taken(), [second.as_str()]);

    // Restored in the original's place, it has forgotten the second seat. The device's key can still get that back.
    profile.restore(&another);
    let restored = profile.client();
    assert!(is_revoked(&restored));
    assert_eq!(restored.activate(&key).unwrap_err().kind(), ErrorKind::NoFreeSeat);
    restored.cancel().unwrap();
    assert!(restored.recover().unwrap().is_usable());
    assert_eq!(authority.taken(), [handle(&restored)]);
    restored.deactivate(Reason::Moved).unwrap();
    assert!(authority.taken().is_empty());
}

#[test]
fn of_a_copy_and_the_original_that_both_check_in_the_vendor_hears() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--reinstalls", "0"]);
    let profile = Profile::new(&authority, "profile");
    let original = profile.client();
    original.activate(&key).unwrap();
    original.check_in().unwrap();
    let seat = handle(&original);
    let copy = profile.copy("copy").client();
    let mut check_ins = 0;
    while copies(&authority, &seat) == 0 {
        for client in [&copy, &original] {
            assert!(client.check_in().unwrap().is_usable(), "that is for the vendor to decide");
            check_ins += 1;
        }
        assert!(check_ins <= 4, "found in the second round at the latest");
    }
    assert!(audited(&authority, "copy-suspected").contains(&seat));

    authority.vendor(&["release", &seat, "--reason", "used twice", "--yes"]);
    for client in [&copy, &original] {
        assert!(is_revoked(client));
    }
    assert!(authority.taken().is_empty());
}

#[test]
fn a_profile_restored_to_before_its_latest_check_ins_is_noticed_at_once() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--reinstalls", "0"]);
    let profile = Profile::new(&authority, "profile");
    let original = profile.client();
    original.activate(&key).unwrap();
    let seat = handle(&original);
    let backup = profile.copy("backup");
    for _ in 0..2 {
        original.check_in().unwrap();
    }
    profile.restore(&backup);
    assert!(profile.client().check_in().unwrap().is_usable(), "a restored backup is no offence");
    assert_eq!(copies(&authority, &seat), 1);
    assert_eq!(audited(&authority, "copy-suspected"), [seat.as_str()]);
    profile.client().deactivate(Reason::Moved).unwrap();
    assert!(authority.taken().is_empty());
}

#[test]
fn what_one_copy_gives_up_ends_the_other_at_its_check_in() {
    let authority = Authority::new();
    let key = authority.sell("1", &["--reinstalls", "0"]);
    let profile = Profile::new(&authority, "profile");
    let original = profile.client();
    original.activate(&key).unwrap();
    let copy = profile.copy("copy").client();
    let given_up = copy.deactivate_offline(Reason::Moved).unwrap();
    copy.online().hand_in().unwrap();
    assert!(authority.taken().is_empty());
    assert!(is_revoked(&original));
    assert_eq!(audited(&authority, "returned"), [given_up.handle().to_string()]);
}

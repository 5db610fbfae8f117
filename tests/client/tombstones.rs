//! Tombstones are left where a word in the environment does not move them all, and one that cannot be left is said.

use std::fs;

use nodelock::{Reason, Store, Verdict};

use crate::support::vendor::{Device, Vendor};

#[test]
fn a_tombstone_that_cannot_be_left_is_a_warning_on_the_result() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    for (in_the_way, warned) in [(false, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tombstones");
        if in_the_way {
            fs::write(&place, "a file").unwrap();
        }
        let store = Store::in_directory(folder.path().join("store"), Some(place.clone()));
        let device = Device::with_store(&vendor, "machine", store);
        device.activate(&mut vendor);
        let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
        assert_eq!(given_up.tombstone_error().is_some(), warned);
        assert_eq!(device.verdict(), Verdict::Deactivated, "the seat is given up all the same");
        if in_the_way {
            fs::remove_file(&place).unwrap();
            device.client().outstanding().unwrap();
            assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "a later change tries again");
        }
        vendor.redeem(given_up.proof()).unwrap();
    }
}

/// Where the password database names a home, and variables say where data and state are.
#[cfg(target_os = "linux")]
mod environment {
    use std::{
        env,
        path::PathBuf,
        process::{self, Command},
    };

    use nodelock::{Client, ErrorKind, PublicKey, Roots};

    use super::*;
    use crate::support::vendor::{START, TestClock, builder};

    /// The store of a user, and a copy of it from before its deactivation.
    struct UserStore {
        folder: tempfile::TempDir,
        product: String,
        root: PublicKey,
    }

    impl UserStore {
        /// With an active license.
        fn new(name: &str) -> Self {
            let mut vendor = Vendor::new();
            let folder = tempfile::tempdir().unwrap();
            let product = format!("nodelock-test-{name}-{}", process::id());
            let user = Self { folder, product, root: vendor.root };
            let store = Store::in_directory(user.store(), None);
            Device::with_store(&vendor, "machine", store).activate(&mut vendor);
            for file in ["state", "device.key"] {
                fs::copy(user.store().join(file), user.folder.path().join(file)).unwrap();
            }
            user
        }

        fn store(&self) -> PathBuf {
            self.folder.path().join("data/nodelock").join(&self.product)
        }

        fn copy_back(&self) {
            for file in ["state", "device.key"] {
                fs::copy(self.folder.path().join(file), self.store().join(file)).unwrap();
            }
        }

        /// One process of the user: `home` is where its variables say that it is at home, nothing for no word about it.
        fn run(&self, task: &str, home: Option<&str>) {
            let mut child = Command::new(env::current_exe().unwrap());
            child
                .args(["--exact", "tombstones::environment::what_the_child_does", "--nocapture"])
                .env_remove("HOME")
                .env_remove("XDG_STATE_HOME")
                .env("XDG_DATA_HOME", self.folder.path().join("data"))
                .env("NODELOCK_TEST_TASK", task)
                .env("NODELOCK_TEST_PRODUCT", &self.product)
                .env("NODELOCK_TEST_ROOT", self.root.to_string());
            if let Some(home) = home.map(|home| self.folder.path().join(home)) {
                child.env("HOME", &home).env("XDG_STATE_HOME", home.join("state"));
            }
            assert!(child.status().unwrap().success(), "{task}");
        }
    }

    /// Where tombstones are without a word in the environment. Taken away again when a test is over.
    struct Usual(PathBuf);

    impl Usual {
        fn new(store: &Store) -> Self {
            Self(store.tombstone_directory().unwrap().to_owned())
        }
    }

    impl Drop for Usual {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_the_child_does() {
        let Ok(task) = env::var("NODELOCK_TEST_TASK") else { return };
        let variable = |name| env::var(name).unwrap();
        let store = Store::per_user(&variable("NODELOCK_TEST_PRODUCT")).unwrap();
        let roots = Roots::new([variable("NODELOCK_TEST_ROOT").parse().unwrap()]);
        let client: Client =
            builder(roots, "machine", store.clone(), TestClock::at(START + 86_400)).build().unwrap();
        let verdict = || client.check().unwrap().verdict().clone();
        match task.as_str() {
            "deactivate" => {
                assert!(client.deactivate_offline(Reason::Moved).unwrap().tombstone_error().is_none());
            }
            "find at once" => {
                let _usual = Usual::new(&store);
                assert_eq!(verdict(), Verdict::Deactivated);
            }
            "find at the next change" => {
                let license = client.check().unwrap().license().unwrap().clone();
                assert_eq!(verdict(), Verdict::Active);
                assert_eq!(client.accept(license.as_bytes()).unwrap_err().kind(), ErrorKind::GivenUp);
                assert!(client.observe().unwrap());
                assert_eq!(verdict(), Verdict::Deactivated);
            }
            "forget the usual place" => {
                let usual = Usual::new(&store);
                assert_eq!(fs::read_dir(&usual.0).unwrap().count(), 1);
            }
            task => panic!("{task}"),
        }
    }

    #[test]
    fn a_word_before_the_deactivation_does_not_hide_it() {
        let user = UserStore::new("moved-once");
        user.run("deactivate", Some("elsewhere"));
        user.copy_back();
        user.run("find at once", None);
    }

    #[test]
    fn a_word_before_every_call_hides_it_until_the_next_change() {
        let user = UserStore::new("moved-always");
        user.run("deactivate", Some("one"));
        user.copy_back();
        user.run("find at the next change", Some("two"));
        // Beside the store it is found too.
        user.run("forget the usual place", None);
        user.copy_back();
        user.run("find at the next change", Some("three"));
        user.run("forget the usual place", None);
    }
}

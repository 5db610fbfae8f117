//! Tombstones are left where a word in the environment does not move them all, and one that cannot be left is said.

use std::fs;

use nodelock::{Reason, Store, Verdict};

use crate::support::{
    skip::{ROOT, skipped},
    vendor::{Device, Vendor},
};

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
        path::{Path, PathBuf},
        process::{self, Command},
    };

    use nodelock::{Client, ErrorKind, PublicKey, Roots};

    use super::*;
    use crate::support::vendor::{START, TestClock, builder};

    /// Whose a store is.
    #[derive(Clone, Copy, PartialEq)]
    enum Whose {
        User,
        Machine,
    }

    /// The store of a user or of the whole machine, and a copy of it from before its deactivation.
    struct OneStore {
        folder: tempfile::TempDir,
        whose: Whose,
        product: String,
        root: PublicKey,
    }

    /// Where the stores of the whole machine are.
    const MACHINES: &str = "/var/lib";

    impl OneStore {
        fn new(name: &str) -> Self {
            Self::of(Whose::User, name)
        }

        /// The whole machine's; none, loudly, where this process may not write to it.
        fn machines(name: &str) -> Option<Self> {
            let tried = fs::create_dir_all(Path::new(MACHINES).join("nodelock"))
                .and_then(|()| tempfile::tempdir_in(Path::new(MACHINES).join("nodelock")).map(drop));
            match tried {
                Ok(()) => Some(Self::of(Whose::Machine, name)),
                Err(error) => {
                    skipped(ROOT, &format!("{MACHINES} cannot be written to: {error}"));
                    None
                }
            }
        }

        /// With an active license.
        fn of(whose: Whose, name: &str) -> Self {
            let mut vendor = Vendor::new();
            let folder = tempfile::tempdir().unwrap();
            let product = format!("nodelock-test-{name}-{}", process::id());
            let user = Self { folder, whose, product, root: vendor.root };
            let store = Store::in_directory(user.store(), None);
            Device::with_store(&vendor, "machine", store).activate(&mut vendor);
            for file in ["state", "device.key"] {
                fs::copy(user.store().join(file), user.folder.path().join(file)).unwrap();
            }
            user
        }

        /// What stores and tombstones are below.
        fn shared(&self) -> PathBuf {
            match self.whose {
                Whose::User => self.folder.path().join("data"),
                Whose::Machine => MACHINES.into(),
            }
        }

        fn store(&self) -> PathBuf {
            self.shared().join("nodelock").join(&self.product)
        }

        /// The place for tombstones that no home decides about.
        fn beside(&self) -> PathBuf {
            self.shared().join("nodelock-tombstones").join(&self.product)
        }

        /// The place for tombstones with a home that the variables name.
        fn at_home(&self, home: &str) -> PathBuf {
            self.folder.path().join(home).join("state/nodelock").join(&self.product)
        }

        /// The store is deleted, and a copy of it comes in its place.
        fn copy_back(&self) {
            fs::remove_dir_all(self.store()).unwrap();
            fs::create_dir(self.store()).unwrap();
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
                .env("NODELOCK_TEST_WHOSE", if self.whose == Whose::User { "user" } else { "machine" })
                .env("NODELOCK_TEST_PRODUCT", &self.product)
                .env("NODELOCK_TEST_ROOT", self.root.to_string());
            if let Some(home) = home.map(|home| self.folder.path().join(home)) {
                child.env("HOME", &home).env("XDG_STATE_HOME", home.join("state"));
            }
            assert!(child.status().unwrap().success(), "{task}");
        }
    }

    impl Drop for OneStore {
        fn drop(&mut self) {
            if self.whose == Whose::Machine {
                let _ = fs::remove_dir_all(self.store());
                let _ = fs::remove_dir_all(self.beside());
                self.run("clear the usual place", None);
            }
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
        let product = variable("NODELOCK_TEST_PRODUCT");
        let store = match variable("NODELOCK_TEST_WHOSE").as_str() {
            "user" => Store::per_user(&product).unwrap(),
            _ => Store::system_wide(&product).unwrap(),
        };
        let roots = Roots::new([variable("NODELOCK_TEST_ROOT").parse().unwrap()]);
        let client: Client =
            builder(roots, "machine", store.clone(), TestClock::at(START + 86_400)).build().unwrap();
        let verdict = || client.check().unwrap().verdict().clone();
        match task.as_str() {
            "deactivate" => {
                assert!(client.deactivate_offline(Reason::Moved).unwrap().tombstone_error().is_none());
            }
            "deactivate with a warning" => {
                assert!(client.deactivate_offline(Reason::Moved).unwrap().tombstone_error().is_some());
            }
            "find at once" => {
                let _usual = Usual::new(&store);
                assert_eq!(verdict(), Verdict::Deactivated);
            }
            "look and find" => assert_eq!(verdict(), Verdict::Deactivated),
            "find nothing" => {
                assert!(client.observe().unwrap());
                assert_eq!(verdict(), Verdict::Active);
            }
            "clear the usual place" => drop(Usual::new(&store)),
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
        let user = OneStore::new("moved-once");
        user.run("deactivate", Some("elsewhere"));
        user.copy_back();
        user.run("find at once", None);
    }

    #[test]
    fn a_word_before_every_call_hides_it_until_the_next_change() {
        let user = OneStore::new("moved-always");
        user.run("deactivate", Some("one"));
        user.copy_back();
        user.run("find at the next change", Some("two"));
        // Beside the store it is found too.
        user.run("forget the usual place", None);
        user.copy_back();
        user.run("find at the next change", Some("three"));
        user.run("forget the usual place", None);
    }

    /// Each user of the machine looks into a place of their own first. What is beside the store is for all of them.
    #[test]
    fn a_machines_store_that_is_copied_back_is_blocked_for_each_user_from_the_next_change_on() {
        let Some(machine) = OneStore::machines("shared") else { return };
        machine.run("deactivate", Some("one"));
        for place in [machine.at_home("one"), machine.beside()] {
            assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "{}", place.display());
        }
        machine.run("clear the usual place", None);
        machine.copy_back();
        machine.run("look and find", Some("one"));
        machine.run("find at the next change", Some("two"));
        // Also for whoever comes when the first user, and what they had, is gone.
        fs::remove_dir_all(machine.at_home("one")).unwrap();
        machine.copy_back();
        machine.run("look and find", Some("two"));
        machine.run("find at the next change", Some("three"));
    }

    #[test]
    fn a_machines_store_without_the_place_that_is_shared_is_blocked_for_who_gave_it_up() {
        let Some(machine) = OneStore::machines("one-place") else { return };
        machine.run("deactivate", Some("one"));
        machine.run("clear the usual place", None);
        // Without the place that all users share, it is blocked for the user who gave it up, and for no other.
        fs::remove_dir_all(machine.beside()).unwrap();
        machine.copy_back();
        machine.run("look and find", Some("one"));
        machine.run("find nothing", Some("two"));
    }

    #[test]
    fn a_machines_store_warns_of_the_place_where_a_check_looks_and_is_blocked_by_the_others() {
        let Some(machine) = OneStore::machines("in-the-way") else { return };
        let in_the_way = |place: &Path| {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "a file").unwrap();
        };
        in_the_way(&machine.at_home("one"));
        machine.run("deactivate with a warning", Some("one"));
        machine.run("clear the usual place", None);
        machine.copy_back();
        machine.run("find at the next change", Some("two"));
        machine.copy_back();
        // Nothing but the place of its own check, and that says nothing of the others.
        fs::remove_dir_all(machine.beside()).unwrap();
        in_the_way(&machine.beside());
        machine.run("deactivate", Some("three"));
        machine.copy_back();
        machine.run("look and find", Some("three"));
        fs::remove_file(machine.beside()).unwrap();
    }
}

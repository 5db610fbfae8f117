//! The ledger is copied and put back behind the authority's back. Only a file is: PostgreSQL's is in
//! `tests/commands/restored.rs`.

use std::fs;

use serde_json::Value;

use super::World;
use crate::{
    over_time::{
        promise::{Kept, Restore},
        script::{Granted, Restored, Sold},
    },
    support::{calls::http, ledger::Ledger, server::Engine},
};

/// How long a ledger may be silent without a sign that something is missing.
const SILENCE: u64 = 120;

/// What was true when the copy was made.
#[derive(Clone)]
pub(super) struct Copy {
    key: String,
    made: u64,
}

impl World<'_> {
    /// The first copy has the license and no seat, also without its log.
    pub(super) fn begin_copies(&mut self) {
        if matches!(self.authority.engine(), Engine::Sqlite) {
            self.ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)");
            self.make_copy();
        }
    }

    pub(super) fn copy(&mut self) -> bool {
        let is_file = self.copy.is_some();
        if is_file {
            self.make_copy();
        }
        is_file
    }

    fn make_copy(&mut self) {
        let directory = self.authority.directory();
        self.authority.kill();
        self.authority.engine().keep_copy(&directory);
        fs::copy(directory.join("keys/page"), directory.join("page.copy")).unwrap();
        // A new log begins, so that the next copy without it is what this one is, or a little later.
        self.ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        self.restart();
        self.copy = Some(Copy { key: self.key.clone(), made: self.now });
    }

    pub(super) fn restore(&mut self, at: usize, restored: Restored) -> Kept<bool> {
        let Some(copy) = self.copy.clone() else { return Ok(false) };
        let (engine, directory) = (self.authority.engine(), self.authority.directory());
        let other = (restored == Restored::OneOfTwo).then(|| self.authority.serve(&[]));
        // What was noted since is counted before it is lost.
        let since = format!("SELECT action FROM audit WHERE at > {}", copy.made);
        for noted in self.ledger.texts(&since).into_iter().flatten() {
            self.count(format!("noted: {noted}"));
        }
        self.authority.kill();
        *self.ledger = Ledger::nowhere();
        match restored {
            Restored::WithoutLog => engine.put_back_without_log(&directory),
            _ => engine.put_back_copy(&directory),
        }
        match restored {
            Restored::WithKeys => {
                fs::copy(directory.join("page.copy"), directory.join("keys/page")).unwrap();
            }
            Restored::WithoutPage => fs::remove_file(directory.join("keys/page")).unwrap(),
            _ => {}
        }
        let copied = match restored {
            // What was in the log may be anything since the copy before.
            Restored::WithoutLog => {
                let record = Ledger::open(self.authority).texts("SELECT record FROM history").pop();
                let history: Value = serde_json::from_str(&record.flatten().unwrap()).unwrap();
                history["noted"].as_u64().unwrap()
            }
            _ => copy.made,
        };
        self.restart();
        let beside = other.and_then(|other| self.check_in_at(at, &other.url("http", "127.0.0.1")));
        *self.ledger = Ledger::open(self.authority);
        self.key = match restored {
            Restored::WithoutLog => {
                let rekeyed = self.authority.vendor(&["license", "rekey", &self.license]);
                rekeyed["key"].as_str().unwrap().to_owned()
            }
            _ => copy.key,
        };
        let shows = match restored {
            Restored::WithLog | Restored::WithoutLog | Restored::OneOfTwo => true,
            Restored::WithKeys => false,
            Restored::WithoutPage => self.now > copied + SILENCE,
        };
        self.is_restored = true;
        // It has forgotten what it was told, and would do it once more.
        self.administrator.forget(self.now);
        self.version = None;
        let (sold, seen) = (self.sold(), self.seen());
        self.flagged = seen.flagged;
        self.promise.restored(self.now, Restore { at: self.now, copied, sold, shows, beside }, seen)?;
        Ok(true)
    }

    /// An installation is answered by the server that goes on with the ledger that is lost. Returns its seat.
    fn check_in_at(&mut self, at: usize, url: &str) -> Option<u32> {
        let installed = &self.installations[at];
        let builder = self.builder_in(&installed.folder, installed.computer, installed.clock.clone(), false);
        let client = builder.authority(nodelock::Authority::new(url.to_owned(), http())).build().unwrap();
        let checked_in = client.check_in().ok()?;
        self.note(at);
        self.usable(at, &checked_in).map(|usable| usable.handle)
    }

    /// What the ledger says was sold.
    pub(super) fn sold(&mut self) -> Sold {
        let of = format!("SELECT terms FROM license WHERE id = '{}'", self.license);
        let terms: Value = serde_json::from_str(&self.ledger.texts(&of).pop().flatten().unwrap()).unwrap();
        let number = |name: &str| terms[name].as_u64().map(|number| u32::try_from(number).unwrap());
        let of = of.replace("terms", "allowances");
        let allowances = self.ledger.texts(&of).pop().flatten();
        let allowances: Value = allowances.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let granted = |what: &str| {
            let number =
                |how: &str| allowances[format!("{how}_{what}")].as_u64().unwrap_or_default() as usize;
            Granted { forgiven: number("forgiven"), extra: number("extra") }
        };
        Sold {
            seats: number("seats").unwrap() as usize,
            lease_days: number("lease_days").unwrap(),
            margin_days: number("margin_days"),
            activations: number("activations"),
            deactivations: number("deactivations"),
            granted: [granted("activations"), granted("deactivations")],
            is_suspended: terms["suspended"].as_bool().unwrap(),
            end: terms["expires"].as_u64(),
            ..self.promise.sold()
        }
    }
}

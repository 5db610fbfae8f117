//! What the vendor does.

use nodelock::code::Handle;
use serde_json::Value;

use super::World;
use crate::over_time::{
    promise::{Kept, State},
    script::Sold,
};

impl World<'_> {
    /// The seat that an installation has in the ledger, if it is in that state.
    fn seat_of(&mut self, at: usize, state: State) -> Option<u32> {
        let status = self.client(at).check().unwrap();
        let handles = [status.license().map(|license| license.handle), status.pending()];
        let handles: Vec<u32> = handles.into_iter().flatten().map(|handle| handle.get()).collect();
        let rows = self.rows();
        let row = rows.iter().find(|row| row.state == state && handles.contains(&row.handle));
        row.map(|row| row.handle)
    }

    pub(super) fn release(&mut self, at: usize) -> bool {
        let Some(handle) = self.seat_of(at, State::Active) else { return false };
        self.promise.released(handle);
        self.authority.vendor(&[
            "release",
            &name(handle),
            "--reason",
            "the computer is said to be dead",
            "--yes",
        ]);
        true
    }

    /// The vendor renews a seat, and the license is carried to its device, or never gets there.
    pub(super) fn renew(&mut self, at: usize) -> Kept<bool> {
        let Some(handle) = self.seat_of(at, State::Active) else { return Ok(false) };
        let output = self.authority.command(&["renew", &name(handle)]).arg("--json").output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        self.tell(&said["error"]);
        match said["error"].as_str() {
            Some("no-free-seat") => {
                let seen = self.seen();
                self.promise.refused(self.now, &seen)?;
            }
            Some(_) => {}
            None => {
                let revision = said["revision"].as_u64().unwrap() as u32;
                self.renewed.insert((handle, revision));
                if self.dice.below(4) > 0 {
                    let installed = self.client(at).accept(said["license"].as_str().unwrap().as_bytes());
                    self.note(at);
                    self.came(installed)?;
                }
            }
        }
        Ok(true)
    }

    pub(super) fn return_held(&mut self) -> bool {
        let held = self.rows().into_iter().find(|row| row.state == State::Held);
        let Some(handle) = held.map(|row| row.handle) else { return false };
        self.promise.released(handle);
        self.authority.vendor(&["return", &name(handle)]);
        true
    }

    pub(super) fn edit(&mut self, sold: Sold) -> bool {
        self.promise.edited(sold, self.now);
        let margin = sold.margin_days.map_or("none".to_owned(), |days| days.to_string());
        let (seats, lease) = (sold.seats.to_string(), sold.lease_days.to_string());
        let terms = ["--seats", &seats, "--lease-days", &lease, "--margin-days", &margin];
        self.authority.vendor(&[&["license", "edit", &self.license], &terms[..]].concat());
        true
    }
}

/// A seat's name for people.
fn name(handle: u32) -> String {
    Handle::new(handle).unwrap().to_string()
}

//! What happens to customers.

use std::fs;

use nodelock::{DeactivateError, ErrorKind, Reason, Verdict, code::Handle};

use super::{MOST_INSTALLED, World};
use crate::over_time::{
    promise::{Kept, must},
    script::{Act, COMPUTERS, DAY, Event, HOUR, Sold, TURNED_UP_LATE},
};

impl World<'_> {
    pub(super) fn act(&mut self, at: usize, act: Act) -> Kept {
        let done = match act.event {
            Event::Use => self.use_it(at)?,
            Event::GiveUp => self.give_up(at)?,
            Event::GiveUpOffline => {
                let given_up = self.client(at).deactivate_offline(Reason::Retired);
                self.came(given_up)?.is_some()
            }
            Event::Cancel => self.cancel(at)?,
            Event::HandIn => self.hand_in(at)?,
            Event::NameASeat => self.name_a_seat(at)?,
            Event::ReissuedKey => self.reissued_key(at)?,
            Event::AnotherLicense => self.another_license(at)?,
            Event::LoseStore => self.lose_store(at),
            Event::Recover => self.is_damaged(at) && self.recover(at)?,
            Event::Format => self.format(at)?,
            Event::SecondSystem => self.second_system(at)?,
            Event::CopyElsewhere => self.copy_elsewhere(at)?,
            Event::FallSilent => {
                self.installations[at].is_silent = true;
                true
            }
            Event::TurnUp => self.turn_up(act.installation)?,
            Event::SetClock => self.set_clock(at),
            Event::Release => self.release(at)?,
            Event::Renew => self.renew(at)?,
            Event::ReturnHeld => self.return_held()?,
            Event::Unrelease => self.unrelease()?,
            Event::Deactivate => self.deactivate()?,
            Event::EditSeats(seats) => self.edit(Sold { seats, ..self.promise.sold() })?,
            Event::EditLease(lease_days) => self.edit(Sold { lease_days, ..self.promise.sold() })?,
            Event::EditMargin(days) => self.edit(Sold { margin_days: Some(days), ..self.promise.sold() })?,
            Event::EditActivations(activations) => self.edit(Sold { activations, ..self.promise.sold() })?,
            Event::EditDeactivations(deactivations) => {
                self.edit(Sold { deactivations, ..self.promise.sold() })?
            }
            Event::EditEnd(days) => {
                let end = days.map(|days| self.now + u64::from(days) * DAY);
                self.edit(Sold { end, ..self.promise.sold() })?
            }
            Event::Extend(days) => self.extend(days)?,
            Event::Suspend | Event::Resume => self.suspend(act.event == Event::Suspend)?,
            Event::Reset(of) => self.allow(of, None)?,
            Event::Extra(of, more) => self.allow(of, Some(more))?,
            Event::Rekey => {
                self.rekey()?;
                true
            }
            Event::Restart => {
                self.authority.kill();
                self.restart();
                // Whatever a server does when it starts.
                let seen = self.seen();
                self.promise.passed(self.now, &[], &seen)?;
                true
            }
            Event::Copy => self.copy(),
            Event::Restore(restored) => self.restore(at, restored)?,
            // A lie takes the authority's key. Customers' releases are tried over the decisions alone.
            Event::Lie | Event::ReleaseByCustomer => false,
        };
        if done {
            self.count(act.event.name());
        }
        Ok(())
    }

    /// What its user does most of the time.
    fn use_it(&mut self, at: usize) -> Kept<bool> {
        match self.client(at).check().unwrap() {
            status if matches!(status.verdict(), Verdict::Damaged { .. }) => self.recover(at),
            status if status.license().is_some() => self.check_in(at),
            _ => self.activate(at),
        }
    }

    /// Notes what a store has asked for, and what it was answered.
    pub(super) fn note(&mut self, at: usize) {
        let key = self.installations[at].key.clone();
        self.note_of(at, &key);
    }

    /// The same where a request has that license key.
    fn note_of(&mut self, at: usize, key: &str) {
        let installed = &self.installations[at];
        let client = self.client(at);
        let status = client.check().unwrap();
        let asked = self.now.saturating_add_signed(installed.ahead);
        let mut handles: Vec<u32> = status.pending().iter().map(|handle| handle.get()).collect();
        if !matches!(status.verdict(), Verdict::Damaged { .. }) {
            handles.extend(client.outstanding().unwrap().iter().map(|given_up| given_up.handle().get()));
        }
        handles.extend(status.license().map(|license| license.handle.get()));
        for handle in handles {
            self.promise.asked(handle, installed.computer, asked, key);
        }
        if let Some(license) = status.license()
            && !self.renewed.contains(&(license.handle.get(), license.revision))
        {
            self.promise.heard(license.handle.get(), license.issued.unix_seconds());
        }
    }

    /// A new request that is noted before it is sent, unless one is there.
    pub(super) fn begin(&mut self, at: usize, key: &str, replaces: bool) {
        let begun = self.client_that(at, replaces).begin(key).map(|pending| pending.request().handle);
        if begun.is_ok() {
            self.installations[at].key = key.to_owned();
        }
        self.tell(begun.map_err(|error| error.to_string()));
        self.note(at);
    }

    fn activate(&mut self, at: usize) -> Kept<bool> {
        let key = self.key.clone();
        if self.client(at).check().unwrap().pending().is_none() {
            self.begin(at, &key, false);
        }
        self.send(at)
    }

    /// Sends the pending request, also under a key that is not the license's any more. One that is refused for good is
    /// cancelled.
    fn send(&mut self, at: usize) -> Kept<bool> {
        let cancel = self.network.cancel();
        let key = self.installations[at].key.clone();
        let sent = self.client_that(at, true).online().cancel_with(&cancel).activate(&key);
        self.note(at);
        self.came(sent)?;
        Ok(true)
    }

    fn check_in(&mut self, at: usize) -> Kept<bool> {
        let client = self.client(at);
        let status = client.check().unwrap();
        let before = self.usable(at, &status).map(|usable| usable.handle);
        let cancel = self.network.cancel();
        let checked_in = client.online().cancel_with(&cancel).check_in();
        self.note(at);
        let is_refused = checked_in.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoFreeSeat);
        let is_revoked =
            checked_in.as_ref().is_ok_and(|status| matches!(status.verdict(), Verdict::Revoked { .. }));
        if let Some(license) = status.license().filter(|_| is_revoked) {
            self.promise.told(license.handle.get());
        }
        // A refusal may have been another device's, where the network confuses them. A revocation is signed.
        self.lost = before.filter(|_| is_revoked || (is_refused && !self.network.is_bad()));
        if let Ok(status) = &checked_in
            && !self.network.is_bad()
            && let Some(renewed) = self.usable(at, status)
        {
            let seen = self.seen();
            self.promise.renewed(self.now, renewed.handle, &seen)?;
        }
        self.came(checked_in)?;
        Ok(true)
    }

    fn give_up(&mut self, at: usize) -> Kept<bool> {
        let cancel = self.network.cancel();
        let given_up = self.client(at).online().cancel_with(&cancel).deactivate(Reason::Moved);
        let done = match &given_up {
            Ok(receipt) => {
                self.promise.told(receipt.handle.get());
                true
            }
            Err(error) => error.deactivation().is_some(),
        };
        self.came(given_up.map_err(DeactivateError::into_error))?;
        Ok(done)
    }

    fn cancel(&mut self, at: usize) -> Kept<bool> {
        let cancelled = self.client(at).cancel();
        let done = self.came(cancelled)?.is_some();
        if done && self.dice.once_in(2) {
            self.hand_in(at)?;
        }
        Ok(done)
    }

    fn hand_in(&mut self, at: usize) -> Kept<bool> {
        if self.is_damaged(at) {
            return Ok(false);
        }
        let cancel = self.network.cancel();
        let client = self.client(at);
        let is_any = !client.outstanding().unwrap().is_empty();
        let handed_in = client.online().cancel_with(&cancel).hand_in();
        for receipt in handed_in.iter().flatten() {
            self.promise.told(receipt.handle.get());
        }
        self.came(handed_in)?;
        Ok(is_any)
    }

    /// The customer of a computer without a license picks a seat of another one, whatever it may be.
    fn name_a_seat(&mut self, at: usize) -> Kept<bool> {
        let count = self.installations.len();
        let asking = (0..count).map(|next| (at + next) % count);
        let is_without = |at: &usize| {
            let status = self.client(*at).check().unwrap();
            matches!(
                status.verdict(),
                Verdict::Unlicensed { .. } | Verdict::Deactivated | Verdict::Revoked { .. }
            ) && !self.installations[*at].is_silent
        };
        let Some(at) = asking.into_iter().find(is_without) else { return Ok(false) };
        let picked = self.promise.seat_of_another(self.installations[at].computer, self.dice.once_in(3));
        let Some(named) = picked else { return Ok(false) };
        self.promise.named(named);
        let handle = Handle::new(named).unwrap();
        let key = self.key.clone();
        // Noted before it is sent.
        if self.client(at).check().unwrap().pending().is_some() {
            let cancelled = self.client(at).cancel();
            self.came(cancelled)?;
        }
        let begun =
            self.client(at).begin(nodelock::ActivationRequestOptions::of_key(&key).instead_of(handle));
        self.installations[at].key.clone_from(&key);
        self.note(at);
        if self.came(begun)?.is_none() {
            return Ok(false);
        }
        let cancel = self.network.cancel();
        let replaced = self
            .client(at)
            .online()
            .cancel_with(&cancel)
            .activate(nodelock::ActivationRequestOptions::of_key(&key).instead_of(handle));
        self.note(at);
        self.came(replaced)?;
        Ok(true)
    }

    fn reissued_key(&mut self, at: usize) -> Kept<bool> {
        self.rekey()?;
        let status = self.client(at).check().unwrap();
        let is_licensed =
            status.license().is_some_and(|license| license.license_id.to_string() == self.license);
        let key = self.key.clone();
        if is_licensed {
            self.begin(at, &key, true);
            self.send(at)?;
        }
        Ok(is_licensed)
    }

    fn another_license(&mut self, at: usize) -> Kept<bool> {
        let status = self.client(at).check().unwrap();
        let Some(license) = status.license() else { return Ok(false) };
        let is_this = license.license_id.to_string() == self.license;
        let key = if is_this { self.key_of_another_license.clone() } else { self.key.clone() };
        self.begin(at, &key, true);
        self.send(at)
    }

    fn is_damaged(&self, at: usize) -> bool {
        matches!(self.client(at).check().unwrap().verdict(), Verdict::Damaged { .. })
    }

    fn lose_store(&mut self, at: usize) -> bool {
        let client = self.client(at);
        let status = client.check().unwrap();
        let mut handles: Vec<u32> = status.pending().iter().map(|handle| handle.get()).collect();
        handles.extend(status.license().map(|license| license.handle.get()));
        let is_any = !handles.is_empty();
        self.promise.lost(handles);
        if is_any {
            fs::write(self.installations[at].folder.join("store/state"), b"").unwrap();
        }
        is_any
    }

    fn recover(&mut self, at: usize) -> Kept<bool> {
        let begun = self.client(at).recover_offline();
        // A recovery names no key.
        self.note_of(at, "");
        let begun = self.came(begun)?.is_some();
        if begun {
            let cancel = self.network.cancel();
            let recovered = self.client(at).online().cancel_with(&cancel).recover();
            self.note(at);
            self.came(recovered)?;
        }
        Ok(begun)
    }

    /// What was installed is gone, or lies on an old disk that may turn up.
    fn format(&mut self, at: usize) -> Kept<bool> {
        let new = self.install(self.installations[at].computer);
        let is_kept = self.dice.once_in(2) && self.installations.len() <= MOST_INSTALLED;
        if is_kept {
            self.installations[at].is_silent = true;
            return self.try_out(new);
        }
        let gone = self.installations.swap_remove(at);
        let _ = fs::remove_dir_all(gone.folder);
        self.try_out(at)
    }

    fn second_system(&mut self, at: usize) -> Kept<bool> {
        if self.installations.len() >= MOST_INSTALLED {
            return Ok(false);
        }
        let new = self.install(self.installations[at].computer);
        self.try_out(new)
    }

    /// Activates; somebody who has no license then may think better of it at once.
    fn try_out(&mut self, at: usize) -> Kept<bool> {
        let activated = self.activate(at)?;
        self.judge()?;
        if self.dice.once_in(2) && self.client(at).cancel().is_ok() {
            self.hand_in(at)?;
        }
        Ok(activated)
    }

    /// A copy of the store checks in on another computer: it is of no use there.
    fn copy_elsewhere(&mut self, at: usize) -> Kept<bool> {
        let installed = &self.installations[at];
        if self.client(at).check().unwrap().license().is_none() {
            return Ok(false);
        }
        let folder = self.authority.path(&format!("{} copy", self.number));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("store")).unwrap();
        for file in fs::read_dir(installed.folder.join("store")).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, folder.join("store").join(file.file_name().unwrap())).unwrap();
        }
        let elsewhere = (installed.computer + 1) % COMPUTERS;
        let copy = self.client_in(&folder, elsewhere, installed.clock.clone(), false);
        let cancel = self.network.cancel();
        let checked_in = copy.online().cancel_with(&cancel).check_in();
        must(!copy.check().unwrap().is_usable(), || "a copy on another computer is usable".to_owned())?;
        self.came(checked_in)?;
        Ok(true)
    }

    fn turn_up(&mut self, number: usize) -> Kept<bool> {
        let count = self.installations.len();
        let mut silent = (0..count).map(|next| (number + next) % count);
        let Some(at) = silent.find(|at| self.installations[*at].is_silent) else { return Ok(false) };
        self.installations[at].is_silent = false;
        let _ = self.client(at).observe();
        let status = self.client(at).check().unwrap();
        if status.license().is_some_and(|license| self.promise.is_over(license.handle.get())) {
            self.count(TURNED_UP_LATE);
        }
        self.use_it(at)
    }

    /// Every other installation has a clock that is late, within what is tolerated.
    fn set_clock(&mut self, at: usize) -> bool {
        let hours: [i64; 3] = if at.is_multiple_of(2) { [-25, -12, 0] } else { [-12, 0, 12] };
        self.installations[at].ahead = hours[self.dice.below(hours.len())] * HOUR as i64;
        self.set_time(self.now);
        let _ = self.client(at).observe();
        true
    }
}

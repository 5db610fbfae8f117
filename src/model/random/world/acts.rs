//! What happens to customers, and what the vendor does.

use super::{
    ANOTHER_KEY, LICENSE, MOST_INSTALLED, World,
    network::{CAME_LATE, Message},
    terms,
};
use crate::{
    ErrorKind,
    authority::{
        self, Records, Reply, SeatName, SeatState,
        decision::{self, Allow, Moment},
    },
    code::Handle,
    message::request::replacing,
    model::random::{
        device::{Asking, Installation},
        promise::{Kept, must},
        script::{Act, Allowance, COMPUTERS, DAY, Event, HOUR, Sold, TURNED_UP_LATE},
    },
};

impl World<'_> {
    pub(super) fn act(&mut self, at: usize, act: Act) -> Kept {
        let done = match act.event {
            Event::Use => self.use_it(at)?,
            Event::GiveUp | Event::GiveUpOffline => self.give_up(at, act.event == Event::GiveUp)?,
            Event::Cancel => {
                let cancelled = self.installations[at].cancel(self.now).is_ok();
                if cancelled && self.dice.once_in(2) {
                    self.hand_in(at)?;
                }
                cancelled
            }
            Event::HandIn => self.hand_in(at)?,
            Event::NameASeat => self.name_a_seat(at)?,
            Event::ReleaseByCustomer => self.release_by_customer(at)?,
            Event::ReissuedKey => self.reissued_key(at)?,
            Event::AnotherLicense => self.another_license(at)?,
            Event::LoseStore => self.lose_store(at),
            Event::Recover => self.installations[at].is_damaged && self.recover(at)?,
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
            Event::EditActivations(activations) => self.edit(Sold { activations, ..self.promise.sold() }),
            Event::EditDeactivations(deactivations) => {
                self.edit(Sold { deactivations, ..self.promise.sold() })
            }
            Event::EditEnd(days) => {
                let end = days.map(|days| self.now + u64::from(days) * DAY);
                self.edit(Sold { end, ..self.promise.sold() })
            }
            Event::Extend(days) => {
                let sold = self.promise.sold();
                let end = sold.end.map(|end| end.max(self.now) + u64::from(days) * DAY);
                end.is_some() && self.edit(Sold { end, ..sold })
            }
            Event::Suspend | Event::Resume => {
                let (sold, is_suspended) = (self.promise.sold(), act.event == Event::Suspend);
                sold.is_suspended != is_suspended && self.edit(Sold { is_suspended, ..sold })
            }
            Event::Reset(of) => self.allow(of, Allow::Reset)?,
            Event::Extra(of, more) => self.allow(of, Allow::Extra(more))?,
            Event::Rekey => self.rekey(),
            Event::EditSeats(seats) => self.edit(Sold { seats, ..self.promise.sold() }),
            Event::EditLease(lease_days) => self.edit(Sold { lease_days, ..self.promise.sold() }),
            Event::EditMargin(days) => self.edit(Sold { margin_days: Some(days), ..self.promise.sold() }),
            Event::Restart => self.restart(),
            Event::Copy => self.copy(),
            Event::Restore(restored) => self.restore(restored)?,
            Event::Lie => self.lie(at)?,
        };
        if done {
            self.count(act.event.name());
        }
        Ok(())
    }

    /// What its user does most of the time.
    fn use_it(&mut self, at: usize) -> Kept<bool> {
        let installed = &self.installations[at];
        match (installed.is_damaged, installed.license()) {
            (true, _) => self.recover(at),
            (false, Some(_)) => self.check_in(at),
            (false, None) => self.activate(at),
        }
    }

    /// Installs the application on a computer.
    pub(super) fn install(&mut self, computer: usize) -> usize {
        let seed = self.number << 8 | self.drawn as u64 | (self.installations.len() as u64) << 48;
        let fingerprint = self.vendor.fingerprints[computer].clone();
        self.installations.push(Installation::new(computer, fingerprint, seed));
        self.installations.len() - 1
    }

    /// A new request, in place of the one before. Returns whether there is one.
    pub(super) fn begin(&mut self, at: usize, asking: Asking) -> bool {
        self.drawn += 1;
        let handle = Handle::new(self.drawn).expect("few");
        let installed = &mut self.installations[at];
        let (asked, key) = (installed.reading(self.now).local.unix_seconds(), asking.key.clone());
        let begun = installed.begin(asking, handle, self.now).is_ok();
        if begun {
            let computer = self.installations[at].computer;
            self.promise.asked(handle.get(), computer, asked, &key);
        }
        begun
    }

    fn activate(&mut self, at: usize) -> Kept<bool> {
        if self.installations[at].pending().is_none() {
            self.begin(at, Asking { key: self.key.clone(), ..Asking::default() });
        }
        self.send_request(at)
    }

    /// Sends the pending request. One that is refused for good is cancelled.
    fn send_request(&mut self, at: usize) -> Kept<bool> {
        let Some(request) = self.installations[at].request() else { return Ok(false) };
        let asked = self.installations[at].pending();
        match self.post(Message::Request(request))? {
            None => {}
            Some(Ok(reply)) => {
                self.judge_last_word(at)?;
                self.apply(at, &reply);
            }
            Some(Err(kind)) if is_final(kind) && self.installations[at].pending() == asked => {
                let _ = self.installations[at].cancel(self.now);
            }
            Some(Err(_)) => {}
        }
        Ok(true)
    }

    fn check_in(&mut self, at: usize) -> Kept<bool> {
        self.drawn += 1;
        let before = self.installations[at].usable(LICENSE, self.now).map(|usable| usable.handle);
        let shown = self.license_of(at);
        let Some(request) = self.installations[at].check_in(self.drawn, self.now) else { return Ok(false) };
        let file = Message::CheckIn(request.with_all);
        // By hand it is a file at once.
        let first = if self.dice.once_in(4) { file.clone() } else { Message::CheckIn(request.alone) };
        let late = |world: &Self| world.counts.get(CAME_LATE).copied();
        let before_it = late(self);
        let is_known = shown.as_ref().is_some_and(|license| self.is_known(license));
        let answer = match self.post(first)? {
            Some(Err(ErrorKind::LicenseWanted)) => self.post(file)?,
            answer => answer,
        };
        match answer {
            Some(Ok(reply)) => {
                self.apply(at, &reply);
                self.lost = before.filter(|_| reply.revocation.is_some());
                if let Some(license) = &reply.license
                    && let Some(shown) = &shown
                    && shown.handle == license.handle
                {
                    self.promise.renewed(self.now, license.handle.get(), &self.seen())?;
                    // Its own request may have come late, just before.
                    if !is_known && late(self) == before_it {
                        self.judge_entered(shown)?;
                    }
                }
            }
            Some(Err(ErrorKind::UnknownSeat)) if self.is_taken_for_stolen(at) => {
                self.count("a license of the copy's minute was taken for a stolen key's");
            }
            Some(Err(ErrorKind::NoFreeSeat | ErrorKind::UnknownSeat | ErrorKind::LicenseWanted)) => {
                self.lost = before;
            }
            _ => {}
        }
        Ok(true)
    }

    fn give_up(&mut self, at: usize, is_online: bool) -> Kept<bool> {
        let given_up = self.installations[at].deactivate(self.now);
        if let Err(error) = &given_up {
            self.count(format!("refused: {} on the device", error.kind().code()));
        }
        if is_online && given_up.is_ok() {
            self.hand_in(at)?;
        }
        Ok(given_up.is_ok())
    }

    fn hand_in(&mut self, at: usize) -> Kept<bool> {
        let proofs = self.installations[at].proofs();
        let is_any = !proofs.is_empty();
        for proof in proofs {
            if let Some(Ok(reply)) = self.post(Message::Proof(proof))? {
                self.apply(at, &reply);
            }
        }
        Ok(is_any)
    }

    /// The customer of a computer without a license picks a seat of another one, whatever it may be.
    fn name_a_seat(&mut self, at: usize) -> Kept<bool> {
        let is_without = |installed: &Installation| {
            installed.license().is_none() && !installed.is_damaged && !installed.is_silent
        };
        let count = self.installations.len();
        let mut asking = (0..count).map(|next| (at + next) % count);
        let Some(at) = asking.find(|at| is_without(&self.installations[*at])) else { return Ok(false) };
        let picked = self.promise.seat_of_another(self.installations[at].computer, self.dice.once_in(3));
        let Some(named) = picked.and_then(|handle| Handle::new(handle).ok()) else { return Ok(false) };
        let extensions = vec![replacing(named).expect("a handle")];
        let asking = Asking { key: self.key.clone(), extensions, ..Asking::default() };
        if !self.begin(at, asking) {
            return Ok(false);
        }
        self.promise.named(named.get());
        self.send_request(at)
    }

    /// The customer of a computer releases a seat of another one, whatever it may be. The answer may get lost: then it
    /// is asked for again.
    fn release_by_customer(&mut self, at: usize) -> Kept<bool> {
        let picked = self.promise.seat_of_another(self.installations[at].computer, self.dice.once_in(3));
        let Some(named) = picked.and_then(|handle| Handle::new(handle).ok()) else { return Ok(false) };
        self.promise.named(named.get());
        let act =
            |records: &Records, moment: &Moment| decision::customer_release(LICENSE, named, records, moment);
        let mut released = self.decide(act);
        if released.is_ok() && self.dice.once_in(2) {
            released = self.decide(act);
            must(released.is_ok(), || {
                format!("S3: the release of seat {named} by a customer is refused when it is asked for again")
            })?;
        }
        match released {
            Ok((_, reply)) => self.carry(named, &reply),
            Err(kind) => self.refused("release by a customer", kind)?,
        }
        Ok(true)
    }

    fn reissued_key(&mut self, at: usize) -> Kept<bool> {
        self.rekey();
        let asking = Asking { key: self.key.clone(), replaces: true, ..Asking::default() };
        let is_licensed = self.installations[at].license().is_some_and(|(_, id)| id == LICENSE);
        Ok(is_licensed && self.begin(at, asking) && self.send_request(at)?)
    }

    /// The vendor gives the license a new key.
    fn rekey(&mut self) -> bool {
        self.drawn += 1;
        self.promise.replaced_key(&self.key);
        self.key = format!("license key {}", self.drawn);
        self.ledger.rekey(LICENSE, &self.key);
        true
    }

    fn another_license(&mut self, at: usize) -> Kept<bool> {
        let Some((_, id)) = self.installations[at].license() else { return Ok(false) };
        let key = if id == LICENSE { ANOTHER_KEY } else { &self.key };
        let asking = Asking { key: key.to_owned(), replaces: true, ..Asking::default() };
        Ok(self.begin(at, asking) && self.send_request(at)?)
    }

    fn lose_store(&mut self, at: usize) -> bool {
        let handles: Vec<u32> = self.installations[at].handles().map(|handle| handle.get()).collect();
        let had_any = !handles.is_empty();
        self.lost_seats.extend(&handles);
        self.promise.lost(handles);
        if had_any {
            self.installations[at].lose();
        }
        had_any
    }

    fn recover(&mut self, at: usize) -> Kept<bool> {
        let begun = self.begin(at, Asking { recovers: true, ..Asking::default() });
        Ok(begun && self.send_request(at)?)
    }

    /// Sends a request and takes the answer in.
    fn send_surely(&mut self, at: usize) -> Kept {
        let request = self.installations[at].request().ok_or("no request")?;
        let answer = self.hear(&Message::Request(request))?;
        let reply = answer.map_err(|kind| format!("refused: {}", kind.code()))?;
        self.apply(at, &reply);
        self.now += HOUR;
        self.judge()
    }

    /// A store is lost, its recovery cancelled, and a seat asked for anew. Then a check-in comes of the time before.
    pub(in crate::model::random) fn lose_and_hear_late(&mut self) -> Kept {
        let asking = Asking { key: self.key.clone(), ..Asking::default() };
        self.begin(0, asking);
        self.send_surely(0)?;
        self.drawn += 1;
        let late = self.installations[0].check_in(self.drawn, self.now).ok_or("no license")?;
        self.now += HOUR;
        self.lose_store(0);
        self.begin(0, Asking { recovers: true, ..Asking::default() });
        self.installations[0].cancel(self.now).map_err(|error| error.to_string())?;
        self.now += HOUR;
        let asking = Asking { key: self.key.clone(), ..Asking::default() };
        self.begin(0, asking);
        self.send_surely(0)?;
        let answer = self.hear(&Message::CheckIn(late.with_all))?;
        self.judge()?;
        must(answer.is_err_and(|kind| kind == ErrorKind::Outdated), || "a late check-in is answered".into())
    }

    /// What was installed is gone, or lies on an old disk that may turn up.
    fn format(&mut self, at: usize) -> Kept<bool> {
        let new = self.install(self.installations[at].computer);
        let is_kept = self.dice.once_in(2) && self.installations.len() <= MOST_INSTALLED;
        if is_kept {
            self.installations[at].is_silent = true;
            self.try_out(new)
        } else {
            self.installations.swap_remove(at);
            self.try_out(at)
        }
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
        if self.dice.once_in(2) && self.installations[at].cancel(self.now).is_ok() {
            self.hand_in(at)?;
        }
        Ok(activated)
    }

    /// A copy of the store checks in on another computer: it is renewed there by nobody.
    fn copy_elsewhere(&mut self, at: usize) -> Kept<bool> {
        self.drawn += 1;
        let mut copy = self.installations[at].clone();
        copy.computer = (copy.computer + 1) % COMPUTERS;
        copy.fingerprint = self.vendor.fingerprints[copy.computer].clone();
        let Some(request) = copy.check_in(self.drawn, self.now) else { return Ok(false) };
        let answer = self.hear(&Message::CheckIn(request.with_all))?;
        let is_renewed = answer.is_ok_and(|reply| reply.license.is_some());
        must(!is_renewed, || "a copy on another computer is renewed".to_owned())?;
        Ok(true)
    }

    fn turn_up(&mut self, number: usize) -> Kept<bool> {
        let count = self.installations.len();
        let mut silent = (0..count).map(|next| (number + next) % count);
        let Some(at) = silent.find(|at| self.installations[*at].is_silent) else { return Ok(false) };
        self.installations[at].is_silent = false;
        self.installations[at].observe(self.now);
        if self.installations[at].license().is_some_and(|(handle, _)| self.promise.is_over(handle.get())) {
            self.count(TURNED_UP_LATE);
        }
        self.use_it(at)
    }

    /// Every other installation has a clock that is late, within what is tolerated.
    fn set_clock(&mut self, at: usize) -> bool {
        let hours: [i64; 3] = if at.is_multiple_of(2) { [-25, -12, 0] } else { [-12, 0, 12] };
        self.is_clock_set = true;
        self.installations[at].ahead = hours[self.dice.below(hours.len())] * HOUR as i64;
        self.installations[at].observe(self.now);
        true
    }

    /// The seat that an installation has in the ledger.
    fn seat_of(&self, at: usize, state: SeatState) -> Option<SeatName> {
        let handles: Vec<Handle> = self.installations[at].handles().collect();
        let mut seats = self.ledger.seats_of(LICENSE).filter(|seat| seat.state() == state);
        seats.find(|seat| handles.contains(&seat.handle())).map(|seat| seat.name())
    }

    fn release(&mut self, at: usize) -> Kept<bool> {
        let Some(name) = self.seat_of(at, SeatState::Active) else { return Ok(false) };
        self.promise.released(name.handle.get());
        let released = self.decide(|records, moment| decision::release(name, "dead", records, moment));
        self.tell(released.is_ok());
        Ok(true)
    }

    /// The vendor renews a seat, and the license is carried to its device, or never gets there.
    fn renew(&mut self, at: usize) -> Kept<bool> {
        let seat = self.seat_of(at, SeatState::Active).or_else(|| self.seat_of(at, SeatState::Revoked));
        let Some(name) = seat else { return Ok(false) };
        match self.decide(|records, moment| decision::renew(name, records, moment)) {
            Ok((_, reply)) if self.dice.below(4) > 0 => self.installations[at].apply(&reply, self.now),
            Ok(_) => {}
            Err(kind) => self.refused("renewal", kind)?,
        }
        Ok(true)
    }

    /// The vendor takes a release back, whatever became of the seat, and the license is carried to its device, or never
    /// gets there.
    fn unrelease(&mut self) -> Kept<bool> {
        let releases = self.promise.releases();
        let Some(latest) = releases.first() else { return Ok(false) };
        let handle = if self.dice.once_in(3) { self.dice.one_of(&releases) } else { *latest };
        let seat = self.ledger.seats_of(LICENSE).find(|seat| seat.handle().get() == handle);
        let Some(name) = seat.map(|seat| seat.name()) else { return Ok(false) };
        self.promise.unreleased(handle);
        match self.decide(|records, moment| decision::unrelease(name, records, moment)) {
            Ok((_, reply)) => self.carry(name.handle, &reply),
            Err(kind) => self.refused("taking back of a release", kind)?,
        }
        Ok(true)
    }

    /// What was issued for a seat is carried to its device, or never gets there.
    fn carry(&mut self, seat: Handle, reply: &Reply) {
        let mut its = 0..self.installations.len();
        let its = its.find(|at| self.installations[*at].handles().any(|its| its == seat));
        if let Some(at) = its.filter(|_| self.dice.below(4) > 0) {
            reply.revocation.iter().for_each(|word| self.promise.told(word.handle.get()));
            self.installations[at].apply(reply, self.now);
        }
    }

    /// The vendor releases every seat.
    fn deactivate(&mut self) -> Kept<bool> {
        let taken = |seat: &&crate::authority::Seat| seat.state().is_taken();
        let names: Vec<_> = self.ledger.seats_of(LICENSE).filter(taken).map(|seat| seat.name()).collect();
        for name in &names {
            self.promise.released(name.handle.get());
            let released = self.decide(|records, moment| decision::release(*name, "", records, moment));
            self.tell(released.is_ok());
        }
        Ok(!names.is_empty())
    }

    /// The vendor resets an allowance or grants extra ones.
    fn allow(&mut self, of: Allowance, allow: Allow) -> Kept<bool> {
        let allowance = match of {
            Allowance::Activations => authority::Allowance::Activations,
            Allowance::Deactivations => authority::Allowance::Deactivations,
        };
        let act = |records: &Records, moment: &Moment| {
            decision::allow(LICENSE, allowance, allow, "", records, moment)
        };
        self.decide(act).map_err(|kind| format!("an allowance is refused: {}", kind.code()))?;
        let extra = match allow {
            Allow::Reset => None,
            Allow::Extra(extra) => Some(extra),
        };
        self.promise.allowed(of, extra, self.now);
        Ok(true)
    }

    fn return_held(&mut self) -> Kept<bool> {
        let held = self.ledger.seats_of(LICENSE).find(|seat| seat.state() == SeatState::Held);
        let Some(name) = held.map(|seat| seat.name()) else { return Ok(false) };
        self.promise.released(name.handle.get());
        let returned = self.decide(|records, moment| decision::return_held(name, records, moment));
        self.tell(returned.is_ok());
        Ok(true)
    }

    pub(super) fn edit(&mut self, sold: Sold) -> bool {
        self.promise.edited(sold, self.now);
        self.ledger.terms[0] = terms(sold);
        true
    }
}

/// Whether a request that is refused so is cancelled by its device.
fn is_final(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::NoFreeSeat | ErrorKind::TooManyAttempts)
}

//! Loading a store: what a check needs, read and verified once and kept until the store changes.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Client, Status, device_key::DeviceKey, status::FeatureMap};
use crate::{
    Clock, Error, ErrorKind, License, Result, Timestamp, Verdict,
    code::Handle,
    fingerprint,
    licensing_time::{Reading, TimeMarks},
    message::frame::Incoming,
    record::{Active, Current, Ended, Ending, Record, Unanswered},
    store::Stamp,
    verdict::{self, Machine, MachineReason, Situation},
};

/// A store as it was when it bore this stamp.
pub(super) struct Loaded {
    stamp: Option<Stamp>,
    /// The license, if one is active and verified.
    pub(super) license: Option<Arc<License>>,
    /// Where in the license each feature is, by name.
    features: Arc<FeatureMap>,
    /// The verdict, if it does not depend on the time.
    settled: Option<Verdict>,
    pub(super) machine: Machine,
    pending: Option<Handle>,
    outstanding: usize,
    unsynced: bool,
    marks: TimeMarks,
    changed_since: Option<Timestamp>,
    /// What starts asked for in vain.
    pub(super) unanswered: Option<Unanswered>,
}

impl Client {
    pub(super) fn load(&self) -> Result<Arc<Loaded>> {
        let known = self.loaded().clone();
        // No lock is held for a look at the store, which is all that most calls need.
        if let Some(known) = &known
            && known.stamp == self.store.stamp()?
        {
            return Ok(Arc::clone(known));
        }
        let mut kept = self.loaded();
        // Another thread may have loaded it meanwhile.
        let is_news = |loaded: &Arc<_>| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, loaded));
        if let Some(loaded) = kept.as_ref().filter(|loaded| is_news(loaded))
            && loaded.stamp == self.store.stamp()?
        {
            return Ok(Arc::clone(loaded));
        }
        let loaded = Arc::new(self.load_anew()?);
        *kept = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    fn loaded(&self) -> MutexGuard<'_, Option<Arc<Loaded>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load_anew(&self) -> Result<Loaded> {
        let (stamp, read) = self.store.read_stamped();
        let unsynced = read.as_ref().is_ok_and(|snapshot| snapshot.unsynced);
        let loaded =
            self.load_record(stamp, read.and_then(|snapshot| self.decode(snapshot.body.as_deref())))?;
        Ok(Loaded { unsynced, ..loaded })
    }

    fn load_record(&self, stamp: Option<Stamp>, record: Result<Record>) -> Result<Loaded> {
        let record = match record {
            Ok(record) => record,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::Corrupt | ErrorKind::UnsupportedVersion | ErrorKind::WrongProduct
                ) =>
            {
                return Ok(Loaded::without_license(
                    stamp,
                    &Record::new(),
                    Verdict::Damaged { reason: e.kind() },
                ));
            }
            Err(e) => return Err(e),
        };
        let Some(active) = record.license() else {
            let verdict = match &record.current {
                Current::Nothing => ended_verdict(record.ended.as_ref()),
                _ => Verdict::Unlicensed { pending: true },
            };
            return Ok(Loaded::without_license(stamp, &record, verdict));
        };
        let license = match self.open_license(active) {
            Ok(license) => license,
            Err(e) => {
                let verdict = Verdict::Damaged { reason: e.kind() };
                return Ok(Loaded::without_license(stamp, &record, verdict));
            }
        };
        let settled = if self.has_tombstone(&license.device_key, license.handle) {
            Some(Verdict::Deactivated)
        } else if !self.has_key_of(&license)? {
            Some(Verdict::WrongMachine { reason: MachineReason::DeviceKey })
        } else {
            None
        };
        Ok(Loaded {
            machine: self.machine(&license),
            features: Arc::new(
                license.features.iter().enumerate().map(|(at, feature)| (feature.name.clone(), at)).collect(),
            ),
            license: Some(Arc::new(license)),
            settled,
            ..Loaded::without_license(stamp, &record, Verdict::Active)
        })
    }

    /// Verifies the stored license, and that it is the one that the record speaks of.
    pub(super) fn open_license(&self, active: &Active) -> Result<License> {
        let message = Incoming::new(active.license.0.clone());
        let license = License::open_by_authority(message, &self.roots)?;
        if license.product != self.product {
            return Err(Error::products("the stored license", &self.product, &license.product));
        }
        let activation = &active.activation;
        if license.handle != activation.handle || license.request_digest != activation.request_digest {
            let (found, expected) = (license.handle, activation.handle);
            let text = format!("the stored license is for seat {found}, and the store says {expected}");
            return Err(Error::new(ErrorKind::WrongRequest, text));
        }
        Ok(license)
    }

    /// What this machine is to a license.
    fn machine(&self, license: &License) -> Machine {
        fingerprint::judge(&license.baseline, self.fingerprint(), &license.policy).into()
    }

    /// Records from when on the grace of a changed machine counts, where it was not recorded before. That is now; but
    /// from the last time that the store knows where too little of the machine is seen, because anything may have
    /// happened to a copy of the store since (docs/PROTOCOL.md, A changed machine). So it comes before that time is
    /// moved on.
    pub(super) fn note_change(&self, record: &mut Record, now: Reading) {
        let license = record.license().and_then(|active| self.open_license(active).ok());
        let since = match license.map(|license| self.machine(&license)) {
            Some(Machine::Changed) => record.time.at(now).now,
            Some(Machine::Hidden) => record.time.recorded(),
            Some(Machine::Fits | Machine::Another) | None => return,
        };
        record.changed_since.get_or_insert(since);
    }

    /// Whether the store has the device key that the license names.
    fn has_key_of(&self, license: &License) -> Result<bool> {
        let file = match self.store.device_key() {
            Err(e) if e.kind() == ErrorKind::Corrupt => None,
            file => file?,
        };
        let key =
            file.as_ref().and_then(|bytes| DeviceKey::parse(bytes).and_then(|key| key.public_key()).ok());
        Ok(key == Some(license.device_key))
    }
}

fn ended_verdict(ended: Option<&Ended>) -> Verdict {
    match ended.map(|ended| &ended.how) {
        None | Some(Ending::Cancelled) => Verdict::Unlicensed { pending: false },
        Some(Ending::Deactivated) => Verdict::Deactivated,
        Some(Ending::Revoked(reason)) => Verdict::Revoked { reason: reason.clone() },
    }
}

impl Loaded {
    fn without_license(stamp: Option<Stamp>, record: &Record, verdict: Verdict) -> Self {
        let pending = match &record.current {
            Current::Pending(pending) => Some(pending.activation.handle),
            _ => None,
        };
        Self {
            stamp,
            license: None,
            features: Arc::default(),
            settled: Some(verdict),
            machine: Machine::Another,
            pending,
            outstanding: record.outstanding.len(),
            unsynced: false,
            marks: record.time,
            changed_since: record.changed_since,
            unanswered: record.unanswered.clone(),
        }
    }

    /// What the clocks show, as far as it matters here. The one that runs on is asked where a date ends the license.
    pub(super) fn reading(&self, clock: &dyn Clock) -> Reading {
        let local = clock.now();
        let ends = self.license.as_ref().is_some_and(|l| l.lease_until.is_some() || l.expires.is_some());
        let running = if ends { clock.running() } else { None };
        let boot = running.filter(|running| self.marks.asks_for_boot(local, *running));
        Reading { local, running, boot: boot.and_then(|_| clock.boot()) }
    }

    pub(super) fn status(&self, now: Reading, released: Option<Timestamp>) -> Status {
        let time = self.marks.at(now);
        let verdict = match (&self.settled, &self.license) {
            (Some(verdict), _) => verdict.clone(),
            (None, None) => unreachable!("without a license the verdict is settled"),
            (None, Some(license)) => verdict::judge(
                license,
                &Situation {
                    time,
                    machine: self.machine,
                    changed_since: self.changed_since.unwrap_or(self.marks.recorded()),
                    released,
                },
            ),
        };
        Status {
            verdict,
            license: self.license.clone(),
            features: Arc::clone(&self.features),
            now: time.now,
            clock_error: time.error,
            pending: self.pending,
            outstanding: self.outstanding,
            should_observe: self.should_observe(now),
            changed_headers: None,
            unsynced: self.unsynced,
        }
    }

    /// Whether an observation would write something worth keeping: only beside a license.
    pub(super) fn should_observe(&self, now: Reading) -> bool {
        let changed = match self.machine {
            Machine::Fits => self.changed_since.is_some(),
            Machine::Changed | Machine::Hidden => self.changed_since.is_none(),
            Machine::Another => false,
        };
        self.license.is_some() && (changed || self.marks.is_stale(now))
    }
}

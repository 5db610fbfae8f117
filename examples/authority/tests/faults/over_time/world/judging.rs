//! What can be seen of the stores and of the ledger is judged.

use nodelock::Status;
use serde_json::Value;

use super::World;
use crate::{
    over_time::{
        Fault,
        promise::{Gap, Held, Kept, Row, Seen, State, Usable, must},
        script::{FLAGGED, IN_USE_BESIDES, Sold},
    },
    support::ledger::{Ledger, TimedRow},
};

impl World<'_> {
    /// Time has passed, and nobody did anything.
    pub(super) fn judge_after_wait(&mut self) -> Kept {
        if self.fault == Some(Fault::Timer) {
            let over = format!("taken = 1 AND ends < {}", self.now);
            self.ledger.execute(&format!("UPDATE seat SET state = 'returned', taken = 0 WHERE {over}"));
        }
        let (statuses, seen) = (self.statuses(), self.seen());
        let held: Vec<Held> = statuses.iter().filter_map(|status| self.held(status)).collect();
        self.promise.passed(self.now, &held, &seen)?;
        self.judge_seen(&statuses, seen)
    }

    /// What each installation says of its license.
    fn statuses(&self) -> Vec<Status> {
        (0..self.installations.len()).map(|at| self.client(at).check().unwrap()).collect()
    }

    fn held(&self, status: &Status) -> Option<Held> {
        let license = status.license().filter(|license| license.license_id.to_string() == self.license)?;
        let ends = [license.lease_until, license.expires].into_iter().flatten().min()?;
        Some(Held {
            handle: license.handle.get(),
            ends: ends.unix_seconds(),
            time: status.licensing_time().unix_seconds(),
        })
    }

    pub(super) fn judge(&mut self) -> Kept {
        let (statuses, seen) = (self.statuses(), self.seen());
        self.judge_seen(&statuses, seen)
    }

    fn judge_seen(&mut self, statuses: &[Status], seen: Seen) -> Kept {
        let statuses = statuses.iter().enumerate();
        let usable: Vec<Usable> = statuses.filter_map(|(at, status)| self.usable(at, status)).collect();
        if seen.flagged > self.flagged {
            self.count(FLAGGED);
        }
        self.flagged = seen.flagged;
        let (said, ledger) = (self.promise.sold(), self.sold());
        let extra = |sold: &Sold| sold.granted.map(|granted| granted.extra);
        let is_so = (said.seats, said.lease_days, said.margin_days, said.activations)
            == (ledger.seats, ledger.lease_days, ledger.margin_days, ledger.activations)
            && (said.deactivations, said.end, said.is_suspended, extra(&said))
                == (ledger.deactivations, ledger.end, ledger.is_suspended, extra(&ledger));
        must(is_so, || format!("V: the ledger says {ledger:?}, and the vendor said {said:?}"))?;
        let of = format!("WHERE license_id = '{}' AND revoked IS NULL", self.license);
        let keys = self.ledger.texts(&format!("SELECT hint FROM license_key {of}"));
        let is_its = |hint: &str| self.key.ends_with(hint);
        must(keys.len() == 1 && keys[0].as_deref().is_some_and(is_its), || {
            format!("V: the keys with these ends activate: {keys:?}")
        })?;
        self.promise.judge(self.now, &usable, seen)?;
        if self.fault != Some(Fault::Timer) {
            let miscounted = self.ledger.miscounted();
            must(miscounted.is_empty(), || format!("C: other than a count finds: {miscounted:?}"))?;
        }
        if self.promise.besides() > 0 {
            self.count(IN_USE_BESIDES);
        }
        Ok(())
    }

    /// What can be seen of the ledger.
    pub(super) fn seen(&mut self) -> Seen {
        let history = self.ledger.texts("SELECT record FROM history").pop().flatten();
        let history: Value = history.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        let gap = |gap: &Value| Gap {
            began: gap["began"].as_u64().unwrap(),
            ended: gap["ended"].as_u64().unwrap(),
        };
        let noted = |ledger: &mut Ledger, which: &str| {
            ledger.texts(&format!("SELECT detail FROM audit WHERE action {which}")).len() as u64
        };
        Seen {
            rows: self.rows(),
            counting: None,
            gaps: history["gaps"].as_array().into_iter().flatten().map(gap).collect(),
            healed: noted(self.ledger, "IN ('healed', 'phantom-ended')"),
            flagged: noted(self.ledger, "= 'healed' AND detail LIKE '%more than were sold%'"),
        }
    }

    pub(super) fn usable(&self, at: usize, status: &Status) -> Option<Usable> {
        let license = status.license().filter(|_| status.is_usable())?;
        let computer = self.installations[at].computer;
        let is_it = license.license_id.to_string() == self.license;
        let (handle, issued) = (license.handle.get(), license.issued.unix_seconds());
        is_it.then_some(Usable { handle, computer, issued })
    }

    pub(super) fn rows(&mut self) -> Vec<Row> {
        let rows = self.ledger.seats_over_time(&self.license).into_iter();
        let row = |row: TimedRow| Row {
            handle: row.handle,
            state: State::named(&row.state),
            counted: row.counted,
            activation: row.activation,
            lapsed: row.lapsed,
            ends: row.ends,
        };
        rows.map(row).collect()
    }
}

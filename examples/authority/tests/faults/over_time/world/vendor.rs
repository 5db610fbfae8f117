//! What the vendor does: mostly by calls over a bad network, some of it by commands.

use nodelock::{Timestamp, code::Handle};
use serde_json::{Value, json};

use super::World;
use crate::{
    over_time::{
        promise::{Kept, State, must},
        script::{Allowance, DAY, Sold},
    },
    support::administration::Answer,
};

const REASON: &str = "the computer is said to be dead";

impl World<'_> {
    /// The seat that an installation has in the ledger, if it is in that state.
    fn seat_of(&mut self, at: usize, state: State) -> Option<u32> {
        let handles = self.handles_of(at);
        let rows = self.rows();
        let row = rows.iter().find(|row| row.state == state && handles.contains(&row.handle));
        row.map(|row| row.handle)
    }

    /// The seats that an installation has or has asked for.
    fn handles_of(&self, at: usize) -> Vec<u32> {
        let status = self.client(at).check().unwrap();
        let handles = [status.license().map(|license| license.handle), status.pending()];
        handles.into_iter().flatten().map(|handle| handle.get()).collect()
    }

    /// One of four acts is a command's.
    fn is_typed(&mut self) -> bool {
        self.dice.once_in(4)
    }

    /// What a command said.
    fn typed(&mut self, command: &[&str]) -> Answer {
        let output = self.authority.command(command).arg("--json").output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        match said["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(said),
        }
    }

    /// Does something to a seat.
    fn act_on(&mut self, act: &str, handle: u32) -> Answer {
        let seat = Handle::new(handle).unwrap().to_string();
        let answer = if self.is_typed() {
            let more: &[&str] = if act == "release" { &["--reason", REASON, "--yes"] } else { &[] };
            self.typed(&[&[act, &seat], more].concat())
        } else {
            let body = if act == "release" { json!({ "reason": REASON }) } else { json!({}) };
            self.administrator.post(&format!("seats/{seat}/{act}"), None, &body)
        };
        if let Err(code) = &answer {
            self.count(format!("{act} refused: {code}"));
        }
        self.tell((act, answer.as_ref().err()));
        answer
    }

    /// Does something to the license that is never refused.
    fn act_on_license(&mut self, act: &str, command: &[&str], body: &Value) -> Kept<Value> {
        let id = self.license.clone();
        let answer = if self.is_typed() {
            self.typed(&[&["license", command[0], &id], &command[1..]].concat())
        } else {
            self.administrator.post(&format!("licenses/{id}/{act}"), None, body)
        };
        answer.map_err(|code| format!("V: {act} is refused: {code}"))
    }

    pub(super) fn release(&mut self, at: usize) -> Kept<bool> {
        let Some(handle) = self.seat_of(at, State::Active) else { return Ok(false) };
        self.promise.released(handle);
        let released = self.act_on("release", handle);
        must(released.is_ok(), || format!("V: the release of seat {handle} is refused: {released:?}"))?;
        Ok(true)
    }

    /// The vendor renews a seat.
    pub(super) fn renew(&mut self, at: usize) -> Kept<bool> {
        let mut seat = self.seat_of(at, State::Active);
        if seat.is_none() {
            seat = self.seat_of(at, State::Revoked);
        }
        let Some(handle) = seat else { return Ok(false) };
        let renewed = self.act_on("renew", handle);
        self.carry(handle, renewed)?;
        Ok(true)
    }

    /// The vendor takes a release back, whatever became of the seat.
    pub(super) fn unrelease(&mut self) -> Kept<bool> {
        let releases = self.promise.releases();
        let Some(latest) = releases.first() else { return Ok(false) };
        let handle = if self.dice.once_in(3) { self.dice.one_of(&releases) } else { *latest };
        self.promise.unreleased(handle);
        let unreleased = self.act_on("unrelease", handle);
        self.carry(handle, unreleased)?;
        Ok(true)
    }

    /// A license of the vendor's is carried to its device, or never gets there.
    fn carry(&mut self, handle: u32, answer: Answer) -> Kept {
        let issued = match answer {
            Ok(issued) => issued,
            Err(code) if code == "no-free-seat" => {
                let seen = self.seen();
                return self.promise.refused(self.now, &seen);
            }
            Err(_) => return Ok(()),
        };
        self.renewed.insert((handle, issued["revision"].as_u64().unwrap() as u32));
        let mut its = 0..self.installations.len();
        if let Some(at) = its.find(|at| self.handles_of(*at).contains(&handle))
            && self.dice.below(4) > 0
        {
            let installed = self.client(at).accept(issued["license"].as_str().unwrap().as_bytes());
            self.note(at);
            self.came(installed)?;
        }
        Ok(())
    }

    pub(super) fn return_held(&mut self) -> Kept<bool> {
        let held = self.rows().into_iter().find(|row| row.state == State::Held);
        let Some(handle) = held.map(|row| row.handle) else { return Ok(false) };
        self.promise.released(handle);
        let returned = self.act_on("return", handle);
        must(returned.is_ok(), || format!("V: the return of seat {handle} is refused: {returned:?}"))?;
        Ok(true)
    }

    /// The vendor releases every seat.
    pub(super) fn deactivate(&mut self) -> Kept<bool> {
        let taken = |state| matches!(state, State::Active | State::Held);
        let rows = self.rows();
        let handles: Vec<u32> = rows.iter().filter(|row| taken(row.state)).map(|row| row.handle).collect();
        if handles.is_empty() {
            return Ok(false);
        }
        handles.iter().for_each(|handle| self.promise.released(*handle));
        let command = ["deactivate", "--reason", REASON, "--yes"];
        self.act_on_license("deactivate", &command, &json!({ "reason": REASON }))?;
        Ok(true)
    }

    /// The vendor changes what was sold, sometimes after somebody who has an older version before them.
    pub(super) fn edit(&mut self, sold: Sold) -> Kept<bool> {
        self.promise.edited(sold, self.now);
        let id = self.license.clone();
        let terms = said(sold);
        if self.is_typed() {
            let text = |value: &Value| match value {
                Value::Null => "none".to_owned(),
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            let terms = terms.as_object().unwrap();
            let options =
                terms.iter().map(|(name, value)| (format!("--{}", name.replace('_', "-")), text(value)));
            let options: Vec<String> = options.flat_map(|(name, value)| [name, value]).collect();
            let mut command = vec!["license", "edit", &id];
            command.extend(options.iter().map(String::as_str));
            let customer = self.dice.once_in(3).then(|| {
                let new = self.authority.vendor(&["customer", "new", "--name", "Jane Doe"]);
                new["id"].as_str().unwrap().to_owned()
            });
            if let Some(customer) = &customer {
                command.extend(["--customer", customer]);
                self.count("given to another customer");
            }
            self.authority.vendor(&command);
            return Ok(true);
        }
        let path = format!("licenses/{id}");
        let (_, version) = self.administrator.get(&path);
        if let Some(older) = self.version.replace(version.clone()).filter(|older| *older != version) {
            let terms = json!({ "terms": { "seats": 99 } });
            let late = self.administrator.post(&format!("{path}/edit"), Some(&older), &terms);
            must(late == Err("superseded".to_owned()), || {
                format!("V: an older version is edited: {late:?}")
            })?;
            self.count("an edit of an older version was refused");
        }
        let edited =
            self.administrator.post(&format!("{path}/edit"), Some(&version), &json!({ "terms": terms }));
        must(edited.is_ok(), || format!("V: an edit is refused: {edited:?}"))?;
        Ok(true)
    }

    /// The vendor moves the end, by the license or by its order.
    pub(super) fn extend(&mut self, days: u32) -> Kept<bool> {
        let sold = self.promise.sold();
        let id = self.license.clone();
        let body = json!({ "days": days });
        let Some(end) = sold.end else {
            let (_, version) = self.administrator.get(&format!("licenses/{id}"));
            let extended = self.administrator.post(&format!("licenses/{id}/extend"), Some(&version), &body);
            must(extended == Err("invalid-input".to_owned()), || {
                format!("V: no end is moved: {extended:?}")
            })?;
            self.count("extension refused: no end to move");
            return Ok(false);
        };
        self.promise.edited(Sold { end: Some(end.max(self.now) + u64::from(days) * DAY), ..sold }, self.now);
        if self.dice.once_in(3) {
            let extended = self.administrator.post(&format!("orders/{}/extend", self.order()), None, &body);
            must(extended.is_ok(), || format!("V: an order is not extended: {extended:?}"))?;
            self.count("order extended");
        } else {
            self.act_on_license("extend", &["extend", "--days", &days.to_string()], &body)?;
        }
        Ok(true)
    }

    pub(super) fn suspend(&mut self, is_suspended: bool) -> Kept<bool> {
        let sold = self.promise.sold();
        self.promise.edited(Sold { is_suspended, ..sold }, self.now);
        let act = if is_suspended { "suspend" } else { "resume" };
        let done = self.act_on_license(act, &[act], &json!({}))?;
        must(done["changed"] == (sold.is_suspended != is_suspended), || format!("V: {act} came to {done}"))?;
        Ok(sold.is_suspended != is_suspended)
    }

    /// The vendor resets an allowance or grants extra ones.
    pub(super) fn allow(&mut self, of: Allowance, extra: Option<u32>) -> Kept<bool> {
        let name = match of {
            Allowance::Activations => "activations",
            Allowance::Deactivations => "deactivations",
        };
        let mut body = json!({ "reason": REASON });
        let more = extra.map(|extra| extra.to_string());
        let mut command = vec!["reset", name, "--reason", REASON];
        if let Some(more) = &more {
            body["extra"] = extra.into();
            command.extend(["--extra", more]);
        }
        self.act_on_license(&format!("counters/{name}/reset"), &command, &body)?;
        self.promise.allowed(of, extra, self.now);
        Ok(true)
    }

    /// The vendor gives the license a new key in place of the one before.
    pub(super) fn rekey(&mut self) -> Kept {
        let (id, old) = (self.license.clone(), self.key.clone());
        let made = if self.dice.once_in(2) {
            self.act_on_license("rekey", &["rekey"], &json!({}))?
        } else {
            let added = self.act_on_license("keys", &["add-key"], &json!({}))?;
            let hint = old.rsplit('-').next().unwrap();
            let command = ["revoke-key", "--hint", hint];
            self.act_on_license(&format!("keys/{hint}/revoke"), &command, &json!({}))?;
            self.count("key added, and the one before revoked");
            added
        };
        self.promise.replaced_key(&old);
        self.key = made["key"].as_str().ok_or_else(|| format!("V: no key for {id}: {made}"))?.to_owned();
        Ok(())
    }

    /// The license is ended for good, by itself or with its order: seats can be given up, and nothing else.
    pub(super) fn void(&mut self) -> Kept {
        self.promise.edited(Sold { is_suspended: true, ..self.promise.sold() }, self.now);
        let (id, order) = (self.license.clone(), self.order());
        let (path, what) = match self.dice.once_in(2) {
            true => (format!("licenses/{id}/void"), "license ended for good"),
            false => (format!("orders/{order}/void"), "order ended for good"),
        };
        let voided = self.administrator.post(&path, None, &json!({ "reason": "refunded" }));
        must(voided.is_ok(), || format!("V: {what}: {voided:?}"))?;
        self.count(what);
        let edited = self.administrator.act(&format!("licenses/{id}/resume"));
        must(edited == Err("void".to_owned()), || format!("V: what is void goes on: {edited:?}"))?;
        self.count("resumption refused: void");
        Ok(())
    }

    /// The id of its order.
    pub(super) fn order(&self) -> String {
        format!("order-{}", self.number)
    }
}

/// Terms as calls and commands name them.
fn said(sold: Sold) -> Value {
    json!({
        "seats": sold.seats,
        "lease_days": sold.lease_days,
        "margin_days": sold.margin_days,
        "activations": sold.activations,
        "deactivations": sold.deactivations,
        "expires": sold.end.map(|end| Timestamp::from_unix_seconds(end).to_string()),
    })
}

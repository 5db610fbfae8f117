//! The machines: the crate's transitions on the record, between a store that commits in steps and a process that may
//! be killed.

use super::{
    Mutant,
    facts::{Along, COPY, Message, NOW, Name, Proof, STEP, Signer, Universe, Word},
    table::Table,
};
use crate::{
    Reason, Timestamp,
    code::Handle,
    codec,
    record::{Active, Current, LicenseFacts, Record, Replace, Replaced},
};

/// A record, by its number in [`Records`].
pub(super) type RecordId = u32;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ModelMachine {
    pub(super) number: u8,
    /// How many handles it has drawn. Randomness does not come back, whatever the store forgets.
    drawn: u8,
    /// Whether its store was lost once, all but the device's key.
    has_lost: bool,
    /// Whether it is the second machine with a copy of the first one's folder, device key and all.
    has_copy: bool,
    /// What a read gives: to a check, and to the next process.
    visible: RecordId,
    /// What a power cut leaves.
    durable: RecordId,
    process: Process,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Process {
    /// Killed, and what is visible may not be durable. The next process may change that, and speaks only once it is.
    Unsettled,
    /// Between the rename and the directory sync. The record is what the process believes: but for two mutants,
    /// what is visible.
    Committing(RecordId),
    /// May act and speak. A process that was killed when everything was durable is as good as this one.
    Ready(RecordId),
}

/// What a machine does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Begin,
    /// Its state file is damaged or gone.
    Lose,
    /// Asks for a seat in place of what the lost store held.
    Recover,
    /// The same beyond the draws that the search has: what the drain does.
    RecoverAtLast,
    /// Deactivates, or cancels what is pending.
    GiveUp,
    /// Deactivates the license that a pending request has set aside.
    Deactivate,
    /// Is told that its request is refused for good, and so cancels it. Happens only when the authority does refuse.
    Refused,
    SyncDirectory,
    /// Also a commit whose directory sync failed: the store is left to whoever opens it next.
    Kill,
    /// The next process makes what it found durable, to speak of it.
    Settle,
    PowerCut,
}

/// Every record that was seen.
#[derive(Default)]
pub(super) struct Records {
    ids: Table<Vec<u8>>,
    records: Vec<Record>,
}

impl Records {
    fn id(&mut self, record: Record) -> RecordId {
        let (id, new) = self.ids.id(codec::encode(&record).expect("a record can be encoded"));
        if new {
            self.records.push(record);
        }
        id
    }

    fn get(&self, id: RecordId) -> &Record {
        &self.records[id as usize]
    }
}

impl ModelMachine {
    pub(super) fn new(number: u8, records: &mut Records) -> Self {
        let empty = records.id(Record::new());
        Self {
            number,
            drawn: 0,
            has_lost: false,
            has_copy: false,
            visible: empty,
            durable: empty,
            process: Process::Ready(empty),
        }
    }

    /// The second machine with a copy of the first one's folder as it is on the disk; none if it has one already.
    pub(super) fn copied_from(&self, other: &Self) -> Option<Self> {
        let process = Process::Ready(other.visible);
        (!self.has_copy && self.number != other.number).then_some(Self {
            has_copy: true,
            visible: other.visible,
            durable: other.visible,
            process,
            ..*self
        })
    }

    /// The number under which its activations are known.
    fn identity(&self) -> u8 {
        if self.has_copy { COPY } else { self.number }
    }

    /// The activation of a handle that it holds. A copy holds what was the original's, too.
    fn name(&self, universe: &Universe, handle: Handle) -> Name {
        let own = universe.find_name(self.identity(), handle);
        own.or_else(|| universe.find_name(0, handle)).expect("only handles of its key")
    }

    /// The activation whose license a check would accept now.
    ///
    /// A check reads what is visible. What is durable but not visible needs no look: a power cut is always possible,
    /// and the state after it is checked in turn.
    pub(super) fn usable(&self, universe: &Universe, records: &Records) -> Option<Name> {
        // A license is of use on the machine that asked for it, also while it is set aside.
        let license = records.get(self.visible).license()?;
        Some(self.name(universe, license.activation.handle))
            .filter(|name| universe.hardware(*name) == universe.hardware_of(self.number))
    }

    /// When the license that a check would accept now ends.
    pub(super) fn license_ends(&self, records: &Records) -> Timestamp {
        match records.get(self.visible).license() {
            Some(license) => content(&license.license).0,
            None => Timestamp::MIN,
        }
    }

    /// What it waits for, if it can act.
    pub(super) fn pending(&self, universe: &Universe, records: &Records) -> Option<Name> {
        match &records.get(self.opened()?).current {
            Current::Pending(pending) => Some(self.name(universe, pending.activation.handle)),
            _ => None,
        }
    }

    /// Whether it has a license that it may not give up, because no deactivation is left.
    pub(super) fn must_stay(&self, records: &Records) -> bool {
        self.ready(records).is_some_and(|record| record.may_deactivate().is_err())
    }

    /// Everything that may happen to it without a message.
    pub(super) fn acts(&self, universe: &Universe, records: &mut Records) -> Vec<(Act, Self)> {
        let acts = [
            Act::Begin,
            Act::Lose,
            Act::Recover,
            Act::GiveUp,
            Act::Deactivate,
            Act::Refused,
            Act::SyncDirectory,
            Act::Kill,
            Act::Settle,
            Act::PowerCut,
        ];
        let is_kill = |act: &Act| matches!(act, Act::Kill | Act::Settle | Act::PowerCut);
        let acts = acts.into_iter().filter(|act| universe.rules.restores.is_none() || !is_kill(act));
        acts.filter_map(|act| Some((act, self.act(act, universe, records)?))).collect()
    }

    pub(super) fn act(&self, act: Act, universe: &Universe, records: &mut Records) -> Option<Self> {
        let next = match (act, self.process) {
            (Act::Begin, _) => {
                let name = self.draw(universe)?;
                self.begin(act, self.opened()?, name, universe, records)?
            }
            (Act::Lose, _) if universe.rules.losses && !self.has_lost => {
                // What is read of a damaged file is nothing, and nothing of it is usable.
                let empty = records.id(Record::new());
                let process = Process::Ready(empty);
                Self { has_lost: true, visible: empty, durable: empty, process, ..*self }
            }
            (Act::Recover, _) if self.has_lost => {
                let name = self.draw(universe)?;
                self.begin(act, self.opened()?, name, universe, records)?
            }
            (Act::RecoverAtLast, _) if self.has_lost => {
                let name = Name { machine: self.number, draw: universe.draw_of_recovery(self.number) };
                self.begin(act, self.opened()?, name, universe, records)?
            }
            (Act::GiveUp, _) => match self.pending(universe, records) {
                Some(_) => self.cancel(self.opened()?, universe, records)?,
                None => self.deactivate(self.opened()?, universe, records)?,
            },
            // Also beside a pending request.
            (Act::Deactivate, _) => {
                self.pending(universe, records)?;
                self.deactivate(self.opened()?, universe, records)?
            }
            (Act::Refused, _) => {
                self.pending(universe, records)?;
                let memory = self.opened()?;
                if universe.rules.mutant == Some(Mutant::RefusedForgotten) {
                    let record = Record { current: Current::Nothing, ..records.get(memory).clone() };
                    self.commit(Some(act), record, universe, records)
                } else {
                    self.cancel(memory, universe, records)?
                }
            }
            // Who is ready has synced already, but for the mutants that do it too late.
            (Act::SyncDirectory, Process::Committing(memory) | Process::Ready(memory)) => {
                Self { durable: self.visible, process: Process::Ready(memory), ..*self }
            }
            (Act::Kill, Process::Committing(_) | Process::Ready(_)) => self.killed(),
            (Act::Settle, Process::Unsettled) => self.settled(universe),
            (Act::PowerCut, _) => Self { visible: self.durable, ..*self }.killed(),
            _ => return None,
        };
        (next != *self).then_some(next)
    }

    /// What it says, or shows again: only ever what its record holds. All at once, and in every form: what the search
    /// does not deliver is as good as not said, so this leaves nothing out.
    pub(super) fn speech(&self, universe: &Universe, records: &Records) -> Vec<Message> {
        let Some(record) = self.ready(records) else { return Vec::new() };
        let name = |handle| self.name(universe, handle);
        let word =
            record.last_word.as_ref().map(|word| codec::decode(word, 16, "word").expect("it was put there"));
        let mut said = Vec::new();
        let mut releases = Vec::new();
        for given_up in &record.outstanding {
            let name = name(given_up.activation.handle);
            // The QR code holds the proof alone; the file of a cancelled request holds that too.
            let cancelled = given_up.request.is_some();
            if universe.rules.restores.is_none() {
                said.extend([Message::Code(name), Message::Proof(Proof { name, cancelled, request: false })]);
            }
            let release = Proof { name, cancelled, request: cancelled };
            if release.request || universe.rules.restores.is_some() {
                said.push(Message::Proof(release));
            }
            if release.request {
                said.push(Message::Request { name, releases: Vec::new(), recovery: false, word: None });
            }
            releases.push(release);
        }
        if let Current::Pending(pending) = &record.current {
            let name = name(pending.activation.handle);
            let recovery = pending.recovery.is_some();
            said.extend([
                Message::Request { name, releases: Vec::new(), recovery, word },
                Message::Request { name, releases, recovery, word },
            ]);
        }
        if let Some(active) = record.license()
            && active.revision <= universe.rules.check_ins
        {
            let check_in = self.check_in(active, universe);
            if let Message::CheckIn { name, revision, hardware, along, .. } = check_in
                && universe.rules.lies
                && self.number == 0
            {
                // What is said is heard by everybody, and said again by somebody else.
                let along = along.map(|along| Along { by: Signer::ForAnotherDevice, ..along });
                said.push(Message::CheckIn { name, revision, hardware, along });
            }
            said.push(check_in);
        }
        if universe.rules.lies && self.number == 1 {
            said.extend(self.lies(universe, record));
        }
        said
    }

    fn check_in(&self, active: &Active, universe: &Universe) -> Message {
        let (name, revision) = (self.name(universe, active.activation.handle), active.revision);
        let (ends, page) = content(&active.license);
        let along = Along { page, ends, by: Signer::Authority };
        let along = universe.rules.restores.map(|_| along);
        Message::CheckIn { name, revision, hardware: self.number, along }
    }

    /// The check-in of the license that a check would accept now.
    pub(super) fn contact(&self, universe: &Universe, records: &Records) -> Option<Message> {
        records.get(self.visible).license().map(|active| self.check_in(active, universe))
    }

    /// What a machine says whose owner cheats: that it has licenses which the authority never gave to it.
    fn lies(&self, universe: &Universe, record: &Record) -> Vec<Message> {
        let (name, hardware) = (Name { machine: self.number, draw: 0 }, self.number);
        let (page, ends) = (0, NOW.plus_days(STEP));
        let forged = [Signer::Stranger, Signer::Thief].map(|by| Message::CheckIn {
            name,
            revision: 1,
            hardware,
            along: Some(Along { page, ends, by }),
        });
        let claimed = record.license().map(|active| Message::CheckIn {
            name: self.name(universe, active.activation.handle),
            revision: active.revision + 1,
            hardware,
            along: None,
        });
        forged.into_iter().chain(claimed).collect()
    }

    /// What it becomes when a message of the authority arrives; itself if that changes nothing.
    pub(super) fn hear(&self, message: &Message, universe: &Universe, records: &mut Records) -> Self {
        let Some(memory) = self.opened() else { return *self };
        let mut record = records.get(memory).clone();
        let (Message::License { name, .. } | Message::Receipt { name, .. } | Message::Revocation(name, _)) =
            message
        else {
            return *self;
        };
        // As the client checks the device key before anything else.
        if !universe.have_one_key(name.machine, self.identity()) {
            return *self;
        }
        let handle = universe.handle(*name);
        let heard = match message {
            Message::License { deactivations_left, revision, ends, page, .. } => {
                let replaced = record.replaced_by(handle).map(|_| Replaced { proof: Vec::new(), time: NOW });
                let facts = LicenseFacts {
                    handle,
                    request_digest: universe.digest(*name),
                    license_id: universe.terms.id,
                    deactivations_left: *deactivations_left,
                    revision: *revision,
                    // Opaque to every transition: what a check goes by will do.
                    envelope: &codec::encode(&(ends, page)).expect("it can be encoded"),
                };
                record.install(&facts, replaced)
            }
            Message::Receipt { outcome, page, .. } => {
                let word = Word { name: *name, outcome: Some(*outcome), page: *page };
                record.receipt(handle, &encoded(word), NOW).map(drop)
            }
            Message::Revocation(_, page) => {
                let word = Word { name: *name, outcome: None, page: *page };
                record.revoke(handle, "", &encoded(word), NOW).map(drop)
            }
            _ => return *self,
        };
        // It makes a difference to a ledger that was restored, and to no other one.
        if universe.rules.restores.is_none() {
            record.last_word = None;
        }
        match heard {
            Ok(()) => self.commit(None, record, universe, records),
            Err(_) => *self,
        }
    }

    /// The activations that it believes to hold, durable or not.
    pub(super) fn held(&self, universe: &Universe, records: &Records) -> Vec<Name> {
        let memory = match self.process {
            Process::Unsettled => self.visible,
            Process::Committing(memory) | Process::Ready(memory) => memory,
        };
        records.get(memory).handles().map(|handle| self.name(universe, handle)).collect()
    }

    /// Whether it can act.
    pub(super) fn can_act(&self) -> bool {
        self.opened().is_some()
    }

    /// The record that a change begins with: what is known to be durable, or what the next process finds.
    fn opened(&self) -> Option<RecordId> {
        match self.process {
            Process::Unsettled => Some(self.visible),
            Process::Ready(memory) => Some(memory),
            Process::Committing(_) => None,
        }
    }

    /// The record that it may speak of.
    fn ready<'r>(&self, records: &'r Records) -> Option<&'r Record> {
        match self.process {
            Process::Ready(memory) => Some(records.get(memory)),
            Process::Unsettled | Process::Committing(_) => None,
        }
    }

    /// The next activation, if one is left.
    fn draw(&self, universe: &Universe) -> Option<Name> {
        let machine = self.identity();
        (self.drawn < universe.draws(machine)).then_some(Name { machine, draw: self.drawn })
    }

    fn begin(
        &self,
        act: Act,
        memory: RecordId,
        name: Name,
        universe: &Universe,
        records: &mut Records,
    ) -> Option<Self> {
        let mut record = records.get(memory).clone();
        let replace = Replace { license: universe.rules.replaces, request: false };
        record.may_begin(false, (act == Act::Begin).then_some(replace)).ok()?;
        record.begin(universe.pending(name, act != Act::Begin)).ok()?;
        Some(Self { drawn: name.draw + 1, ..self.commit(Some(act), record, universe, records) })
    }

    fn cancel(&self, memory: RecordId, universe: &Universe, records: &mut Records) -> Option<Self> {
        let mut record = records.get(memory).clone();
        record.cancel(Vec::new(), NOW).ok()?;
        Some(self.commit(Some(Act::GiveUp), record, universe, records))
    }

    fn deactivate(&self, memory: RecordId, universe: &Universe, records: &mut Records) -> Option<Self> {
        let mut record = records.get(memory).clone();
        // As the client does, before it makes the proof.
        record.release_license()?;
        record.may_deactivate().ok()?;
        record.deactivate(Vec::new(), NOW, Reason::Moved).ok()?;
        Some(self.commit(Some(Act::GiveUp), record, universe, records))
    }

    /// The first step of a commit, to the rename; if nothing has changed, what was found is made durable.
    fn commit(
        &self,
        act: Option<Act>,
        mut record: Record,
        universe: &Universe,
        records: &mut Records,
    ) -> Self {
        let mutant = universe.rules.mutant;
        let memory = records.id(record.clone());
        let visible = match (mutant, act) {
            (Some(Mutant::AuthorityFirst), Some(Act::GiveUp))
            | (Some(Mutant::RequestNotPersisted), Some(Act::Begin | Act::Recover)) => self.visible,
            (Some(Mutant::ProofOnlyInMemory), _) => {
                record.outstanding.clear();
                records.id(record)
            }
            _ => memory,
        };
        // Kills are searched elsewhere: where the ledger may be restored, a commit is one step.
        if universe.rules.restores.is_some() {
            return Self { visible, durable: visible, process: Process::Ready(memory), ..*self };
        }
        if matches!(self.process, Process::Unsettled) && memory == self.visible {
            return self.settled(universe);
        }
        let process = if visible == self.visible || mutant == Some(Mutant::NoSyncBeforeSending) {
            Process::Ready(memory)
        } else {
            Process::Committing(memory)
        };
        Self { visible, process, ..*self }
    }

    /// With what is visible made durable, which one mutant forgets.
    fn settled(&self, universe: &Universe) -> Self {
        let forgetful = universe.rules.mutant == Some(Mutant::NoSyncOnReopening);
        let durable = if forgetful { self.durable } else { self.visible };
        Self { durable, process: Process::Ready(self.visible), ..*self }
    }

    /// Without a process. If nothing needs to be synced, the next one may as well be there already.
    fn killed(self) -> Self {
        let is_settled = self.visible == self.durable;
        let process = if is_settled { Process::Ready(self.visible) } else { Process::Unsettled };
        Self { process, ..self }
    }
}

/// What stands for a license: when it ends, and its page.
fn content(license: &[u8]) -> (Timestamp, u8) {
    codec::decode(license, 16, "license").expect("it was put there")
}

fn encoded(word: Word) -> Vec<u8> {
    codec::encode(&word).expect("it can be encoded")
}

//! States as numbers, and the steps between them.
//!
//! A state is two machines, a ledger and the set of messages that were sent, each by its number. All transitions are
//! pure functions, so each is called once for each distinct input and remembered: that the search goes through
//! millions of states costs no more than the thousands of distinct machines and ledgers in them.

use super::{
    Rules,
    authority::{Heard, Tables},
    device::{Act, ModelMachine, Records},
    facts::{Message, Name, Universe},
    invariants::{self, Drains},
    table::{FastMap, Table},
};
use crate::{CLOCK_TOLERANCE, Timestamp, authority::SeatState, codec};

/// Both machines, the ledger, and what was sent.
pub(super) type State = [u32; 4];
pub(super) const LEDGER: usize = 2;
pub(super) const SENT: usize = 3;

/// A set of messages, by their numbers.
pub(super) type Messages = u128;

const UNKNOWN: u32 = u32::MAX;

/// One step.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Act(usize, Act),
    Speak(usize),
    /// The first machine's folder is copied to the second.
    Copy,
    /// A machine receives a message.
    Hear(usize, u32),
    /// The authority receives a message.
    Deliver(u32),
    Administer,
    /// Time passes at the authority, or the vendor changes the terms.
    ByItself,
}

/// A [`Heard`] by the numbers of its ledger and its messages.
#[derive(Clone, Copy)]
pub(super) struct HeardIds {
    pub(super) ledger: u32,
    pub(super) says: Messages,
    refused: Option<Name>,
}

/// A machine and what is known of it.
struct MachineNode {
    machine: ModelMachine,
    usable: Option<Name>,
    license_ends: Timestamp,
    pending: Option<Name>,
    acts: Option<Vec<(Act, u32)>>,
    speech: Option<Messages>,
    hears: Box<[u32; 128]>,
}

/// A ledger and what is known of it.
struct LedgerNode {
    ledger: Tables,
    in_force: u32,
    active: u32,
    seat_states: u8,
    can_be_had_later: Option<bool>,
    /// For each message, the number of its replies.
    hears: Box<[u32; 128]>,
    administered: Option<usize>,
}

pub(super) struct Space {
    pub(super) universe: Universe,
    pub(super) records: Records,
    messages: Table<Message>,
    message_list: Vec<Message>,
    for_the_authority: Messages,
    machines: Table<ModelMachine>,
    machine_nodes: Vec<MachineNode>,
    ledgers: Table<Vec<u8>>,
    ledger_nodes: Vec<LedgerNode>,
    replies: Vec<Vec<HeardIds>>,
    sets: Table<Messages>,
    /// Each set, and the seats whose receipts are in it.
    set_list: Vec<(Messages, u32)>,
    pub(super) drains: Drains,
    healed: FastMap<(u32, u32), bool>,
    /// What a transition did that it must not.
    pub(super) flaw: Option<String>,
}

impl Space {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            universe: Universe::new(rules),
            records: Records::default(),
            messages: Table::default(),
            message_list: Vec::new(),
            for_the_authority: 0,
            machines: Table::default(),
            machine_nodes: Vec::new(),
            ledgers: Table::default(),
            ledger_nodes: Vec::new(),
            replies: Vec::new(),
            sets: Table::default(),
            set_list: Vec::new(),
            drains: Drains::default(),
            healed: FastMap::default(),
            flaw: None,
        }
    }

    /// Nobody has done or said anything.
    pub(super) fn start(&mut self) -> State {
        let [a, b] = [0, 1].map(|number| {
            let machine = ModelMachine::new(number, &mut self.records);
            self.machine_id(machine)
        });
        let ledger = Tables::new(&self.universe);
        [a, b, self.ledger_id(ledger), self.set_id(0)]
    }

    /// Everything that may happen next and changes something.
    pub(super) fn steps(&mut self, state: State, steps: &mut Vec<(Step, State)>) {
        steps.clear();
        let sent = self.set_list[state[SENT] as usize].0;
        // Where the ledger may be restored, a machine says at once what it has to say: that leaves deeper searches.
        let is_outspoken = self.universe.rules.restores.is_some();
        for side in 0..2 {
            let with = |space: &mut Self, machine| {
                let mut next = state;
                next[side] = machine;
                if is_outspoken {
                    let said = sent | space.speech(machine);
                    next[SENT] = space.set_id(said);
                }
                next
            };
            for at in 0..self.acts(state[side]).len() {
                let (act, machine) = self.acts(state[side])[at];
                if act != Act::Refused {
                    steps.push((Step::Act(side, act), with(self, machine)));
                }
            }
            let said = sent | self.speech(state[side]);
            if said != sent {
                steps.push((Step::Speak(side), [state[0], state[1], state[LEDGER], self.set_id(said)]));
            }
            for message in members(sent & !self.for_the_authority) {
                let machine = self.heard(state[side], message);
                if machine != state[side] {
                    steps.push((Step::Hear(side, message), with(self, machine)));
                }
            }
        }
        if self.universe.rules.copies {
            let [from, to] = [0, 1].map(|side| self.machine_nodes[state[side] as usize].machine);
            if let Some(copy) = to.copied_from(&from) {
                steps.push((Step::Copy, [state[0], self.machine_id(copy), state[LEDGER], state[SENT]]));
            }
        }
        for message in members(sent & self.for_the_authority) {
            let list = self.replies_to(state[LEDGER], message);
            self.answer(state, sent, list, Step::Deliver(message), steps);
        }
        for next in self.ledger(state[LEDGER]).by_itself(&self.universe) {
            steps.push((Step::ByItself, [state[0], state[1], self.ledger_id(next), state[SENT]]));
        }
        let rules = &self.universe.rules;
        if rules.administered || rules.approval || rules.customers {
            let list = self.administered(state[LEDGER]);
            self.answer(state, sent, list, Step::Administer, steps);
        }
    }

    fn answer(
        &mut self,
        state: State,
        sent: Messages,
        list: usize,
        step: Step,
        steps: &mut Vec<(Step, State)>,
    ) {
        for at in 0..self.replies[list].len() {
            let reply = self.replies[list][at];
            let said = sent | reply.says;
            let set = if said == sent { state[SENT] } else { self.set_id(said) };
            let next = [state[0], state[1], reply.ledger, set];
            if next != state {
                steps.push((step, next));
            }
            // The refusal is an answer on the line: it arrives at once or never.
            if let Some(name) = reply.refused {
                let side = usize::from(self.universe.side(name));
                if self.machine_nodes[state[side] as usize].pending == Some(name)
                    && let Some(machine) = self.act(state[side], Act::Refused)
                {
                    let mut next = next;
                    next[side] = machine;
                    steps.push((Step::Act(side, Act::Refused), next));
                }
            }
        }
    }

    /// What a machine becomes by an act, if it can do it.
    pub(super) fn act(&mut self, machine: u32, act: Act) -> Option<u32> {
        self.acts(machine).iter().find(|(a, _)| *a == act).map(|(_, next)| *next)
    }

    /// The same for an act that the search does not do.
    pub(super) fn machine_act(&mut self, machine: u32, act: Act) -> Option<u32> {
        let machine = self.machine_nodes[machine as usize].machine;
        let next = machine.act(act, &self.universe, &mut self.records)?;
        Some(self.machine_id(next))
    }

    fn acts(&mut self, id: u32) -> &[(Act, u32)] {
        if self.machine_nodes[id as usize].acts.is_none() {
            let machine = self.machine_nodes[id as usize].machine;
            let acts = machine.acts(&self.universe, &mut self.records);
            let acts = acts.into_iter().map(|(act, next)| (act, self.machine_id(next))).collect();
            self.machine_nodes[id as usize].acts = Some(acts);
        }
        self.machine_nodes[id as usize].acts.as_deref().expect("just made")
    }

    /// What a machine says.
    pub(super) fn speech(&mut self, id: u32) -> Messages {
        if let Some(speech) = self.machine_nodes[id as usize].speech {
            return speech;
        }
        let said = self.machine_nodes[id as usize].machine.speech(&self.universe, &self.records);
        let speech = self.message_set(said);
        self.machine_nodes[id as usize].speech = Some(speech);
        speech
    }

    /// What a machine becomes when it hears a message.
    pub(super) fn heard(&mut self, id: u32, message: u32) -> u32 {
        let known = self.machine_nodes[id as usize].hears[message as usize];
        if known != UNKNOWN {
            return known;
        }
        let machine = self.machine_nodes[id as usize].machine;
        let heard = &self.message_list[message as usize];
        let next = machine.hear(heard, &self.universe, &mut self.records);
        let flaw = invariants::flaw_of_hearing(&machine, heard, &next, &self.universe, &self.records);
        if let Some(flaw) = flaw {
            self.flaw = Some(format!("{flaw}: {heard:?}"));
        }
        let next = self.machine_id(next);
        self.machine_nodes[id as usize].hears[message as usize] = next;
        next
    }

    /// What the authority makes of a message; for those with one answer, the first is the answer.
    pub(super) fn replies(&mut self, ledger: u32, message: u32) -> &[HeardIds] {
        let list = self.replies_to(ledger, message);
        &self.replies[list]
    }

    fn replies_to(&mut self, id: u32, message: u32) -> usize {
        let known = self.ledger_nodes[id as usize].hears[message as usize];
        if known != UNKNOWN {
            return known as usize;
        }
        let ledger = self.ledger_nodes[id as usize].ledger.clone();
        let heard = self.message_list[message as usize].clone();
        let answers = vec![ledger.hear(&heard, &self.universe)];
        if let Some(flaw) = invariants::flaw_of_answers(&ledger, Some(&heard), &answers, &self.universe) {
            self.flaw = Some(format!("{flaw}: {heard:?}"));
        }
        let list = self.reply_list(answers);
        self.ledger_nodes[id as usize].hears[message as usize] = list as u32;
        list
    }

    fn administered(&mut self, id: u32) -> usize {
        if let Some(list) = self.ledger_nodes[id as usize].administered {
            return list;
        }
        let ledger = self.ledger_nodes[id as usize].ledger.clone();
        let answers = ledger.administer(&self.universe);
        if let Some(flaw) = invariants::flaw_of_answers(&ledger, None, &answers, &self.universe) {
            self.flaw = Some(format!("{flaw}: an administrator"));
        }
        let list = self.reply_list(answers);
        self.ledger_nodes[id as usize].administered = Some(list);
        list
    }

    fn reply_list(&mut self, answers: Vec<Heard>) -> usize {
        let replies = answers
            .into_iter()
            .map(|answer| HeardIds {
                ledger: self.ledger_id(answer.ledger),
                says: self.message_set(answer.replies),
                refused: answer.refused,
            })
            .collect();
        self.replies.push(replies);
        self.replies.len() - 1
    }

    pub(super) fn machine(&self, id: u32) -> &ModelMachine {
        &self.machine_nodes[id as usize].machine
    }

    pub(super) fn usable(&self, machine: u32) -> Option<Name> {
        self.machine_nodes[machine as usize].usable
    }

    /// The activation whose license a check would accept, on a machine whose clock is behind the authority's as far as
    /// that is tolerated.
    pub(super) fn usable_for_now(&self, machine: u32, ledger: u32) -> Option<Name> {
        let clock = self.ledger(ledger).now().since(Timestamp::MIN).saturating_sub(CLOCK_TOLERANCE);
        let is_over = self.machine_nodes[machine as usize].license_ends.since(Timestamp::MIN) <= clock;
        self.usable(machine).filter(|_| !is_over)
    }

    /// Whether a machine is known to the ledger again after its next check-in.
    pub(super) fn is_healed_at_contact(&mut self, machine: u32, ledger: u32) -> bool {
        if let Some(known) = self.healed.get(&(machine, ledger)) {
            return *known;
        }
        let (at, tables) = (self.machine(machine), self.ledger(ledger));
        let is_healed = invariants::is_healed_at_contact(at, tables, &self.universe, &self.records);
        self.healed.insert((machine, ledger), is_healed);
        is_healed
    }

    /// Whether every machine can have a seat once the end of every license is long over.
    pub(super) fn can_be_had_later(&mut self, id: u32) -> bool {
        if let Some(can) = self.ledger_nodes[id as usize].can_be_had_later {
            return can;
        }
        let can = invariants::can_be_had_later(self.ledger(id), &self.universe);
        self.ledger_nodes[id as usize].can_be_had_later = Some(can);
        can
    }

    pub(super) fn ledger(&self, id: u32) -> &Tables {
        &self.ledger_nodes[id as usize].ledger
    }

    /// The seats whose licenses may be used: those that a device holds, those released by force, for as long as the
    /// lease lasts, and those that another installation of the same machine replaced.
    pub(super) fn in_force(&self, ledger: u32) -> u32 {
        self.ledger_nodes[ledger as usize].in_force
    }

    /// The seats that a device holds.
    pub(super) fn active(&self, ledger: u32) -> u32 {
        self.ledger_nodes[ledger as usize].active
    }

    /// Which states the seats of a ledger are in, one bit each.
    pub(super) fn seat_states(&self, ledger: u32) -> u8 {
        self.ledger_nodes[ledger as usize].seat_states
    }

    /// The seats whose receipts are in a set of messages.
    pub(super) fn acknowledged(&self, set: u32) -> u32 {
        self.set_list[set as usize].1
    }

    pub(super) fn message(&self, id: u32) -> &Message {
        &self.message_list[id as usize]
    }

    /// What is in the later set of messages and not in the earlier one.
    pub(super) fn said(&self, earlier: u32, later: u32) -> impl Iterator<Item = &Message> {
        members(self.set_list[later as usize].0 & !self.set_list[earlier as usize].0).map(|m| self.message(m))
    }

    /// How many distinct machines, ledgers and messages were met.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.machine_nodes.len(), self.ledger_nodes.len(), self.message_list.len())
    }

    fn machine_id(&mut self, machine: ModelMachine) -> u32 {
        let (id, new) = self.machines.id(machine);
        if new {
            self.machine_nodes.push(MachineNode {
                machine,
                usable: machine.usable(&self.universe, &self.records),
                license_ends: machine.license_ends(&self.records),
                pending: machine.pending(&self.universe, &self.records),
                acts: None,
                speech: None,
                hears: Box::new([UNKNOWN; 128]),
            });
        }
        id
    }

    fn ledger_id(&mut self, ledger: Tables) -> u32 {
        let (id, new) = self.ledgers.id(codec::encode(&ledger).expect("a ledger can be encoded"));
        if new {
            if let Some(flaw) = invariants::flaw_of_ledger(&ledger, &self.universe) {
                self.flaw = Some(flaw.to_owned());
            }
            self.ledger_nodes.push(LedgerNode {
                in_force: ledger.seats_in(&[SeatState::Active, SeatState::Replaced, SeatState::Revoked]),
                active: ledger.seats_in(&[SeatState::Active]),
                seat_states: ledger.seats.values().fold(0, |set, seat| set | 1 << seat.state() as u8),
                can_be_had_later: None,
                ledger,
                hears: Box::new([UNKNOWN; 128]),
                administered: None,
            });
        }
        id
    }

    fn message_set(&mut self, messages: Vec<Message>) -> Messages {
        messages.into_iter().fold(0, |set, message| set | 1 << self.message_id(message))
    }

    fn message_id(&mut self, message: Message) -> u32 {
        let (id, new) = self.messages.id(message.clone());
        if new {
            assert!(id < Messages::BITS, "more distinct messages than a set holds");
            if message.is_for_the_authority() {
                self.for_the_authority |= 1 << id;
            }
            self.message_list.push(message);
        }
        id
    }

    fn set_id(&mut self, set: Messages) -> u32 {
        let (id, new) = self.sets.id(set);
        if new {
            let mut acknowledged = 0;
            for message in members(set) {
                if let Message::Receipt { name, .. } = self.message(message) {
                    let name = *name;
                    if acknowledged & name.bit() != 0 && self.universe.rules.restores.is_none() {
                        self.flaw = Some(format!("{name:?} has two receipts"));
                    }
                    acknowledged |= name.bit();
                }
            }
            self.set_list.push((set, acknowledged));
        }
        id
    }
}

/// The messages of a set, lowest number first.
pub(super) fn members(mut set: Messages) -> impl Iterator<Item = u32> + use<> {
    std::iter::from_fn(move || {
        let next = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(next)
    })
}

//! What must hold, and how it is checked.
//!
//! **I1** is a look at each state: the activation that a check would accept is a seat that the authority counts as
//! active. The one exception is a seat released by force whose machine has not heard of it yet (`docs/PROTOCOL.md`,
//! Invariants).
//!
//! **I2** says that something *can* be done, so it is shown by doing it: in every state a fixed procedure, the
//! drain, is carried out through the same transitions, and must end with no seat taken. It lets every process finish
//! what it is about, gives up what each machine has, and hands over the proofs, or the codes; it uses no message that
//! was sent before. Where it succeeds it *is* the path that I2 asks for. Where it fails there is none: a seat is freed
//! only by a proof or code of its own activation, and a machine can say these only of activations that its process or
//! its store knows, all of which the drain gives up and says. (A power cut may happen to bring back a record that knew
//! more; that is nothing a customer can do.)
//!
//! **Allowance** is for copies of a store, which break I1 by themselves: whoever gives a seat up in a copy leaves a
//! license in the original, and where there is no lease it never ends. So on distinct hardware there are never more
//! usable stores than the seats, the deactivations that were counted and the cancellations that are allowed without
//! being counted.
//!
//! **Seats** is about time (`docs/PROTOCOL.md`, Seats over time). On distinct hardware there are never more usable
//! stores than the seats and those that were released by force and may be in use until their end, while a device's
//! clock is behind as far as that is tolerated. And a request that is made when every license is long over gets a seat,
//! whatever came before.
//!
//! **Ledger** is the rest of what the authority promises (`docs/PROTOCOL.md`, The authority's rules, Forced release).
//! Most of it is about single transitions, and is looked at when one is made for the first time: what it finds is the
//! space's *flaw*.
//!
//! When no deactivation is left, a seat does not become free but stays with its machine (`docs/PROTOCOL.md`,
//! Returned and Held). Then the drain must end with every taken seat either usable on its machine, or held and granted
//! to its machine again.

use super::{
    Invariant,
    authority::{Heard, Ruled, Tables},
    device::{Act, ModelMachine, Records},
    facts::{Along, Message, Name, Proof, STEP, Signer, Universe},
    space::{LEDGER, SENT, Space, State, members},
    table::FastMap,
};
use crate::{
    CLOCK_TOLERANCE, Timestamp,
    authority::{Allowance, Seat, SeatState},
};

/// A time at which every license of the search is over, and every margin.
const LONG_AFTER: u8 = 100;

/// How the drain hands seats over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Channel {
    /// Files, or online.
    Proofs,
    /// The phone.
    Codes,
    /// A pending recovery, as a file or online.
    Recovery,
}

/// Drains that were done before, by machine, ledger and channel.
#[derive(Default)]
pub(super) struct Drains {
    one: FastMap<(u32, u32, Channel), (u32, u32)>,
    both: FastMap<[u32; 3], bool>,
}

/// Whether the invariant holds in that state.
pub(super) fn holds(invariant: Invariant, state: State, space: &mut Space) -> bool {
    match invariant {
        Invariant::I1 => state[..LEDGER].iter().all(|machine| {
            let in_force = space.in_force(state[LEDGER]);
            let is_right = space.usable(*machine).is_none_or(|name| in_force & name.bit() != 0);
            is_right || space.is_healed_at_contact(*machine, state[LEDGER])
        }),
        Invariant::Seats if space.ledger(state[LEDGER]).restored_to.is_some() => {
            let usable = [0, 1].map(|side| space.usable_for_now(state[side], state[LEDGER]));
            let ledger = space.ledger(state[LEDGER]);
            usable.into_iter().flatten().all(|name| is_kept(name, ledger, &space.universe))
                && space.can_be_had_later(state[LEDGER])
        }
        Invariant::Seats => {
            let is_usable = |machine: &&u32| space.usable_for_now(**machine, state[LEDGER]).is_some();
            let usable = state[..LEDGER].iter().filter(is_usable).count();
            let usable = if space.universe.rules.one_hardware { usable.min(1) } else { usable };
            let ledger = space.ledger(state[LEDGER]);
            let tolerated = ledger.now().since(Timestamp::MIN).saturating_sub(CLOCK_TOLERANCE);
            let may_go_on = |seat: &&Seat| {
                matches!(seat.state(), SeatState::Replaced | SeatState::Revoked)
                    && seat.ends().is_none_or(|end| end.since(Timestamp::MIN) > tolerated)
            };
            let explained =
                space.universe.terms.seats as usize + ledger.seats.values().filter(may_go_on).count();
            usable <= explained && space.can_be_had_later(state[LEDGER])
        }
        Invariant::Allowance => {
            let usable = state[..LEDGER].iter().filter(|machine| space.usable(**machine).is_some()).count();
            let ledger = space.ledger(state[LEDGER]);
            let explained =
                space.universe.terms.seats + ledger.usage().deactivated + ledger.cancellations.count();
            usable <= explained as usize
        }
        Invariant::I2 => can_be_drained([state[0], state[1], state[LEDGER]], space),
        // What is acknowledged stays given up, even if its activation arrives after it.
        Invariant::Ledger => {
            let has_forgotten = space.ledger(state[LEDGER]).restored_to.is_some();
            let is_over = space.active(state[LEDGER]) & space.acknowledged(state[SENT]);
            space.flaw.is_none() && (is_over == 0 || has_forgotten)
        }
    }
}

/// Whether a seat that is in use counts, in a ledger that was restored and has it as active. One that had lapsed when
/// the lost time began need not.
fn is_kept(name: Name, ledger: &Tables, universe: &Universe) -> bool {
    let began = ledger.at(ledger.restored_to.unwrap_or_default()).now();
    let counted = |seat: &Seat| seat.ends().is_none_or(|end| end.plus_days(STEP) >= began);
    let seat = ledger.seats.get(&name).filter(|seat| seat.state() == SeatState::Active && counted(seat));
    seat.is_none() || ledger.counting(universe) & name.bit() != 0
}

/// Whether a machine whose license the ledger does not know is known again, or told that its seat is over, at its next
/// check-in.
pub(super) fn is_healed_at_contact(
    machine: &ModelMachine,
    ledger: &Tables,
    universe: &Universe,
    records: &Records,
) -> bool {
    let Some(contact) = machine.contact(universe, records).filter(|_| ledger.restored_to.is_some()) else {
        return false;
    };
    let answer = ledger.hear(&contact, universe);
    answer.replies.iter().any(|reply| match reply {
        Message::License { name, .. } => answer.ledger.state(*name) == Some(SeatState::Active),
        Message::Revocation(..) => true,
        _ => false,
    })
}

fn can_be_drained(at: [u32; 3], space: &mut Space) -> bool {
    if let Some(known) = space.drains.both.get(&at) {
        return *known;
    }
    let channels = match space.universe.rules.restores {
        None => &[Channel::Proofs, Channel::Codes][..],
        Some(_) => &[Channel::Proofs],
    };
    let can = channels.iter().all(|&channel| {
        let (a, ledger) = drain(at[0], at[2], channel, space);
        let (b, ledger) = drain(at[1], ledger, channel, space);
        no_seat_is_lost([a, b], ledger, space)
    });
    space.drains.both.insert(at, can);
    can
}

/// One machine's part of the drain: the machine and the ledger after it.
fn drain(machine: u32, ledger: u32, channel: Channel, space: &mut Space) -> (u32, u32) {
    let key = (machine, ledger, channel);
    if let Some(known) = space.drains.one.get(&key) {
        return *known;
    }
    let mut at = (finish(machine, space), ledger);
    // What was lost with a store comes back by a recovery, which may be pending already.
    at = hand_over(at, Channel::Recovery, space);
    at = give_up(at, channel, space);
    if let Some(next) = space.machine_act(at.0, Act::RecoverAtLast) {
        at = hand_over((finish(next, space), at.1), Channel::Recovery, space);
        at = give_up(at, channel, space);
    }
    let (machine, ledger) = at;
    space.drains.one.insert(key, (machine, ledger));
    (machine, ledger)
}

/// Gives up what a machine has, and hands it over.
fn give_up((machine, ledger): (u32, u32), channel: Channel, space: &mut Space) -> (u32, u32) {
    let mut machine = machine;
    while let Some(next) = space.act(machine, Act::GiveUp) {
        machine = finish(next, space);
    }
    hand_over((machine, ledger), channel, space)
}

/// Hands over what a machine says in a channel, and lets it hear the answers.
fn hand_over((machine, ledger): (u32, u32), channel: Channel, space: &mut Space) -> (u32, u32) {
    let (mut machine, mut ledger) = (machine, ledger);
    for message in members(space.speech(machine)) {
        let fits = match space.message(message) {
            Message::Proof(_) => channel == Channel::Proofs,
            Message::Code(_) => channel == Channel::Codes,
            Message::Request { recovery, .. } => *recovery && channel == Channel::Recovery,
            _ => false,
        };
        if fits {
            let reply = space.replies(ledger, message)[0];
            ledger = reply.ledger;
            machine = members(reply.says).fold(machine, |machine, answer| {
                let heard = space.heard(machine, answer);
                finish(heard, space)
            });
        }
    }
    (machine, ledger)
}

/// Lets a process finish its commit, or the next one what a killed one left.
fn finish(mut machine: u32, space: &mut Space) -> u32 {
    while let Some(next) = space.act(machine, Act::SyncDirectory).or_else(|| space.act(machine, Act::Settle))
    {
        machine = next;
    }
    machine
}

fn no_seat_is_lost(machines: [u32; 2], ledger: u32, space: &Space) -> bool {
    let universe = &space.universe;
    let ledger = space.ledger(ledger);
    // What a license says of deactivations that are left may be of before a reset or a period.
    let may_differ = universe.rules.resets > 0 || universe.rules.period > 0;
    let exhausted = ledger.left(Allowance::Deactivations, universe) == Some(0) || may_differ;
    let stays = |name: Name| {
        let machine = machines[usize::from(name.machine)];
        space.usable(machine) == Some(name) && space.machine(machine).must_stay(&space.records)
    };
    let counting = ledger.counting(universe);
    let taken_rightly = ledger.seats.iter().all(|(name, seat)| match seat.state() {
        // What ended in the lost time lapses, if its device does not say so before.
        SeatState::Active | SeatState::Held if ledger.restored_to.is_some() => true,
        // Nobody is kept from anything by what has lapsed.
        SeatState::Active | SeatState::Held if counting & name.bit() == 0 => true,
        SeatState::Active => exhausted && stays(*name),
        SeatState::Held => exhausted && is_granted_anew(name.machine, ledger, universe),
        SeatState::Replaced | SeatState::Returned | SeatState::Cancelled | SeatState::Revoked => true,
    });
    // What is free must be of use to any machine.
    let free = counting.count_ones() < universe.terms.seats && has_an_activation(ledger, universe);
    taken_rightly && (!free || (0..2).all(|machine| is_granted_anew(machine, ledger, universe)))
}

fn has_an_activation(ledger: &Tables, universe: &Universe) -> bool {
    ledger.left(Allowance::Activations, universe) != Some(0)
}

/// Whether a request that was never made before gets that machine a seat, if its trial is not over.
fn is_granted_anew(machine: u8, ledger: &Tables, universe: &Universe) -> bool {
    let name = Name { machine, draw: universe.draw_of_another(machine) };
    if ledger.has_had_its_trial(name, universe) {
        return true;
    }
    let request = Message::Request { name, releases: Vec::new(), recovery: false, word: None };
    let mut answer = ledger.hear(&request, universe);
    if answer.lacks_approval
        && let Some(approved) = answer.ledger.ruled(name, Ruled::Approved, universe)
    {
        answer = approved.ledger.hear(&request, universe);
    }
    answer.ledger.state(name) == Some(SeatState::Active)
}

/// Whether each machine gets a seat once every license is long over, if it alone asks.
pub(super) fn can_be_had_later(ledger: &Tables, universe: &Universe) -> bool {
    let later = ledger.at(LONG_AFTER);
    let can_be_had = universe.rules.days > 0 && has_an_activation(&later, universe);
    !can_be_had || (0..2).all(|machine| is_granted_anew(machine, &later, universe))
}

/// What is wrong with a ledger by itself.
pub(super) fn flaw_of_ledger(ledger: &Tables, universe: &Universe) -> Option<&'static str> {
    if ledger.restored_to.is_none() && !ledger.gaps().is_empty() {
        return Some("a ledger that was never restored has lost something");
    }
    if ledger.usage().taken > universe.terms.seats && ledger.restored_to.is_none() {
        return Some("more seats are taken than were sold");
    }
    let replaced = ledger.seats.values().filter(|seat| seat.was_replaced_by_customer()).count();
    if replaced > universe.rules.replace as usize {
        return Some("more seats were replaced than the license allows");
    }
    if !universe.rules.reckons() {
        if universe.terms.deactivations.is_some_and(|allowed| ledger.usage().deactivated > allowed) {
            return Some("more deactivations counted than were allowed");
        }
    } else if let Some(flaw) =
        Allowance::ALL.into_iter().find_map(|of| flaw_of_allowance(of, ledger, universe))
    {
        return Some(flaw);
    }
    if universe.rules.trial > 0
        && let Some(flaw) =
            ledger.seats.iter().find_map(|(name, seat)| flaw_of_trial(*name, seat, ledger, universe))
    {
        return Some(flaw);
    }
    // A receipt says that the seat's life is over.
    if ledger.seats.values().any(|seat| seat.state() == SeatState::Active && seat.receipt().is_some()) {
        return Some("a seat that was given up is active");
    }
    None
}

/// What is wrong with the trial of a seat: its computer has one, from its first seat on.
fn flaw_of_trial(name: Name, seat: &Seat, ledger: &Tables, universe: &Universe) -> Option<&'static str> {
    if seat.state() == SeatState::Cancelled {
        return None;
    }
    let end = ledger.trial_ends(universe.hardware(name), universe);
    if seat.trial_ends(ledger.terms(universe)) != end {
        return Some("a seat's trial is not its computer's");
    }
    (seat.ends() > end).then_some("a license outlasts the trial")
}

/// What is wrong with how an allowance of a ledger was used up.
fn flaw_of_allowance(of: Allowance, ledger: &Tables, universe: &Universe) -> Option<&'static str> {
    let (used, allowed) = ledger.reckoned(of, universe);
    let noted = ledger.license(universe).balance(of, ledger.now());
    match ledger.restored_to {
        // What was used up in the lost time is known again when a device speaks.
        Some(_) => (noted.used > used).then_some("more is noted as used up than was used up"),
        None if noted.used != used => Some("what is noted as used up is not what was used up"),
        None if noted.allowed != allowed => Some("what is noted as allowed is not what was allowed"),
        None => allowed.is_some_and(|allowed| used > allowed).then_some("more was used up than was allowed"),
    }
}

/// What is wrong with a transaction.
pub(super) fn flaw_of_answers(
    ledger: &Tables,
    message: Option<&Message>,
    answers: &[Heard],
    universe: &Universe,
) -> Option<&'static str> {
    let seats = universe.terms.seats;
    let counted = ledger.counting(universe);
    for answer in answers {
        let counting = answer.ledger.counting(universe);
        let is_check_in = matches!(message, Some(Message::CheckIn { .. }));
        let is_flagged = is_check_in && answer.is_healed && ledger.restored_to.is_some();
        if counting.count_ones() > seats.max(counted.count_ones()) && !is_flagged {
            return Some("more seats count than there are");
        }
        if answer.lacks_a_seat && counting.count_ones() < seats {
            return Some("a seat is refused while one is free");
        }
        if answer.lacks_an_activation {
            let (used, allowed) = ledger.reckoned(Allowance::Activations, universe);
            if ledger.restored_to.is_none() && allowed.is_none_or(|allowed| used < allowed) {
                return Some("an activation is refused while one is left");
            }
        }
        let has_had_its_trial = |name: Name| ledger.has_had_its_trial(name, universe);
        if answer.lacks_a_trial && !message.and_then(Message::sender).is_some_and(has_had_its_trial) {
            return Some("a trial is refused that is not over");
        }
        // With the answer its computer has a trial, if it had none before.
        let trial_is_over = |name: Name| {
            let end = answer.ledger.trial_ends(universe.hardware(name), universe);
            end.is_some_and(|end| ledger.now() >= end)
        };
        let is_late =
            |reply: &Message| matches!(reply, Message::License { name, .. } if trial_is_over(*name));
        if answer.replies.iter().any(is_late) {
            return Some("a license is signed after the trial");
        }
        if let Some(flaw) = flaw_of_approval(ledger, message, answer, universe) {
            return Some(flaw);
        }
        if answer.is_allowed && answer.ledger.seats != ledger.seats {
            return Some("a seat changed with an allowance");
        }
        if let Some(released) = answer.released_by_customer {
            let is_silent = ledger.now().since(ledger.seats[&released].contact()).as_secs() >= 7 * 86_400;
            let has_changed = |name: &&Name| ledger.seats[*name] != answer.ledger.seats[*name];
            let mut changed = ledger.seats.keys().filter(has_changed);
            if !changed.all(|name| *name == released && is_silent && counted & name.bit() != 0) {
                return Some("a customer released a seat that is in use, or is over by itself");
            }
            let again = answer.ledger.released_by_customer(released, universe);
            let is_same =
                again.is_some_and(|again| again.ledger == answer.ledger && again.replies == answer.replies);
            if !is_same {
                return Some("a customer's release that comes again is another one");
            }
        }
        let used_up = |name: &Name| answer.ledger.seats.get(name).is_some_and(Seat::is_counted);
        let lapsed = |(name, seat): (&Name, &Seat)| {
            seat.state().is_taken() && counted & name.bit() == 0 && used_up(name)
        };
        if ledger.seats.iter().any(lapsed) {
            return Some("giving up a lapsed seat used up a deactivation");
        }
        let asking = message.and_then(Message::sender);
        let is_lost_to = |asking: Name| {
            let is_lost = |name: &&Name| counted & !counting & name.bit() != 0;
            let mut lost = ledger.seats.keys().filter(is_lost);
            lost.any(|name| {
                let is_silent = ledger.now().since(ledger.seats[name].contact()).as_secs() >= 7 * 86_400;
                let is_replaced = is_silent && answer.ledger.seats[name].was_replaced_by_customer();
                !is_replaced
                    && universe.hardware(*name) != universe.hardware(asking)
                    && !universe.have_one_key(name.machine, asking.machine)
            })
        };
        let is_cancelled = |name: &Name| {
            let seat = &answer.ledger.seats[name];
            let is_first = *seat.machine() == universe.digest(*name);
            seat.state() == SeatState::Returned && !is_first && !seat.is_counted()
        };
        if let Some(Message::Proof(Proof { name, cancelled: false, .. })) = message
            && ledger.state(*name) == Some(SeatState::Active)
            && answer.ledger.state(*name) != Some(SeatState::Active)
        {
            let is_returned = answer.ledger.state(*name) == Some(SeatState::Returned);
            if ledger.may_give_up(*name, universe) != Some(is_returned) {
                return Some("a device that asked was told otherwise than what became of its seat");
            }
        }
        let is_counted = universe.terms.deactivations.is_some();
        if let Some(Message::Proof(Proof { name, .. }) | Message::Code(name)) = message
            && is_counted
            && counted & name.bit() != 0
            && is_cancelled(name)
        {
            return Some("a seat that took the place of another is freed at no charge");
        }
        if let Some(Message::Request { name: asked, .. }) = message {
            let created = universe.created(*asked).plus(CLOCK_TOLERANCE);
            let is_replaced = |(name, seat): (&Name, &Seat)| {
                seat.state() != SeatState::Replaced
                    && answer.ledger.state(*name) == Some(SeatState::Replaced)
                    && universe.created(*name) > created
            };
            if ledger.seats.iter().any(is_replaced) {
                return Some("a seat is replaced for an older request");
            }
        }
        if asking.is_some_and(is_lost_to) {
            return Some("a seat that counted is lost to another machine");
        }
        for (name, seat) in &ledger.seats {
            let Some(now) = answer.ledger.state(*name) else { return Some("a seat is forgotten") };
            // The states are listed in the order of a seat's life. Only a check-in takes back the place of one that was
            // replaced.
            let is_taken_back = seat.state() == SeatState::Replaced
                && matches!(message, Some(Message::CheckIn { name: asking, .. }) if asking == name);
            let is_unreleased = universe.rules.unreleases
                && message.is_none()
                && (seat.state(), now) == (SeatState::Revoked, SeatState::Active);
            if (now as u8) < seat.state() as u8 && !is_taken_back && !is_unreleased {
                return Some("a seat came back to life");
            }
        }
        let asked = match message {
            Some(Message::Request { name, .. }) => Some(*name),
            _ => None,
        };
        let is_new = |name: &Name| {
            ledger.state(*name).is_none() && answer.ledger.state(*name) == Some(SeatState::Active)
        };
        // What a thief dates into the lost time passes for lost.
        let is_genuine = |along: &Along| {
            along.by == Signer::Authority || (along.by == Signer::Thief && ledger.may_miss(along.page))
        };
        let entered = match message {
            Some(Message::CheckIn { name, along: Some(along), .. }) if is_genuine(along) => Some(*name),
            _ => None,
        };
        let is_expected = |name: &Name| Some(*name) == asked || Some(*name) == entered;
        let is_earlier = |name: &Name, seat: &Seat| {
            let later = entered.and_then(|entered| answer.ledger.seats.get(&entered));
            Some(*name) != entered
                && seat.state().is_taken()
                && later.is_some_and(|later| {
                    seat.device_key() == later.device_key()
                        && seat.granted() <= later.granted()
                        && entered.is_some_and(|entered| is_new(&entered))
                })
        };
        let is_alone = |name: &Name| {
            let mut others = ledger.seats.keys().filter(|other| *other != name);
            !others.any(|other| universe.have_one_key(other.machine, name.machine))
        };
        if let Some(entered) = entered.filter(|name| is_new(name) && is_alone(name))
            && universe.rules.reckons()
            && !answer.ledger.seats[&entered].is_activation()
        {
            return Some("a seat is entered again, and used up no activation");
        }
        if answer.ledger.seats.iter().any(|(name, seat)| is_earlier(name, seat)) {
            return Some("a seat is entered again, and its device has an earlier one");
        }
        if let Some(Message::Request { word: Some(word), .. }) = message
            && answer.ledger.state(word.name) == Some(SeatState::Active)
            && ledger.may_miss(word.page)
        {
            return Some("a seat goes on whose device has the receipt");
        }
        if answer.ledger.seats.keys().any(|name| is_new(name) && !is_expected(name)) {
            return Some("a seat was granted that nobody asked for");
        }
        let is_over = |reply: &Message| matches!(reply, Message::License { name, .. } if answer.ledger.state(*name) != Some(SeatState::Active));
        if answer.replies.iter().any(is_over) {
            return Some("a license is issued for a seat that is over");
        }
        let Some(message) = message else { continue };
        let again = answer.ledger.hear(message, universe);
        if answer.ledger != *ledger && again.ledger != answer.ledger {
            return Some("the same message twice changed something");
        }
        let is_new = again.replies.iter().any(|reply| !answer.replies.contains(reply));
        if answer.ledger != *ledger && answer.refused.is_none() && is_new {
            return Some("the same message twice got another answer");
        }
    }
    None
}

/// What is wrong with an answer where activations wait for approval.
fn flaw_of_approval(
    ledger: &Tables,
    message: Option<&Message>,
    answer: &Heard,
    universe: &Universe,
) -> Option<&'static str> {
    if let Some((name, ruled)) = answer.ruled {
        if answer.ledger.seats != ledger.seats {
            return Some("a seat changed with an approval");
        }
        if ruled == Ruled::Approved && ledger.refused & name.bit() != 0 {
            return Some("a request that was refused is approved");
        }
        let Some(again) = answer.ledger.ruled(name, ruled, universe) else {
            return Some("what the vendor said of a request cannot be said again");
        };
        if again.is_noted || again.ledger != answer.ledger {
            return Some("the same was said twice of a request, and counted twice");
        }
    }
    let Some(Message::Request { name, .. }) = message.filter(|_| universe.rules.approval) else {
        return None;
    };
    let is_approved = ledger.approved & name.bit() != 0;
    let is_granted = ledger.state(*name).is_none() && answer.ledger.state(*name) == Some(SeatState::Active);
    if is_granted && !answer.took_a_place && !is_approved {
        return Some("a seat was granted that nobody approved");
    }
    (answer.lacks_approval && is_approved).then_some("a request is kept waiting that was approved")
}

/// What is wrong with how a machine took a message.
pub(super) fn flaw_of_hearing(
    machine: &ModelMachine,
    message: &Message,
    next: &ModelMachine,
    universe: &Universe,
    records: &Records,
) -> Option<&'static str> {
    let before = machine.held(universe, records);
    let after = next.held(universe, records);
    if after.iter().any(|name| !before.contains(name)) {
        return Some("a message of the authority began an activation");
    }
    // Bounded by the lease until then, and over when the machine hears of it (`docs/PROTOCOL.md`, Forced release).
    (matches!(message, Message::Revocation(name, _) if machine.can_act() && after.contains(name)))
        .then_some("a revoked activation goes on")
}

//! The search: breadth first, so that the first breach found is one of the shortest.

use std::{
    collections::HashSet,
    fmt::Write as _,
    hash::BuildHasherDefault,
    time::{Duration, Instant},
};

use super::{
    Invariant, Rules, Switched,
    device::Act,
    invariants,
    space::{LEDGER, SENT, Space, State, Step},
    table::FastHasher,
};
use crate::authority::Seat;

/// What a search found.
pub(super) struct Found {
    pub(super) states: usize,
    transitions: u64,
    depth: usize,
    /// Whether there are no more states.
    pub(super) exhausted: bool,
    pub(super) breach: Option<Breach>,
    /// Which states of a seat occurred: bit n for the n-th of [`SeatState`](crate::authority::SeatState).
    pub(super) reached: u8,
    sizes: (usize, usize, usize),
    time: Duration,
}

/// The way to a state in which an invariant does not hold.
pub(super) struct Breach {
    invariant: Invariant,
    /// The flaw, if there is one.
    flaw: Option<String>,
    trace: Vec<String>,
}

/// Goes through at most `limit` states, or to the first breach of one of `invariants`.
pub(super) fn search(rules: Rules, invariants: &[Invariant], limit: usize) -> Found {
    let started = Instant::now();
    let _switched = Switched::on(rules.mutant);
    let mut space = Space::new(rules);
    let start = space.start();
    let mut states = vec![start];
    let mut parents = vec![0_u32];
    let mut seen: HashSet<State, BuildHasherDefault<FastHasher>> = HashSet::from_iter([start]);
    let (mut transitions, mut reached) = (0, 0);
    let mut breach = None;
    let mut steps = Vec::new();
    let mut at = 0;
    'search: while at < states.len() && states.len() < limit {
        space.steps(states[at], &mut steps);
        if space.flaw.is_some() && invariants.contains(&Invariant::Ledger) {
            // One of the steps from here is to blame; the flaw says which.
            breach = Some(Breach::new(Invariant::Ledger, at, &mut space, &states, &parents));
            break 'search;
        }
        for &(_, next) in &steps {
            transitions += 1;
            if !seen.insert(next) {
                continue;
            }
            states.push(next);
            parents.push(at as u32);
            reached |= space.seat_states(next[LEDGER]);
            if let Some(broken) = invariants.iter().find(|i| !invariants::holds(**i, next, &mut space)) {
                let last = states.len() - 1;
                breach = Some(Breach::new(*broken, last, &mut space, &states, &parents));
                break 'search;
            }
        }
        at += 1;
    }
    Found {
        states: states.len(),
        transitions,
        // Breadth first: the last one found is as far away as any.
        depth: way(states.len() - 1, &parents).len(),
        exhausted: breach.is_none() && at == states.len(),
        breach,
        reached,
        sizes: space.sizes(),
        time: started.elapsed(),
    }
}

impl Found {
    /// Prints the figures, and the trace if there is one.
    pub(super) fn print(&self, title: &str) {
        let mut text = format!(
            "{title}: {} states{}, {} transitions, depth {}, {:.1} s ({} machines, {} ledgers, {} messages)\n",
            self.states,
            if self.exhausted { ", all there are" } else { "" },
            self.transitions,
            self.depth,
            self.time.as_secs_f64(),
            self.sizes.0,
            self.sizes.1,
            self.sizes.2,
        );
        if let Some(breach) = &self.breach {
            let _ = writeln!(text, "  {:?} is broken after {} steps", breach.invariant, breach.trace.len());
            for (number, step) in (1..).zip(&breach.trace) {
                let _ = writeln!(text, "  {number:2}  {step}");
            }
            if let Some(flaw) = &breach.flaw {
                let _ = writeln!(text, "      {flaw}");
            }
        }
        print!("{text}");
    }
}

impl Breach {
    fn new(invariant: Invariant, at: usize, space: &mut Space, states: &[State], parents: &[u32]) -> Self {
        let flaw = space.flaw.take().filter(|_| invariant == Invariant::Ledger);
        Self { invariant, flaw, trace: trace(at, space, states, parents) }
    }
}

/// The states that lead to this one, itself first.
fn way(to: usize, parents: &[u32]) -> Vec<usize> {
    std::iter::successors(Some(to), |at| Some(parents[*at] as usize)).take_while(|at| *at != 0).collect()
}

/// The steps to a state.
fn trace(to: usize, space: &mut Space, states: &[State], parents: &[u32]) -> Vec<String> {
    let mut steps = Vec::new();
    let mut trace = Vec::new();
    for at in way(to, parents).into_iter().rev() {
        let (before, after) = (states[parents[at] as usize], states[at]);
        space.steps(before, &mut steps);
        let step = steps.iter().find(|(_, next)| *next == after).expect("it was found that way").0;
        trace.push(describe(space, step, before, after));
    }
    trace
}

fn describe(space: &Space, step: Step, before: State, after: State) -> String {
    let machine = |side: usize| ['A', 'B'][side];
    let mut text = match step {
        Step::Act(side, Act::Refused) => format!("the authority refuses what {} asks for", machine(side)),
        Step::Act(side, act) => format!("{}: {act:?}", machine(side)),
        Step::Copy => "A's folder is copied to B".to_owned(),
        Step::Speak(side) => format!("{} speaks", machine(side)),
        Step::Hear(side, message) => format!("{} hears {:?}", machine(side), space.message(message)),
        Step::Deliver(message) => format!("the authority hears {:?}", space.message(message)),
        Step::Administer => "an administrator acts".to_owned(),
        Step::ByItself
            if space.ledger(before[LEDGER]).restored_to != space.ledger(after[LEDGER]).restored_to =>
        {
            "the ledger is restored".to_owned()
        }
        Step::ByItself
            if space.ledger(before[LEDGER]).has_copy() != space.ledger(after[LEDGER]).has_copy() =>
        {
            "the ledger is copied".to_owned()
        }
        Step::ByItself if space.ledger(before[LEDGER]).day == space.ledger(after[LEDGER]).day => {
            "the vendor changes the terms".to_owned()
        }
        Step::ByItself => format!("it is day {}", space.ledger(after[LEDGER]).day),
    };
    if before[SENT] != after[SENT] {
        let said = space.said(before[SENT], after[SENT]);
        let _ = write!(text, "; new: {}", said.map(|m| format!("{m:?}")).collect::<Vec<_>>().join(", "));
    }
    if before[LEDGER] != after[LEDGER] {
        let ledger = space.ledger(after[LEDGER]);
        let lapsed = |seat: &Seat| if seat.is_lapsed() { " (lapsed)" } else { "" };
        let seats = ledger.seats.iter();
        let seats = seats.map(|(name, seat)| format!("{name:?} {:?}{}", seat.state(), lapsed(seat)));
        let _ = write!(text, "; ledger: {}", seats.collect::<Vec<_>>().join(", "));
    }
    for side in 0..2 {
        match (space.usable(before[side]), space.usable(after[side])) {
            (None, Some(name)) => text += &format!("; {name:?} is usable"),
            (Some(name), None) => text += &format!("; {name:?} is no longer usable"),
            _ => {}
        }
    }
    text
}

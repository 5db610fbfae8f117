//! The search: breadth first, so that the first breach found is one of the shortest.

use std::{
    collections::HashSet,
    fmt::Write as _,
    hash::BuildHasherDefault,
    time::{Duration, Instant},
};

use super::{
    Invariant, Rules, invariants,
    space::{FastHasher, LEDGER, SENT, Space, State, Step},
};

/// What a search found.
pub(super) struct Found {
    pub(super) states: usize,
    transitions: u64,
    depth: usize,
    /// Whether there are no more states.
    pub(super) exhausted: bool,
    pub(super) breach: Option<Breach>,
    sizes: (usize, usize, usize),
    time: Duration,
}

/// The way to a state in which an invariant does not hold.
pub(super) struct Breach {
    pub(super) invariant: Invariant,
    /// What the ledger's invariant found.
    flaw: Option<&'static str>,
    pub(super) trace: Vec<String>,
}

/// Goes through at most `limit` states, or to the first breach of one of `invariants`.
pub(super) fn search(rules: Rules, invariants: &[Invariant], limit: usize) -> Found {
    let started = Instant::now();
    let mut space = Space::new(rules);
    let start = space.start();
    let mut states = vec![start];
    let mut parents = vec![0_u32];
    let mut seen: HashSet<State, BuildHasherDefault<FastHasher>> = HashSet::from_iter([start]);
    let (mut transitions, mut depth, mut end_of_level) = (0, 0, 1);
    let mut breach = None;
    let mut steps = Vec::new();
    let mut at = 0;
    'search: while at < states.len() && states.len() < limit {
        if at == end_of_level {
            depth += 1;
            end_of_level = states.len();
        }
        space.steps(states[at], &mut steps);
        for &(_, next) in &steps {
            transitions += 1;
            if !seen.insert(next) {
                continue;
            }
            states.push(next);
            parents.push(at as u32);
            if let Some(broken) = invariants.iter().find(|i| !invariants::holds(**i, next, &mut space)) {
                let trace = trace(&mut space, &states, &parents);
                breach = Some(Breach { invariant: *broken, flaw: space.flaw, trace });
                break 'search;
            }
        }
        at += 1;
    }
    Found {
        states: states.len(),
        transitions,
        depth: depth + 1,
        exhausted: breach.is_none() && at == states.len(),
        breach,
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
            let flaw = breach.flaw.filter(|_| breach.invariant == Invariant::Ledger).unwrap_or_default();
            let _ = writeln!(text, "  {:?} is broken after {} steps {flaw}", breach.invariant, breach.trace.len());
            for (number, step) in (1..).zip(&breach.trace) {
                let _ = writeln!(text, "  {number:2}  {step}");
            }
        }
        print!("{text}");
    }
}

/// The steps to the last state.
fn trace(space: &mut Space, states: &[State], parents: &[u32]) -> Vec<String> {
    let mut way = Vec::new();
    let mut at = states.len() - 1;
    while at != 0 {
        way.push(at);
        at = parents[at] as usize;
    }
    let mut steps = Vec::new();
    let mut trace = Vec::new();
    for at in way.into_iter().rev() {
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
        Step::Act(side, act) => format!("{}: {act:?}", machine(side)),
        Step::Speak(side) => format!("{} speaks", machine(side)),
        Step::Hear(side, message) => format!("{} hears {:?}", machine(side), space.message(message)),
        Step::Deliver(message) => format!("the authority hears {:?}", space.message(message)),
        Step::Administer => "an administrator acts".to_owned(),
    };
    if before[SENT] != after[SENT] {
        let said = space.said(before[SENT], after[SENT]);
        let _ = write!(text, "; new: {}", said.map(|m| format!("{m:?}")).collect::<Vec<_>>().join(", "));
    }
    if before[LEDGER] != after[LEDGER] {
        let ledger = space.ledger(after[LEDGER]);
        let seats = ledger.seats.iter().map(|(name, seat)| format!("{name:?} {:?}", seat.state));
        let _ = write!(text, "; ledger: {}", seats.collect::<Vec<_>>().join(", "));
    }
    if let Some(name) = (0..2).find_map(|side| {
        space.usable(after[side]).filter(|_| before[side] != after[side] && space.usable(before[side]).is_none())
    }) {
        let _ = write!(text, "; {name:?} is usable");
    }
    text
}

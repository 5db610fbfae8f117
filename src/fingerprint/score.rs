//! Whether two fingerprints are of one machine: a log-odds score with a demand for hardware.
//!
//! Pure: two fingerprints and a policy go in, a judgement comes out. [`judge`] is on the path of every check
//! of a license and allocates nothing; [`compare`] is the same computation, kept for a person to read.

use std::fmt;

use super::{
    component::{Class, Component},
    policy::Policy,
    wire::{Fingerprint, Tag},
};

/// Whether a machine is accepted as the one of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acceptance {
    /// It is the machine of the baseline.
    Accept,
    /// It probably is; good for the policy's days of grace, and a check-in is asked for.
    Grace,
    /// It is another machine, as far as can be told.
    Reject,
}

/// The result of [`judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judgement {
    /// The sum of the weights that applied.
    pub score: i32,
    /// What follows from it.
    pub acceptance: Acceptance,
    /// Whether at least one hardware-unique component agreed.
    pub hardware_agreed: bool,
    /// Whether a component that both have differs. Without one, nothing says that it is another machine.
    pub differs: bool,
}

/// How one component compared: what a report for support says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentResult {
    /// The component.
    pub component: Component,
    /// Whether the baseline has it.
    pub baseline: bool,
    /// Whether the machine has it now.
    pub found: bool,
    /// Whether they agree; `None` when it is missing on either side.
    pub agreed: Option<bool>,
    /// Whether at least half of what the baseline has of it is there. Of a component with one value that is agreement;
    /// of `mac`, which is a set, only so much is evidence of the hardware.
    pub half: bool,
    /// What it added to the score; 0 when it is missing on either side.
    pub weight: i32,
}

/// The result of [`compare`]: a judgement and how it came about, without any value.
///
/// Its `Display` is the report for support, one line per component.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Match {
    /// The sum of the weights that applied.
    pub score: i32,
    /// What follows from it.
    pub acceptance: Acceptance,
    /// Whether at least one hardware-unique component agreed.
    pub hardware_agreed: bool,
    /// Every component that this version knows, in the order of their numbers.
    pub components: Vec<ComponentResult>,
}

/// Whether `now` is the machine of `baseline`.
///
/// A component that is missing on either side scores 0. With at least one hardware-unique component that agrees, `mac`
/// in at least half of its addresses, the machine is accepted from the policy's `accept` on and gets grace from its
/// `grace` on; otherwise it is rejected (docs/FINGERPRINT.md, Score).
///
/// A baseline without a hardware-unique component is accepted at half (rounded up) of the score that it can reach,
/// else rejected (docs/FINGERPRINT.md, Unbindable machines). An empty baseline therefore always accepts, and only the
/// device key binds. A component whose weight for agreement is overridden to 0 is not hardware-unique in either rule.
///
/// ```
/// use nodelock::fingerprint::{Acceptance, Fingerprint, Policy, judge};
///
/// // Nothing is known of either, so nothing speaks against it: only the device's key binds.
/// let nothing = Fingerprint::default();
/// assert_eq!(judge(&nothing, &nothing, &Policy::default()).acceptance, Acceptance::Accept);
/// ```
pub fn judge(baseline: &Fingerprint, now: &Fingerprint, policy: &Policy) -> Judgement {
    tally(results(baseline, now, policy), policy)
}

/// Whether `now` is the machine of `baseline` beyond what a check-in asks: some hardware-unique component agrees, and a
/// component that the baseline has and `now` leaves out counts as different. So nobody passes for a machine by saying
/// little.
#[cfg(feature = "authority")]
pub(crate) fn is_same(baseline: &Fingerprint, now: &Fingerprint, policy: &Policy) -> bool {
    let left_out = |result: ComponentResult| match result.found {
        true => result,
        false => ComponentResult { weight: policy.weight(result.component).1, ..result },
    };
    let judged = tally(results(baseline, now, policy).map(left_out), policy);
    judged.hardware_agreed && judged.acceptance == Acceptance::Accept
}

/// [`judge`], with the result of each component.
///
/// ```
/// use nodelock::fingerprint::{Component, Fingerprint, Policy, compare};
///
/// let nothing = Fingerprint::default();
/// let report = compare(&nothing, &nothing, &Policy::default());
/// assert_eq!(report.components.len(), Component::ALL.len());
/// ```
pub fn compare(baseline: &Fingerprint, now: &Fingerprint, policy: &Policy) -> Match {
    let components: Vec<_> = results(baseline, now, policy).collect();
    let Judgement { score, acceptance, hardware_agreed, .. } = tally(components.iter().copied(), policy);
    Match { score, acceptance, hardware_agreed, components }
}

fn results(
    baseline: &Fingerprint,
    now: &Fingerprint,
    policy: &Policy,
) -> impl Iterator<Item = ComponentResult> {
    Component::ALL.into_iter().map(move |component| {
        let in_baseline = tags(baseline, component).next().is_some();
        let found = tags(now, component).next().is_some();
        // `mac` is a set and one match is agreement; of the others there is one each. But a baseline with the addresses
        // of four machines must not be at home on each of them, so it takes half of them to be evidence. More than half
        // would reject one honest machine in a hundred a year: a computer with two cards of which one is off.
        let matches = |tag: &&Tag| tags(now, component).any(|other| other == *tag);
        let common = tags(baseline, component).filter(matches).count();
        let agreed = (in_baseline && found).then_some(common > 0);
        let half = common > 0 && 2 * common >= tags(baseline, component).count();
        let (agree, differ) = policy.weight(component);
        let weight = agreed.map_or(0, |agreed| if agreed { agree } else { differ });
        ComponentResult { component, baseline: in_baseline, found, agreed, half, weight }
    })
}

fn tags(fingerprint: &Fingerprint, component: Component) -> impl Iterator<Item = &Tag> {
    fingerprint.tags().iter().filter(move |tag| tag.component() == component.number())
}

fn tally(results: impl Iterator<Item = ComponentResult>, policy: &Policy) -> Judgement {
    let (mut score, mut reachable) = (0, 0);
    let (mut bindable, mut hardware_agreed, mut differs) = (false, false, false);
    for result in results.filter(|result| result.baseline) {
        let (agree, differ) = policy.weight(result.component);
        score += result.weight;
        reachable += agree;
        differs |= result.agreed == Some(false) && (agree, differ) != (0, 0);
        if result.component.class() == Class::HardwareUnique && agree > 0 {
            bindable = true;
            hardware_agreed |= result.half;
        }
    }
    let acceptance = if !bindable {
        if 2 * score >= reachable { Acceptance::Accept } else { Acceptance::Reject }
    } else if hardware_agreed && score >= policy.accept().into() {
        Acceptance::Accept
    } else if hardware_agreed && score >= policy.grace().into() {
        Acceptance::Grace
    } else {
        Acceptance::Reject
    };
    Judgement { score, acceptance, hardware_agreed, differs }
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Grace => "grace",
            Self::Reject => "reject",
        })
    }
}

impl fmt::Display for ComponentResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.agreed, self.baseline, self.found) {
            (Some(true), ..) => "agrees",
            (Some(false), ..) => "differs",
            (None, true, _) => "not found now",
            (None, false, true) => "not in the baseline",
            (None, false, false) => "not found",
        };
        write!(f, "{:<12}  {what:<19}  {:+}", self.component, self.weight)
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for component in &self.components {
            writeln!(f, "{component}")?;
        }
        let hardware = if self.hardware_agreed { "some" } else { "no" };
        write!(f, "score {}, {hardware} unique hardware agrees: {}", self.score, self.acceptance)
    }
}

//! Whether a stored seat is one that the rules make, and one that its history led to.
//!
//! A ledger keeps a seat's record, and its audit what was decided about the seat. Each is a witness of the other: what
//! a disk, a restore or a hand changed in one of them disagrees with the other one.

use super::{
    decision::EventKind,
    seat::{NO_TOKEN, Seat, SeatState},
};
use crate::{Outcome, Reason, Timestamp};

/// One line of an audit about a seat: an [`Event`](super::decision::Event), and when it was noted.
#[derive(Clone, Copy, Debug)]
pub struct TrailLine<'a> {
    /// The name of its [kind](EventKind).
    pub action: &'a str,
    /// The seat's state before; none for a new one.
    pub before: Option<SeatState>,
    /// The seat's state after.
    pub after: SeatState,
    /// The time of the decision.
    pub at: Timestamp,
    /// Its [words](super::decision::Event::words), or what is left of them: a person's may have been erased.
    pub detail: &'a str,
}

/// What an audit says of one seat. Lines may come in any order, since two servers' clocks may differ.
#[derive(Clone, Debug, Default)]
pub struct SeatTrail {
    /// How often each state was entered, less how often it was left.
    balance: [i32; SeatState::ALL.len()],
    /// When each state was entered.
    entered: Vec<(SeatState, Timestamp)>,
    began: Vec<Timestamp>,
    check_ins: u32,
    renewals: u32,
    copies: u32,
    returns: Vec<Timestamp>,
    lapses: u32,
    /// Whether the seat was entered again from its device's license, which tells more than this trail.
    healed: bool,
    /// When a license was issued: by the last line, and the latest of all.
    issued: Option<(Timestamp, Timestamp)>,
    /// When the device was heard of: by its request, or by a check-in. The same two.
    heard: Option<(Timestamp, Timestamp)>,
    notice: Option<String>,
}

/// A member of a seat's record that the rules or the seat's trail contradict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The member's name in the record (`docs/FORMAT.md`, Seat).
    pub member: &'static str,
    /// What is wrong with it, in words for the vendor. No secret is in it.
    pub detail: String,
}

impl SeatTrail {
    /// Adds a line.
    pub fn note(&mut self, line: &TrailLine<'_>) {
        let is = |kind: EventKind| line.action == kind.name();
        if line.before != Some(line.after) {
            self.entered.push((line.after, line.at));
            self.balance[index(line.after)] += 1;
            match line.before {
                Some(before) => self.balance[index(before)] -= 1,
                None => self.began.push(line.at),
            }
        }
        self.check_ins += u32::from(is(EventKind::CheckedIn));
        let is_renewal = is(EventKind::Renewed) || is(EventKind::Unreleased);
        self.renewals += u32::from(is_renewal);
        self.copies += u32::from(is(EventKind::CopySuspected) && line.before == Some(SeatState::Active));
        if is(EventKind::CameBack) {
            self.returns.push(line.at);
        }
        self.lapses += u32::from(is(EventKind::Lapsed));
        self.healed |= is(EventKind::Healed);
        if line.before.is_none() || is(EventKind::CheckedIn) || is_renewal {
            self.issued = Some(last_and_latest(self.issued, line.at));
        }
        if line.before.is_none() || is(EventKind::CheckedIn) {
            self.heard = Some(last_and_latest(self.heard, line.at));
        }
        if line.after == SeatState::Revoked && line.before != Some(SeatState::Revoked) {
            self.notice = Some(line.detail.to_owned());
        }
    }

    /// What of a seat the rules or this trail contradict. An empty list is a seat that is as it should be, as far as a
    /// second witness goes.
    pub fn check(&self, seat: &Seat) -> Vec<Disagreement> {
        let mut found = Vec::new();
        let mut wrong = |member, detail: String| found.push(Disagreement { member, detail });
        self.check_state(seat, &mut wrong);
        check_end(seat, &mut wrong);
        let revision = 1 + self.check_ins + self.renewals;
        if seat.revision != revision && !self.healed {
            wrong("revision", format!("it is {}, and {revision} licenses were noted", seat.revision));
        }
        if !self.healed
            && self.issued.is_some_and(|(last, latest)| seat.issued != last && seat.issued != latest)
        {
            wrong("issued", format!("no license was noted at {}", seat.issued));
        }
        if self.heard.is_some_and(|(last, latest)| seat.contact < last.min(latest)) {
            wrong("contact", format!("the device was noted as heard of after {}", seat.contact));
        }
        if seat.copies != self.copies {
            wrong("copies", format!("it is {}, and {} were noted", seat.copies, self.copies));
        }
        let returns = self.returns.len();
        if usize::try_from(seat.came_back) != Ok(returns) {
            wrong("came_back", format!("it is {}, and {returns} were noted", seat.came_back));
        }
        if seat.came_back_at.map_or(returns > 0, |last| !self.returns.contains(&last)) {
            wrong(
                "came_back_at",
                "it was noted at another time that its device came back, or not at all".into(),
            );
        }
        if seat.lapsed && self.lapses == 0 {
            wrong("lapsed", "it was not noted that it lapsed".into());
        }
        let first = if seat.state == SeatState::Cancelled { NO_TOKEN } else { seat.first_token };
        if self.check_ins == 0
            && !self.healed
            && [seat.first_token, seat.sync_token, seat.previous_token] != [first; 3]
        {
            wrong(
                "sync_token",
                "the device never checked in, and was given another token than its first".into(),
            );
        }
        // Either may have been emptied, because it named a person.
        let said = |notice: &Option<String>| notice.clone().filter(|text| !text.is_empty());
        let differs = said(&seat.notice).zip(said(&self.notice)).is_some_and(|(one, other)| one != other);
        if seat.state == SeatState::Revoked && (differs || self.notice.is_none()) {
            wrong("notice", "it is not what was noted when the seat was released".into());
        }
        found
    }

    fn check_state(&self, seat: &Seat, wrong: &mut impl FnMut(&'static str, String)) {
        let mut expected = [0; SeatState::ALL.len()];
        expected[index(seat.state)] = 1;
        if self.balance != expected {
            wrong("state", format!("it is {}, which is not where what was noted leads", seat.state));
        }
        if self.began.len() != 1 || (self.began[0] != seat.granted && !self.healed) {
            wrong("granted", format!("no seat was noted at {}", seat.granted));
        }
        if !self.entered.contains(&(seat.state, seat.changed)) {
            wrong("changed", format!("{} was not noted at {}", seat.state, seat.changed));
        }
    }
}

/// What a seat keeps of its end, by its state.
fn check_end(seat: &Seat, wrong: &mut impl FnMut(&'static str, String)) {
    let state = seat.state;
    let outcome = seat.acknowledged.as_ref().map(|receipt| receipt.outcome);
    let is_acknowledged = match state {
        SeatState::Active | SeatState::Replaced => outcome.is_none(),
        SeatState::Held => outcome == Some(Outcome::Held),
        SeatState::Returned | SeatState::Revoked => true,
        SeatState::Cancelled => outcome != Some(Outcome::Held),
    };
    if !is_acknowledged {
        wrong("acknowledged", format!("its receipts do not say what becomes of a seat that is {state}"));
    }
    let is_reason = match state {
        SeatState::Active | SeatState::Replaced | SeatState::Revoked => seat.reason == Reason::Other,
        SeatState::Cancelled => seat.reason == Reason::Cancelled,
        SeatState::Held | SeatState::Returned => true,
    };
    if !is_reason {
        wrong("reason", format!("a seat that is {state} has no such reason"));
    }
    if seat.counted && state != SeatState::Returned {
        wrong("counted", format!("a seat that is {state} uses up no deactivation"));
    }
    if seat.notice.is_some() != (state == SeatState::Revoked) {
        wrong("notice", format!("a seat that is {state} has none, and one that is revoked has one"));
    }
    if seat.heard_after_end.is_some() && state == SeatState::Active {
        wrong("heard_after_end", "the seat is active".into());
    }
}

fn last_and_latest(before: Option<(Timestamp, Timestamp)>, at: Timestamp) -> (Timestamp, Timestamp) {
    (at, before.map_or(at, |(_, latest)| latest.max(at)))
}

fn index(state: SeatState) -> usize {
    SeatState::ALL.iter().position(|one| *one == state).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, LicenseId, Roots, SigningKey, Store, SystemRandom};

    fn line(
        action: EventKind,
        before: Option<SeatState>,
        after: SeatState,
        at: Timestamp,
    ) -> TrailLine<'static> {
        TrailLine { action: action.name(), before, after, at, detail: "stolen" }
    }

    /// A seat that was granted, and what was noted of it.
    fn granted() -> (Seat, SeatTrail) {
        let root = SigningKey::generate(&SystemRandom).unwrap();
        let client = Client::builder("Example", Roots::new([root.public_key()])).store(Store::in_memory());
        let request =
            client.build().unwrap().begin(crate::ActivationRequestOptions::new()).unwrap().request().clone();
        let now = request.created;
        let mut trail = SeatTrail::default();
        trail.note(&line(EventKind::Granted, None, SeatState::Active, now));
        (Seat::granted_to(&request, LicenseId::generate(&SystemRandom).unwrap(), [1; 16], now), trail)
    }

    #[test]
    fn a_seat_agrees_with_its_trail_in_any_order_of_lines() {
        let (seat, mut trail) = granted();
        assert_eq!(trail.check(&seat), []);
        let later = seat.granted.plus_days(1);
        let released = seat.released("stolen", later).unwrap();
        assert_ne!(trail.check(&released), [], "it was not noted");
        trail.note(&line(EventKind::Released, Some(SeatState::Active), SeatState::Revoked, later));
        assert_eq!(trail.check(&released), []);
        let of_notice = |text: &str| trail.check(&Seat { notice: Some(text.into()), ..released.clone() });
        assert_eq!(of_notice(""), [], "a person's words may be erased");
        assert_eq!(of_notice("lost").len(), 1);
        let back = released.unreleased(later.plus_days(1)).unwrap_err();
        assert_eq!(back.kind(), crate::ErrorKind::GivenUp, "it was never of use");
        let released = Seat { ends: Timestamp::MAX, ..released };
        let back = released.unreleased(later.plus_days(1)).unwrap();
        let mut taken_back = trail.clone();
        let (before, after) = (Some(SeatState::Revoked), SeatState::Active);
        taken_back.note(&line(EventKind::Unreleased, before, after, later.plus_days(1)));
        assert_eq!((taken_back.check(&back), back.revision()), (vec![], 2));
        assert_ne!(trail.check(&back), []);
        let mut reversed = SeatTrail::default();
        reversed.note(&line(EventKind::Released, Some(SeatState::Active), SeatState::Revoked, later));
        reversed.note(&line(EventKind::Granted, None, SeatState::Active, seat.granted));
        assert_eq!(reversed.check(&released), []);
    }

    #[test]
    fn what_no_act_made_is_named_by_its_member() {
        let (seat, trail) = granted();
        let before = Timestamp::from_unix_seconds(5);
        for (member, damaged) in [
            ("state", Seat { state: SeatState::Returned, ..seat.clone() }),
            ("granted", Seat { granted: before, ..seat.clone() }),
            ("changed", Seat { changed: before, ..seat.clone() }),
            ("issued", Seat { issued: before, ..seat.clone() }),
            ("contact", Seat { contact: before, ..seat.clone() }),
            ("revision", Seat { revision: 2, ..seat.clone() }),
            ("copies", Seat { copies: 1, ..seat.clone() }),
            ("lapsed", Seat { lapsed: true, ..seat.clone() }),
            ("counted", Seat { counted: true, ..seat.clone() }),
            ("reason", Seat { reason: Reason::Moved, ..seat.clone() }),
            ("notice", Seat { notice: Some("stolen".into()), ..seat.clone() }),
            ("sync_token", Seat { sync_token: [2; 16], ..seat.clone() }),
            ("came_back", Seat { came_back: 1, ..seat.clone() }),
            ("came_back_at", Seat { came_back_at: Some(before), ..seat.clone() }),
            ("heard_after_end", Seat { heard_after_end: Some(before), ..seat.clone() }),
        ] {
            let found = trail.check(&damaged);
            assert!(found.iter().any(|disagreement| disagreement.member == member), "{member}: {found:?}");
        }
    }
}

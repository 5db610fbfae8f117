//! Seats given up by a code over the phone.

use super::{
    Change, EventKind, Moment, Refusal, Ruling, Step,
    redeem::{give_up, is_answered, keep},
    step,
    work::{Stop, Work, refuse},
};
use crate::{
    Binding, ErrorKind, Reason,
    authority::{
        incoming::{Evidence, TypedCode},
        records::{Query, Records},
        seat::{Seat, SeatName},
        verification::Verification,
    },
    code::DeactivationCode,
};

/// Gives up the seat that a typed code names: of what the text may stand for, the first code that fits its seat.
///
/// Whether a code fits takes 100,000 rounds of PBKDF2, so the attempt is counted first: the first decision is
/// [`Ruling::Attempted`], to be stored and committed. Its [`verifications`](super::Decision::verifications) are the
/// only way to find out, and the call after them decides. A text is one attempt at each seat that it may be about,
/// whatever it may stand for and whatever comes of it. A code that has its receipt already gets the same one without
/// an attempt.
///
/// A code of a seat that nobody has asked for yet is [kept](Ruling::Kept) until the request arrives.
///
/// Fails with [`ErrorKind::WrongCode`], and with [`ErrorKind::TooManyAttempts`] when every seat that it may be about
/// had [`MAX_ATTEMPTS`](crate::authority::MAX_ATTEMPTS) within a day.
///
/// ```
/// # use nodelock::{Reason, authority::{TypedCode, decision}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// let typed = device.deactivate_offline(Reason::Moved)?.code().to_string();
/// let code = TypedCode::read(&typed.to_lowercase())?;
/// let mut vendor = authority.vendor();
/// // Counts the attempt, then tries the code: two decisions, one after the other.
/// let (_, reply) = vendor.decide(|records, moment| decision::redeem_code(&code, records, moment))?;
/// assert_eq!((vendor.usage(&license_key)?.taken, reply.receipts.len()), (0, 1));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn redeem_code(typed: &TypedCode, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(decide(&mut work, typed).map(|ruling| work.decide(ruling)))
}

/// A seat that a code may be of.
struct Candidate<'c> {
    code: &'c DeactivationCode,
    seat: Seat,
}

impl Candidate<'_> {
    fn verification(&self) -> Verification {
        Verification::code(self.code, self.seat.name(), self.seat.release_commitment)
    }
}

fn decide(work: &mut Work<'_>, typed: &TypedCode) -> Result<Ruling, Stop> {
    let codes = || typed.readings().iter().map(|reading| &reading.code);
    work.need(codes().map(|code| Query::SeatsOfHandle(code.handle())))?;
    let mut candidates = Vec::new();
    for code in codes() {
        let seats = work.seats_of_handle(code.handle())?;
        candidates.extend(seats.into_iter().map(|seat| Candidate { code, seat }));
    }
    // A seat that somebody holds first, so that many seats of one handle that are over delay no code.
    candidates.sort_by_key(|candidate| !candidate.seat.state.is_taken());
    if candidates.is_empty() {
        return keep(work, codes().cloned().map(Evidence::Code).collect());
    }
    let answered = |candidate: &&Candidate<'_>| is_answered(&candidate.seat, Binding::code(candidate.code));
    let fits = |candidate: &&Candidate<'_>| {
        work.fact(&candidate.verification()) == Some(true) || mutated!(CodeFitsItsHandle)
    };
    let right = candidates.iter().find(answered).or_else(|| candidates.iter().find(fits));
    if let Some(Candidate { code, seat }) = right {
        return give_up(work, seat, Reason::Other, Binding::code(code));
    }
    attempt(work, &candidates)
}

/// Counts one attempt at each seat that was not looked at yet and may be, and asks for the verifications.
fn attempt(work: &mut Work<'_>, candidates: &[Candidate<'_>]) -> Result<Ruling, Stop> {
    let untried: Vec<_> =
        candidates.iter().filter(|candidate| work.fact(&candidate.verification()).is_none()).collect();
    work.need(untried.iter().map(|candidate| Query::Attempts(candidate.seat.name())))?;
    let mut counted: Vec<SeatName> = Vec::new();
    let mut verifications = Vec::new();
    for candidate in &untried {
        let name = candidate.seat.name();
        if !counted.contains(&name) {
            let Some(attempts) = work.attempts(name)?.try_code(work.moment.now) else { continue };
            work.store(Change::Attempts(name, attempts));
            let detail = format!("attempt {} within a day", attempts.count());
            work.note(EventKind::CodeTried, Some(&candidate.seat), &candidate.seat, detail);
            counted.push(name);
        }
        verifications.push(candidate.verification());
    }
    if verifications.is_empty() {
        let was_tried = untried.len() < candidates.len();
        let kind = if was_tried { ErrorKind::WrongCode } else { ErrorKind::TooManyAttempts };
        let seat = candidates[0].seat.handle;
        let text = match was_tried {
            true => format!("the code does not belong to seat {seat}"),
            false => format!("too many codes were tried at seat {seat} within a day"),
        };
        return Err(refuse(kind, text));
    }
    work.verify_later(verifications);
    Ok(Ruling::Attempted)
}

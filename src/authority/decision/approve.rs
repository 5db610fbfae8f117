//! The vendor approves a request, or refuses it.

use super::{
    EventKind, MAX_SEATS_OF_HANDLE, Moment, Refusal, Ruling, Step, crowded, step,
    work::{Stop, Work, refuse},
};
use crate::{
    ErrorKind,
    authority::{
        approval::{Approval, ApprovalState, MAX_REASON},
        records::{Query, Records},
        seat::{Seat, SeatName},
    },
    message::{check_text, may_hold_a_code},
};

/// Approves the request for a seat: [`Ruling::Ruled`]. The same request gets its license when it comes again, if a seat
/// is free then: nothing is reserved for it. The same again changes nothing.
///
/// Fails with [`ErrorKind::UnknownSeat`] when no such request waits, because it was granted or cancelled, say, and with
/// [`ErrorKind::RequestRefused`] when it was refused: its device may have heard of that.
///
/// ```
/// # use nodelock::{ErrorKind, authority::{ApprovalPolicy, decision::{self, Ruling}}};
/// # use nodelock::testing::{Machine, TestAuthority};
/// # let authority = TestAuthority::new("Example Editor");
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let license_key = authority.vendor().sell_with(1, |terms| terms.approval = ApprovalPolicy::Required)?;
/// let request = device.begin(&license_key)?;
/// let mut vendor = authority.vendor();
/// assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::ApprovalWanted);
/// let name = vendor.ledger.approvals().next().unwrap().name();
/// let (ruling, _) = vendor.decide(|records, moment| decision::approve(name, records, moment))?;
/// assert!(matches!(ruling, Ruling::Ruled(_)));
/// assert!(vendor.activate(&request.to_bytes())?.license.is_some());
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn approve(name: SeatName, records: &Records, moment: &Moment) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(approve_request(&mut work, name).map(|ruling| work.decide(ruling)))
}

fn approve_request(work: &mut Work<'_>, name: SeatName) -> Result<Ruling, Stop> {
    let (known, now) = (kept(work, name)?, work.moment.now);
    if known.state() == ApprovalState::Refused && !mutated!(RefusedIsApproved) {
        let text = format!("the request for seat {} was refused", name.handle);
        return Err(refuse(ErrorKind::RequestRefused, text));
    }
    if known.is_approved(now) && !mutated!(ApprovedTwice) {
        return Ok(Ruling::Ruled(Box::new(known)));
    }
    Ok(rule(work, EventKind::RequestApproved, known.approved(now)))
}

/// Refuses the request for a seat: [`Ruling::Ruled`]. Its device hears so, with the reason, when it asks again. An
/// approval is taken back by this until the seat is granted. The same again changes nothing.
///
/// `reason` is for the customer: at most [`MAX_REASON`] bytes on one line, with no word of 20 or more letters and
/// digits and no five words of five in a row.
///
/// Fails with [`ErrorKind::InvalidInput`] for the reason, and with [`ErrorKind::UnknownSeat`] when no such request
/// waits.
///
/// ```
/// # use nodelock::{ErrorKind, authority::{ApprovalPolicy, decision::{self, Ruling}}};
/// # use nodelock::testing::{Machine, TestAuthority};
/// # let authority = TestAuthority::new("Example Editor");
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let license_key = authority.vendor().sell_with(1, |terms| terms.approval = ApprovalPolicy::Required)?;
/// let request = device.begin(&license_key)?;
/// let mut vendor = authority.vendor();
/// assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::ApprovalWanted);
/// let name = vendor.ledger.approvals().next().unwrap().name();
/// let act = |records: &_, moment: &_| decision::refuse_request(name, "Not ours.", records, moment);
/// assert!(matches!(vendor.decide(act)?.0, Ruling::Ruled(_)));
/// let refused = vendor.activate(&request.to_bytes()).unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::RequestRefused);
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn refuse_request(
    name: SeatName,
    reason: &str,
    records: &Records,
    moment: &Moment,
) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(refuse_as(&mut work, name, reason).map(|ruling| work.decide(ruling)))
}

fn refuse_as(work: &mut Work<'_>, name: SeatName, reason: &str) -> Result<Ruling, Stop> {
    check_text("reason", reason, MAX_REASON)?;
    if may_hold_a_code(reason) {
        let text = "reason has a word of 20 or more letters and digits, or five words of five in a row: \
                    no device would show it, because it may be a license key";
        return Err(refuse(ErrorKind::InvalidInput, text));
    }
    let known = kept(work, name)?;
    let stays = known.state() == ApprovalState::Approved && mutated!(ApprovalNotTakenBack);
    if known.state() == ApprovalState::Refused || stays {
        return Ok(Ruling::Ruled(Box::new(known)));
    }
    let refused = known.refused(reason, work.moment.now);
    Ok(rule(work, EventKind::RequestRefused, refused))
}

fn rule(work: &mut Work<'_>, kind: EventKind, ruled: Approval) -> Ruling {
    work.note_of_request(kind, &ruled);
    work.set_approval(ruled.clone());
    Ruling::Ruled(Box::new(ruled))
}

/// The request for a seat, if it was neither granted nor cancelled.
fn kept(work: &Work<'_>, name: SeatName) -> Result<Approval, Stop> {
    work.need([Query::SeatsOfHandle(name.handle), Query::ApprovalsOf(name.handle)])?;
    let is_over = work.seats_of_handle(name.handle)?.iter().any(|seat| seat.name() == name);
    let kept = work.approvals_of(name.handle)?.into_iter().find(|known| known.name() == name);
    let unknown = || format!("no request for seat {} waits for approval", name.handle);
    kept.filter(|_| !is_over).ok_or_else(|| refuse(ErrorKind::UnknownSeat, unknown()))
}

/// Lets a request pass that the vendor approved. One that comes for the first time, or whose approval has ended, is
/// kept: it waits.
///
/// Fails with [`ErrorKind::ApprovalWanted`] and [`ErrorKind::RequestRefused`], and with [`ErrorKind::CrowdedHandle`]
/// when as many devices wait under that handle as may have seats under it.
pub(super) fn check(work: &mut Work<'_>, seat: &Seat) -> Result<(), Stop> {
    let (approvals, now) = (work.approvals_of(seat.handle)?, work.moment.now);
    let is_it =
        |known: &&Approval| known.is_for(seat) || (mutated!(AnothersApproval) && known.is_approved(now));
    match approvals.iter().find(is_it) {
        Some(known) if known.is_approved(now) => return Ok(()),
        Some(known) if known.state() == ApprovalState::Refused => {
            let text = format!("the vendor refused the request for seat {}", seat.handle);
            let reason = known.reason();
            let text = if reason.is_empty() { text } else { format!("{text}: {reason}") };
            return Err(refuse(ErrorKind::RequestRefused, text));
        }
        Some(known) if known.state() == ApprovalState::Waiting => {}
        _ => {
            let others = approvals.iter().filter(|other| other.name() != seat.name());
            if others.count() >= MAX_SEATS_OF_HANDLE {
                return Err(crowded(seat.handle));
            }
            work.set_approval(Approval::wanted(seat, now));
        }
    }
    let text = format!("the request for seat {} waits for the vendor's approval", seat.handle);
    Err(refuse(ErrorKind::ApprovalWanted, text))
}

//! What a customer does to a seat whose computer is gone, with the license key alone.

use super::{
    Moment, Refusal, Ruling, Step,
    activate::replace,
    step,
    work::{Stop, Work, refuse},
};
use crate::{
    ErrorKind, LicenseId,
    authority::{
        records::{Query, Records},
        seat::SeatState,
    },
    code::Handle,
};

/// Releases a seat on the word of a customer, without a request that takes its place: [`Ruling::Revoked`] with a
/// revocation for the device, should it speak up. Once more gets the same revocation. A held seat returns to the pool,
/// and there is nobody to tell: [`Ruling::Returned`].
///
/// It has the limits of a request that names a seat: the device has been silent for a week, and the license allows one
/// more.
///
/// Fails with [`ErrorKind::UnknownLicense`], with [`ErrorKind::UnknownSeat`] for a seat of another license, and with
/// [`ErrorKind::DeactivationNotAllowed`] beyond the limits.
///
/// ```
/// # use nodelock::{authority::decision::{self, Ruling}, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// let license_key = authority.vendor().sell_with(1, |terms| terms.replace = Some(3))?;
/// let seat = device.activate(&license_key)?.license().unwrap().handle;
/// authority.clock().advance_days(8); // nothing is heard of the device meanwhile
/// let mut vendor = authority.vendor();
/// let license = vendor.terms(&license_key)?.id;
/// let act = |records: &_, moment: &_| decision::customer_release(license, seat, records, moment);
/// assert!(matches!(vendor.decide(act)?.0, Ruling::Revoked(_)));
/// # Ok::<(), nodelock::Error>(())
/// ```
pub fn customer_release(
    license: LicenseId,
    seat: Handle,
    records: &Records,
    moment: &Moment,
) -> Result<Step, Refusal> {
    let mut work = Work::new(records, moment);
    step(decide(&mut work, license, seat).map(|ruling| work.decide(ruling)))
}

fn not_replaceable(named: Handle) -> String {
    format!(
        "seat {named} was heard of within seven days, or too many seats of its license were replaced within a year"
    )
}

fn decide(work: &mut Work<'_>, license: LicenseId, named: Handle) -> Result<Ruling, Stop> {
    work.need([Query::License(license), Query::SeatsOfHandle(named)])?;
    let terms = work
        .license(license)?
        .ok_or_else(|| refuse(ErrorKind::UnknownLicense, format!("license {license} is not known")))?
        .terms;
    let mut seats = work.seats_of_handle(named)?;
    seats.retain(|seat| seat.license_id == license);
    let released = match seats.iter().find(|seat| seat.by_customer && !mutated!(CustomersReleaseForgotten)) {
        Some(before) => before.clone(),
        None if seats.is_empty() => {
            return Err(refuse(ErrorKind::UnknownSeat, format!("license {license} has no seat {named}")));
        }
        None => {
            let replaced = replace(work, named, &terms, None)?;
            replaced.ok_or_else(|| refuse(ErrorKind::DeactivationNotAllowed, not_replaceable(named)))?
        }
    };
    if released.state == SeatState::Returned {
        return Ok(Ruling::Returned(released));
    }
    work.send_revocation(&released, released.notice.as_deref().unwrap_or_default());
    Ok(Ruling::Revoked(released))
}

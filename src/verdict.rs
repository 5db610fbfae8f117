//! Verdicts: whether the application may run, and if not, why.

use std::{fmt, time::Duration};

use crate::{
    ErrorKind, Timestamp,
    fingerprint::{Acceptance, Judgement},
    licensing_time::{ClockError, LicensingTime},
    message::LicenseBody,
};

/// What [`Client::check`](crate::Client::check) finds.
///
/// | verdict | what to do |
/// |---|---|
/// | [`Active`](Self::Active) | run; renew when [`renewal_due`](crate::Status::renewal_due) |
/// | [`Grace`](Self::Grace) | run, call [`observe`](crate::Client::observe), and check in, over a network or with the file of [`check_in_offline`](crate::Client::check_in_offline): only its answer takes the machine as it is. For [`MachineHidden`](GraceReason::MachineHidden) run where the hardware can be seen |
/// | [`Unlicensed`](Self::Unlicensed), [`Deactivated`](Self::Deactivated), [`Revoked`](Self::Revoked) | [`begin`](crate::Client::begin), or show the [`pending`](crate::Client::pending) request again; hand in what is [`outstanding`](crate::Client::outstanding) |
/// | [`Expired`](Self::Expired), [`LeaseEnded`](Self::LeaseEnded) | check in, or install a renewed license; or [`begin`](crate::Client::begin) with another license key, to which it gives way |
/// | [`VersionNotCovered`](Self::VersionNotCovered) | offer an earlier version, or an extension of the maintenance |
/// | [`NotYetValid`](Self::NotYetValid), [`ClockSetBack`](Self::ClockSetBack) | have the clock looked at, or check in: the answer heals it |
/// | [`WrongMachine`](Self::WrongMachine) | [`Fingerprint`](MachineReason::Fingerprint): give the seat up and begin anew. [`GraceOver`](MachineReason::GraceOver): [`observe`](crate::Client::observe) if [`should_observe`](crate::Status::should_observe), which may give the days of grace; or check in. [`HiddenTooLong`](MachineReason::HiddenTooLong): run where the hardware can be seen. [`DeviceKey`](MachineReason::DeviceKey): put `device.key` back, or have the vendor release the seat and begin with [`replace_license`](crate::ClientBuilder::replace_license); for a copy on another computer begin in a store of its own |
/// | [`Damaged`](Self::Damaged) | [`Corrupt`](ErrorKind::Corrupt): [`recover_offline`](crate::Client::recover_offline) or `recover`; [`UnsupportedVersion`](ErrorKind::UnsupportedVersion): update the application; [`UntrustedSigner`](ErrorKind::UntrustedSigner), [`WrongProduct`](ErrorKind::WrongProduct): the client is set up for another vendor or product |
///
/// ```
/// # use nodelock::{Verdict, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// match device.check()?.verdict() {
///     Verdict::Active | Verdict::Grace { .. } => println!("run"),
///     other => println!("{other:?}"),
/// }
/// # assert_eq!(*device.check()?.verdict(), Verdict::Active);
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The license is valid.
    Active,
    /// The license is usable for now; something must happen until then.
    Grace {
        /// What happened.
        reason: GraceReason,
        /// The first second at which the license is no longer usable.
        until: Timestamp,
    },
    /// The license starts later.
    NotYetValid {
        /// The first second at which it is valid.
        starts: Timestamp,
    },
    /// The license has expired.
    Expired {
        /// The first second at which it was no longer valid.
        at: Timestamp,
        /// By how much the clock is ahead or behind, where that is known.
        clock: Option<ClockError>,
    },
    /// This copy of the license had to be renewed and was not.
    LeaseEnded {
        /// The first second at which it was no longer valid.
        at: Timestamp,
        /// By how much the clock is ahead or behind, where that is known.
        clock: Option<ClockError>,
    },
    /// The clock shows a time well before one it showed earlier. Correct it, or check in: the authority's answer sets
    /// it right.
    ClockSetBack {
        /// How far.
        by: Duration,
    },
    /// The license belongs to another machine, or this one has changed too much.
    WrongMachine {
        /// What does not fit.
        reason: MachineReason,
    },
    /// The seat was given up on this machine.
    Deactivated,
    /// The vendor released the seat.
    Revoked {
        /// Why, in the vendor's words; may be empty.
        reason: String,
    },
    /// The license does not cover a version of the application released this late.
    VersionNotCovered {
        /// The last second at which a covered version was released.
        updates_until: Timestamp,
    },
    /// The store or the license in it cannot be used as it is.
    Damaged {
        /// What is wrong with it.
        reason: ErrorKind,
    },
    /// No license was installed.
    Unlicensed {
        /// Whether an activation request waits for its license.
        pending: bool,
    },
}

/// Why a license is in its grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraceReason {
    /// The machine has changed; a renewal by the authority takes its fingerprint anew.
    MachineChanged,
    /// Too little of what the machine is known by can be seen, and nothing of it differs: a container or a sandbox may
    /// hide it. Nothing has to be done but to run where it can be seen; a renewal is refused from here.
    MachineHidden,
}

/// Why a machine is the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MachineReason {
    /// The store has another device key than the license names, or none.
    DeviceKey,
    /// The fingerprint has too little in common with the one that the license was issued for.
    Fingerprint,
    /// The machine had changed, and the grace period is over.
    GraceOver,
    /// Too little of what the machine is known by could be seen, and the grace period is over.
    HiddenTooLong,
}

impl Verdict {
    /// Whether the application may run: [`Verdict::Active`] or [`Verdict::Grace`].
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// authority.clock().advance_days(91); // the lease is over
    /// assert!(!client.check()?.verdict().is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Active | Self::Grace { .. })
    }

    /// The verdict's stable name, such as `lease-ended`: for logs, scripts and `--json`.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// authority.clock().advance_days(91);
    /// assert_eq!(client.check()?.verdict().code(), "lease-ended");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace { .. } => "grace",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::LeaseEnded { .. } => "lease-ended",
            Self::ClockSetBack { .. } => "clock-set-back",
            Self::WrongMachine { .. } => "wrong-machine",
            Self::Deactivated => "deactivated",
            Self::Revoked { .. } => "revoked",
            Self::VersionNotCovered { .. } => "version-not-covered",
            Self::Damaged { .. } => "damaged",
            Self::Unlicensed { .. } => "unlicensed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Grace { reason: GraceReason::MachineChanged, until } => {
                write!(f, "usable until {until}: the machine has changed")
            }
            Self::Grace { reason: GraceReason::MachineHidden, until } => {
                write!(f, "usable until {until}: too little of this machine's hardware can be seen")
            }
            Self::NotYetValid { starts } => write!(f, "not valid before {starts}"),
            Self::Expired { at, clock } => {
                write!(f, "expired at {at}")?;
                clock.map_or(Ok(()), |clock| write!(f, "; the clock is {clock}"))
            }
            Self::LeaseEnded { at, clock } => {
                write!(f, "not renewed by {at}")?;
                clock.map_or(Ok(()), |clock| write!(f, "; the clock is {clock}"))
            }
            Self::ClockSetBack { by } => {
                write!(f, "the clock was set back by {} hours", by.as_secs().div_ceil(3600))
            }
            Self::WrongMachine { reason: MachineReason::DeviceKey } => {
                f.write_str("the license belongs to another machine")
            }
            Self::WrongMachine { reason: MachineReason::Fingerprint } => {
                f.write_str("this is not the machine that was activated")
            }
            Self::WrongMachine { reason: MachineReason::GraceOver } => {
                f.write_str("the machine has changed, and the grace period is over")
            }
            Self::WrongMachine { reason: MachineReason::HiddenTooLong } => {
                f.write_str("too little of this machine's hardware can be seen, and the grace period is over")
            }
            Self::Deactivated => f.write_str("deactivated"),
            Self::Revoked { reason } if reason.is_empty() => f.write_str("released by the vendor"),
            Self::Revoked { reason } => write!(f, "released by the vendor: {reason}"),
            Self::VersionNotCovered { updates_until } => {
                write!(f, "covers versions released until {updates_until}")
            }
            Self::Damaged { reason } => write!(f, "damaged: {reason}"),
            Self::Unlicensed { pending: false } => f.write_str("no license"),
            Self::Unlicensed { pending: true } => {
                f.write_str("no license yet: an activation request is pending")
            }
        }
    }
}

/// What is known when a license is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) time: LicensingTime,
    pub(crate) machine: Machine,
    /// When the machine was first seen changed, as far as that was recorded; else the last time that anything was.
    pub(crate) changed_since: Timestamp,
    /// When this version of the application was released, if it says so.
    pub(crate) released: Option<Timestamp>,
}

/// What a device makes of the machine that it is on (docs/PROTOCOL.md, A changed machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Fits,
    Changed,
    /// It shows too little, and nothing that differs.
    Hidden,
    Another,
}

impl From<Judgement> for Machine {
    fn from(judged: Judgement) -> Self {
        match judged.acceptance {
            Acceptance::Accept => Self::Fits,
            Acceptance::Grace => Self::Changed,
            Acceptance::Reject if judged.differs => Self::Another,
            Acceptance::Reject => Self::Hidden,
        }
    }
}

impl Machine {
    /// Whether it is usable for the days of grace.
    pub(crate) fn is_in_grace(self) -> bool {
        matches!(self, Self::Changed | Self::Hidden)
    }
}

/// Judges a license that belongs to this device. The order is from what no waiting heals to what does.
pub(crate) fn judge(license: &LicenseBody, situation: &Situation) -> Verdict {
    let now = situation.time.now;
    let (reason, over) = match situation.machine {
        Machine::Another => return Verdict::WrongMachine { reason: MachineReason::Fingerprint },
        Machine::Hidden => (GraceReason::MachineHidden, MachineReason::HiddenTooLong),
        Machine::Fits | Machine::Changed => (GraceReason::MachineChanged, MachineReason::GraceOver),
    };
    let since = situation.changed_since.min(now);
    let days = if license.policy.has_grace() { license.policy.grace_days() } else { 0 };
    let until = since.plus_days(days.into());
    let grace_until = Some(until).filter(|_| situation.machine.is_in_grace());
    if grace_until.is_some_and(|until| now >= until) && !mutated!(GraceNeverEnds) {
        return Verdict::WrongMachine { reason: over };
    }
    if let Some(by) = situation.time.set_back {
        return Verdict::ClockSetBack { by };
    }
    if now < license.starts {
        return Verdict::NotYetValid { starts: license.starts };
    }
    if let Some(at) = license.expires.filter(|at| now >= *at) {
        return Verdict::Expired { at, clock: situation.time.error };
    }
    if let Some(at) = license.lease_until.filter(|at| now >= *at) {
        return Verdict::LeaseEnded { at, clock: situation.time.error };
    }
    if let Some((updates_until, released)) = license.updates_until.zip(situation.released)
        && released > updates_until
    {
        return Verdict::VersionNotCovered { updates_until };
    }
    match grace_until {
        Some(until) => Verdict::Grace { reason, until },
        None => Verdict::Active,
    }
}

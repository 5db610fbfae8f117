//! What was refused, so that whoever helps a customer sees why.

use std::fmt;

use nodelock::{LicenseId, PublicKey, Timestamp, authority::SeatName, code::Handle};

use super::DeviceDescription;

/// What a device asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedFor {
    Activation,
    CheckIn,
}

impl AskedFor {
    pub(crate) const ALL: [Self; 2] = [Self::Activation, Self::CheckIn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::CheckIn => "check-in",
        }
    }
}

impl fmt::Display for AskedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that is refused now. Neither a license key nor a code is in it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) asked: AskedFor,
    /// Why not, as the code of an error.
    pub(crate) kind: String,
    /// The same in words.
    pub(crate) reason: String,
    pub(crate) seat: SeatName,
    pub(crate) license: Option<LicenseId>,
    /// The end of the license key; empty if none came along.
    pub(crate) key_hint: String,
    pub(crate) device: DeviceDescription,
}

/// The same in a list: what one device was refused for one reason on one day.
#[derive(Debug)]
pub(crate) struct RefusalRow {
    pub(crate) refused: Refused,
    /// Who handed it in last, as the audit names them.
    pub(crate) actor: String,
    /// From which address; empty for the vendor.
    pub(crate) peer: String,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) count: u32,
}

/// Where a page of refusals ended.
#[derive(Clone, Debug)]
pub(crate) struct RefusalCursor {
    pub(crate) last: Timestamp,
    pub(crate) device: PublicKey,
    pub(crate) asked: String,
    pub(crate) kind: String,
}

impl RefusalRow {
    pub(crate) fn cursor(&self) -> RefusalCursor {
        let Refused { asked, kind, seat, .. } = &self.refused;
        RefusalCursor {
            last: self.last,
            device: seat.device_key,
            asked: asked.to_string(),
            kind: kind.clone(),
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.refused.seat.handle
    }
}

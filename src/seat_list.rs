//! What a refusal for want of a seat says of the seats that there are.

use serde::{Deserialize, Serialize};

#[cfg(feature = "transport")]
use crate::message;
use crate::{Timestamp, code::Handle};

/// The seats of a license that has none free, as a refusal carries them: for a person who waits or chooses.
///
/// It is not signed, and nothing is decided by it on the device. As JSON, times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeatList {
    /// When the next seat lapses and another device can have it; none if no seat ever does.
    #[serde(default)]
    pub next_lapse: Option<Timestamp>,
    /// Those that lapse first, at most [`MAX_LISTED`](Self::MAX_LISTED); empty where the vendor does not show them.
    #[serde(default)]
    pub seats: Vec<ListedSeat>,
}

/// A seat in a [`SeatList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedSeat {
    /// Its name.
    #[serde(rename = "seat", with = "crate::seat_list::handle")]
    pub handle: Handle,
    /// What its device is called; empty where the vendor does not say, or the device did not.
    #[serde(default)]
    pub label: String,
    /// The day on which its device was last heard of: the first second in UTC.
    pub last_contact: Timestamp,
    /// When it lapses; none for never.
    #[serde(default)]
    pub lapses: Option<Timestamp>,
    /// Whether a request that names it takes its place: nobody has heard of its device for a week, and the license
    /// allows one more.
    #[serde(default)]
    pub replaceable: bool,
}

impl SeatList {
    /// How many seats a list has at most.
    pub const MAX_LISTED: usize = 50;

    /// Whether it keeps its bounds, so that it can be shown.
    #[cfg(feature = "transport")]
    pub(crate) fn is_bounded(&self) -> bool {
        let is_short =
            |seat: &ListedSeat| message::check_text("label", &seat.label, message::MAX_NAME).is_ok();
        self.seats.len() <= Self::MAX_LISTED && self.seats.iter().all(is_short)
    }
}

/// A handle as its text.
mod handle {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::code::Handle;

    pub(super) fn serialize<S: Serializer>(handle: &Handle, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(handle)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Handle, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

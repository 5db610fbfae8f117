//! That a rule says no.

use std::{borrow::Cow, fmt};

use crate::{Error, ErrorKind, SeatList, Timestamp};

/// A rule says no, and nothing is stored.
#[derive(Clone, Debug)]
pub struct Refusal {
    kind: ErrorKind,
    message: Cow<'static, str>,
    seats: Option<Box<SeatList>>,
    trial_ended: Option<Timestamp>,
}

impl Refusal {
    pub(in crate::authority) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), seats: None, trial_ended: None }
    }

    /// For want of a seat.
    pub(in crate::authority) fn no_free_seat(taken: u32, seats: SeatList) -> Self {
        let text = format!("no seat is free: all {taken} are taken");
        Self { seats: Some(Box::new(seats)), ..Self::new(ErrorKind::NoFreeSeat, text) }
    }

    /// The seats that there are, with [`ErrorKind::NoFreeSeat`].
    pub fn seats(&self) -> Option<&SeatList> {
        self.seats.as_deref()
    }

    /// When the trial of the machine ended, with [`ErrorKind::TrialUsed`]. None if it has had none, because it shows no
    /// hardware by which it could be known again.
    pub fn trial_ended(&self) -> Option<Timestamp> {
        self.trial_ended
    }

    /// Why, in a form that a program can branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// A rule of a record says no.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { trial_ended: error.trial_ended(), ..Self::new(error.kind(), error.to_string()) }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.kind, refusal.message).with_seats(refusal.seats);
        error.with_trial_ended(refusal.trial_ended)
    }
}

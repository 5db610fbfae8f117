//! That a rule says no.

use std::fmt;

use crate::{Error, ErrorKind, SeatList};

/// A rule says no, and nothing is stored.
#[derive(Clone, Debug)]
pub struct Refusal {
    kind: ErrorKind,
    about: &'static str,
    seats: Option<Box<SeatList>>,
}

impl Refusal {
    pub(in crate::authority) const fn new(kind: ErrorKind, about: &'static str) -> Self {
        Self { kind, about, seats: None }
    }

    /// For want of a seat.
    pub(in crate::authority) fn no_free_seat(about: &'static str, seats: SeatList) -> Self {
        Self { seats: Some(Box::new(seats)), ..Self::new(ErrorKind::NoFreeSeat, about) }
    }

    /// The seats that there are, with [`ErrorKind::NoFreeSeat`].
    pub fn seats(&self) -> Option<&SeatList> {
        self.seats.as_deref()
    }

    /// Why, in a form that a program can branch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.kind)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind, refusal.about).with_seats(refusal.seats)
    }
}

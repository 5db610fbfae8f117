//! What a deactivation over the network comes to, if it does not come to a receipt.

use std::fmt;

use super::Deactivation;
use crate::Error;

/// A seat given up online whose receipt did not come. The license is gone from this machine; the seat is freed as soon
/// as the authority hears of it, by [`Online::hand_in`](super::Online::hand_in), or by hand with the very same proof or
/// code.
#[derive(Debug)]
pub struct DeactivateError {
    pub(super) error: Error,
    pub(super) deactivation: Option<Box<Deactivation>>,
}

impl DeactivateError {
    /// What went wrong.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What went wrong, by itself.
    pub fn into_error(self) -> Error {
        self.error
    }

    /// What was given up and waits for its receipt; none if the license is still active.
    pub fn deactivation(&self) -> Option<&Deactivation> {
        self.deactivation.as_deref()
    }
}

impl From<Error> for DeactivateError {
    /// The license is still active.
    fn from(error: Error) -> Self {
        Self { error, deactivation: None }
    }
}

/// What was given up waits for its receipt in the store all the same
/// ([`Client::outstanding`](super::Client::outstanding)), and the text says so.
impl From<DeactivateError> for Error {
    fn from(error: DeactivateError) -> Self {
        match error.deactivation {
            Some(_) => error.error.preceded_by(GIVEN_UP),
            None => error.error,
        }
    }
}

const GIVEN_UP: &str = "deactivated here, and not acknowledged yet";

impl fmt::Display for DeactivateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deactivation {
            Some(_) => write!(f, "{GIVEN_UP}: ")?,
            None => write!(f, "not deactivated: ")?,
        }
        // With its causes where they are asked for.
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for DeactivateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

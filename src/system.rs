//! Time and randomness, each behind a seam of one method, so that tests can inject every fault.

use std::time::SystemTime;

use ring::rand::SecureRandom as _;

use crate::{Error, ErrorKind, Result, Timestamp};

/// Where the client takes the time from.
pub trait Clock: Send + Sync {
    /// The time of day. It may be wrong, jump and run backwards: the client expects nothing else.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// Where keys, handles and release secrets come from.
pub trait Random: Send + Sync {
    /// Fills `bytes` with cryptographically secure random bytes.
    ///
    /// Fails with [`ErrorKind::NoRandom`].
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The operating system's random number generator, through ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        ring::rand::SystemRandom::new()
            .fill(bytes)
            .map_err(|_| Error::new(ErrorKind::NoRandom, "the system's random number generator"))
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>(random: &dyn Random) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

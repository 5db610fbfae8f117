//! Time and randomness, each behind a seam, so that tests can inject every fault.

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", windows)))]
#[path = "other.rs"]
mod running;
#[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
#[allow(unsafe_code)]
#[path = "unix.rs"]
mod running;
#[cfg(windows)]
#[allow(unsafe_code)]
#[path = "windows.rs"]
mod running;

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use ring::rand::SecureRandom as _;

use crate::{Error, ErrorKind, Result, Timestamp};

/// Where the client takes the time from.
pub trait Clock: Send + Sync {
    /// The time of day. It may be wrong, jump and run backwards: the client expects nothing else.
    fn now(&self) -> Timestamp;

    /// How long this machine has been running, by a clock that nobody can set. It may count sleep or leave it out. It
    /// keeps the time from standing still while the time of day is set back again and again.
    ///
    /// None, the default, where there is no such clock.
    fn running(&self) -> Option<Duration> {
        None
    }

    /// Names the start of the machine that [`running`](Self::running) counts from: no other start, and no other
    /// machine, has the same name. Asked far more rarely than the times.
    ///
    /// None, the default, has `running` left out of account.
    fn boot(&self) -> Option<[u8; 16]> {
        None
    }
}

/// The operating system's clocks: the time of day, and the one that runs on (`CLOCK_BOOTTIME` on Linux,
/// `CLOCK_MONOTONIC_RAW` on macOS, `QueryUnbiasedInterruptTime` on Windows).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn running(&self) -> Option<Duration> {
        running::time()
    }

    fn boot(&self) -> Option<[u8; 16]> {
        // A process does not outlive its machine.
        static BOOT: OnceLock<Option<[u8; 16]>> = OnceLock::new();
        *BOOT.get_or_init(running::boot)
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
            .map_err(|_| Error::new(ErrorKind::NoRandom, "the operating system gave no random bytes"))
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>(random: &dyn Random) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// The 32 hex digits of a UUID.
#[cfg(any(test, target_os = "linux", target_os = "android", target_os = "macos"))]
fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim().replace('-', "");
    let number = u128::from_str_radix(&digits, 16).ok()?;
    (digits.len() == 32).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_of_the_machine_is_named_by_a_uuid() {
        let text = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n";
        let bytes = [0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78];
        assert_eq!(uuid(text).unwrap()[..8], bytes);
        for wrong in
            ["", "0f1e", "zf1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "00f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"]
        {
            assert_eq!(uuid(wrong), None, "{wrong}");
        }
    }

    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    #[test]
    fn the_running_clock_runs_and_its_start_has_one_name() {
        let before = SystemClock.running().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(SystemClock.running().unwrap() > before);
        assert_eq!(running::boot(), SystemClock.boot());
    }
}

//! The clock that runs on, on Linux and macOS.

use std::{mem::MaybeUninit, time::Duration};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
/// It runs on while the machine sleeps, as `mach_continuous_time` does.
#[cfg(target_os = "macos")]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_RAW;

/// How long the machine has been running, sleep included.
pub(super) fn time() -> Option<Duration> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` has room for what the call writes, and outlives it.
    let result = unsafe { libc::clock_gettime(CLOCK, time.as_mut_ptr()) };
    // SAFETY: the call has succeeded, so it has written the time.
    let time = (result == 0).then(|| unsafe { time.assume_init() })?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// The kernel's name for this start of the machine.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn boot() -> Option<[u8; 16]> {
    super::uuid(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
}

/// The kernel's name for this start of the machine.
#[cfg(target_os = "macos")]
pub(super) fn boot() -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 64];
    let mut length = bytes.len();
    // SAFETY: the name ends with a zero, and `bytes` has room for the `length` bytes that are said to be there. Nothing
    // is set.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            bytes.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    let text = std::ffi::CStr::from_bytes_until_nul(&bytes).ok().filter(|_| result == 0)?;
    super::uuid(text.to_str().ok()?)
}

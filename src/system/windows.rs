//! The clock that runs on, on Windows.

use std::{ptr, time::Duration};

use windows_sys::{
    Win32::{
        Foundation::ERROR_SUCCESS,
        System::{
            Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW},
            WindowsProgramming::QueryUnbiasedInterruptTime,
        },
    },
    core::w,
};

/// How long the machine has been running, sleep left out: `QueryInterruptTime`, which counts it, came with Windows 10.
pub(super) fn time() -> Option<Duration> {
    let mut time = 0;
    // SAFETY: `time` has room for what the call writes, and outlives it.
    let known = unsafe { QueryUnbiasedInterruptTime(&raw mut time) };
    // In units of 100 nanoseconds.
    (known != 0).then(|| Duration::new(time / 10_000_000, (time % 10_000_000) as u32 * 100))
}

/// The number of this start of the machine, which Windows counts for its prefetcher.
pub(super) fn boot() -> Option<[u8; 16]> {
    let mut number = 0_u32;
    let mut bytes = size_of::<u32>() as u32;
    // SAFETY: both names end with a zero, and `number` has room for the `bytes` that are said to be there. All of them
    // outlive the call, which keeps nothing.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!(r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"),
            w!("BootId"),
            RRF_RT_REG_DWORD,
            ptr::null_mut(),
            (&raw mut number).cast(),
            &raw mut bytes,
        )
    };
    (result == ERROR_SUCCESS).then(|| u128::from(number).to_be_bytes())
}

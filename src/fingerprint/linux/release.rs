//! The kernel's release, from the call that has it at hand.

use std::{ffi::CStr, mem};

/// What `/proc/sys/kernel/osrelease` says too; empty when the kernel does not tell.
pub(super) fn of_kernel() -> String {
    // SAFETY: `utsname` is plain data of character arrays; all-zero is a valid value.
    let mut names: libc::utsname = unsafe { mem::zeroed() };
    // SAFETY: `names` has room for what the call writes, and outlives it.
    if unsafe { libc::uname(&raw mut names) } != 0 {
        return String::new();
    }
    // SAFETY: each name ends with a zero and lives as long as `names`.
    let release = unsafe { CStr::from_ptr(names.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_proc() {
        if let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
            assert_eq!(super::of_kernel(), release.trim_end());
        }
    }
}

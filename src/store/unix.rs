//! What std cannot do on Unix: ask the password database, whatever the environment says.

use std::{
    ffi::{CStr, OsStr},
    mem,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    ptr,
};

/// The home directory of the user who runs this process.
pub(super) fn home() -> Option<PathBuf> {
    // SAFETY: plain data of integers and pointers, for which zero is a value.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found = ptr::null_mut();
    let mut texts = [0; 16 * 1024];
    // SAFETY: the system writes an entry and its texts, of at most the length said, and where it found one.
    let result = unsafe {
        libc::getpwuid_r(libc::geteuid(), &raw mut entry, texts.as_mut_ptr(), texts.len(), &raw mut found)
    };
    if result != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: the entry was found, so its texts are in `texts`, which lives, and end with a zero.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    Some(PathBuf::from(OsStr::from_bytes(home.to_bytes())))
}

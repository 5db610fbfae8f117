//! The store: one durable file per product, replaced whole or not at all.
//!
//! All that a machine knows about its seat is one record, and every change of it is one atomic, durable replacement of
//! one file (docs/PROTOCOL.md, Client states). The store knows nothing about the record: opaque bytes go in and come
//! out (docs/PROTOCOL.md, Store).
//!
//! | in the directory | what it is |
//! |---|---|
//! | `device.key` | the device's private key, written once |
//! | `lock` | held by whoever writes; never renamed or deleted |
//! | `state` | the record: the only commit point |
//! | `reserve` | room for the last write on a full disk |
//! | `state.new`, `device.key.new` | what a writer was at when it died; the next writer drops them |
//!
//! Reading takes no lock and writes nothing. All access to files goes through [`FileSystem`], so that tests can
//! put a fault at every single operation.

mod dir;
mod format;
mod fs;
mod location;
mod memory;
mod os;
mod tombstone;
#[cfg(unix)]
#[allow(unsafe_code)]
mod unix;
#[cfg(windows)]
#[allow(unsafe_code)]
mod windows;

pub use dir::Store;
/// The seam, for tests that put faults at it. It is no part of the API.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use {
    dir::Writer,
    format::Snapshot,
    fs::{FileSystem, LockGuard, NewFile, Stamp},
    os::OsFileSystem,
};
#[cfg(not(feature = "testing"))]
pub(crate) use {
    dir::Writer,
    format::Snapshot,
    fs::{FileSystem, LockGuard, NewFile, Stamp},
    os::OsFileSystem,
};

//! What the benches share: an authority on the disk, devices by the thousand, and requests that are timed.

#![allow(dead_code, reason = "each bench uses a part of this")]

pub mod authority;
pub mod device;
pub mod load;

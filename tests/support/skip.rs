//! A test that cannot run in a place says so and passes, and fails where a variable says that it must run there.

use std::env;

/// Permission to trace the calls of a program with strace.
pub const STRACE: &str = "NODELOCK_REQUIRE_STRACE";
/// Permission to make namespaces, and so to mount in one.
pub const NAMESPACES: &str = "NODELOCK_REQUIRE_NAMESPACES";
/// Being root, with `setpriv`.
pub const ROOT: &str = "NODELOCK_REQUIRE_ROOT";

/// Says that a test is skipped. Fails where `variable` is set.
pub fn skipped(variable: &str, why: &str) {
    assert!(env::var_os(variable).is_none(), "{why}, and {variable} is set");
    eprintln!("SKIPPED: {why}");
}

//! The README's example, as a program.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The program, built along with the authority's, which it starts. Cargo builds neither for a single test.
fn quickstart() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    // Where this is emulated there is no Cargo, and both are built before.
    if env::var_os("NODELOCK_EMULATED").is_none() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--locked", "--quiet", "--example", "quickstart", "--bin", "authority"]);
        // They tell this test of its package. A build script that reads them would take them for a change, and run
        // again.
        for (name, _) in env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            build.env_remove(name);
        }
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    folder.join("examples/quickstart").with_extension(env::consts::EXE_EXTENSION)
}

#[test]
fn the_quickstart_does_the_main_job_and_leaves_nothing_behind() {
    let (home, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Outside of Cargo it builds nothing: what it needs is there.
    let mut command = Command::new(quickstart());
    command.env_remove("CARGO").current_dir(&home).stdin(Stdio::null());
    for name in ["HOME", "LOCALAPPDATA", "APPDATA", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        command.env(name, home.path());
    }
    for name in ["TMPDIR", "TMP", "TEMP"] {
        command.env(name, temporary.path());
    }
    let output = command.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "-----BEGIN NODELOCK LICENSE-----",
        "professional edition: active.",
        "Refused, as it should be: no seat is free: all 1 are taken.",
        "▀▀▀▀▀▀▀▀",
        "Its license: deactivated.",
        "which was given up on this machine.",
        "mended:  group 1, place 4: ",
        "mended:  group 3, place 4: ",
        "The seat is returned: 0 of 1 seats taken.",
        "The old proof changes nothing: 1 of 1 seats taken.",
        "== Its disk is formatted",
        "== It dies, and the customer buys another computer",
        "The next seat is free in 104 days.",
        "Its license: active, for Jane Doe, revision 1.",
        "Its license: revision 2, leased until ",
        "The authority says: returned. 0 of 1 seats taken.",
        " cannot be reached: the connection was refused. The license is still active.",
        "has come; nothing is outstanding.",
        "Done: ",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
    assert!(stdout.lines().filter(|line| line.starts_with("== ")).count() >= 23);
    for folder in [home, temporary] {
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{folder:?}");
    }
}

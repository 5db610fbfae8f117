//! The time of day for the authority's programs, as a test sets it: a small library that is loaded before the program's
//! own. The programs know nothing of it. Only Linux has that.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::server::Installation;

/// The clock of one authority. It stays at the second that it was set to.
pub struct MovedClock {
    file: PathBuf,
    library: PathBuf,
}

impl MovedClock {
    /// A clock in that file; none where there can be no such clock, which is said loudly.
    pub fn new(file: PathBuf, seconds: u64) -> Option<Self> {
        if cfg!(not(all(target_os = "linux", target_pointer_width = "64", target_env = "gnu"))) {
            eprintln!("SKIPPED: the clock of a program is moved on 64-bit Linux with glibc");
            return None;
        }
        let clock = Self { file, library: library().to_owned() };
        clock.set(seconds);
        Some(clock)
    }

    /// Also for the programs that run already.
    pub fn set(&self, seconds: u64) {
        // Written in place: the programs have this very file in their memory.
        let mut file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.file).unwrap();
        std::io::Write::write_all(&mut file, &seconds.to_ne_bytes()).unwrap();
    }

    /// The same program with this clock.
    pub fn given_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("NODELOCK_TEST_CLOCK", &self.file);
    }
}

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clock.c");
        let built = folder.join(format!("clock-{}.so", std::process::id()));
        let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        let output = Command::new(&compiler).args(flags).arg(&built).arg(source).output();
        let output = output.unwrap_or_else(|error| panic!("{compiler}: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Other test programs may be doing the same.
        let library = folder.join("clock.so");
        fs::rename(built, &library).unwrap();
        library
    })
}

impl Installation {
    /// The clock that its programs have.
    pub fn clock(&self) -> &MovedClock {
        self.clock.as_ref().expect("an authority with a clock")
    }
}

//! An application in another language on a computer, to be run like a person would run it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::server::Authority;

pub const PRODUCT: &str = "Example Editor";

/// An address at which nobody is.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// What a program exits with.
pub const DONE: i32 = 0;
pub const FAILED: i32 = 1;
pub const USAGE: i32 = 2;
pub const UNUSABLE: i32 = 3;

/// A file of the repository.
pub fn folder(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(name)
}

/// The shared library with every feature. Cargo builds it for the tests, as their dependency, and puts it beside them.
pub fn library() -> PathBuf {
    let name = format!("{}nodelock_c{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    env::current_exe().unwrap().with_file_name(name)
}

/// Whether a language's tests are skipped because one of the tools is missing, which is said loudly.
pub fn skipped(tools: &[&str]) -> bool {
    let is_missing = |tool: &&&str| Command::new(tool).arg("--version").output().is_err();
    let Some(tool) = tools.iter().find(is_missing) else { return false };
    assert_ne!(env::var("NODELOCK_REQUIRE_HOSTS").as_deref(), Ok("1"), "no {tool}");
    eprintln!("SKIPPED: no {tool}");
    true
}

/// Compiles an example, every warning an error, and links it to the shared library.
pub fn compile(compiler: &str, flags: &[&str], source: &str, program: &Path) {
    let library = library();
    let directory = library.parent().unwrap();
    let mut command = Command::new(compiler);
    command.args(flags).args(["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wconversion", "-Werror", "-g"]);
    command.arg("-I").arg(folder("include")).arg(folder(source)).arg("-o").arg(program);
    command.arg("-L").arg(directory).arg("-lnodelock_c").arg(format!("-Wl,-rpath,{}", directory.display()));
    let output = command.output().unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An example that is ready to run: how its command line begins.
pub struct Host {
    pub line: Vec<OsString>,
}

pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().expect("not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The rest of the line of standard output that begins with `name`.
    pub fn says(&self, name: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name:?} in {:?}", self.stdout))
    }

    /// Fails if it did not fail for that reason, by name and number.
    pub fn failed_with(&self, reason: &str) {
        assert_eq!(self.exit, FAILED, "{} {}", self.stdout, self.stderr);
        assert!(self.stderr.contains(&format!("{PRODUCT}: {reason}: ")), "{reason}: {}", self.stderr);
    }
}

/// A computer with the application on it.
pub struct Computer<'a> {
    pub host: &'a Host,
    pub root: String,
    /// Where it is told that the authority is.
    pub url: String,
    pub folder: TempDir,
}

impl<'a> Computer<'a> {
    pub fn new(host: &'a Host, authority: &'a Authority) -> Self {
        let url = format!("http://{}", authority.address);
        Self { host, root: authority.root.clone(), url, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs the application, which must exit with `exit`.
    pub fn run(&self, exit: i32, arguments: &[&str]) -> Ran {
        let ran = self.run_against(&self.url, arguments);
        assert_eq!(ran.exit, exit, "{arguments:?}: {} {}", ran.stdout, ran.stderr);
        ran
    }

    pub fn run_against(&self, url: &str, arguments: &[&str]) -> Ran {
        Ran::from(self.command(url, arguments).output().unwrap())
    }

    pub fn command(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.host.line[0]);
        command.args(&self.host.line[1..]).args(arguments).current_dir(self.folder.path());
        command.env("NODELOCK_ROOT", &self.root).env("NODELOCK_AUTHORITY", url);
        command.env("NODELOCK_STORE", "store").env("NODELOCK_LIBRARY", library());
        // Loopback needs no proxy, whatever this machine's environment says.
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    pub fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }
}

/// The example in C, compiled.
pub fn editor_in_c(program: &Path) {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    compile(&compiler, &["-std=c11"], "examples/c/main.c", program);
}

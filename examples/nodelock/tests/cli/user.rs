//! A user of the command-line client, and what the tests ask of its answers.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use nodelock::PublicKey;
use serde_json::Value;
use tempfile::TempDir;

use crate::{schema, vendor::Vendor};

pub const PRODUCT: &str = "Example Editor";

/// The client's program.
pub fn nodelock() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_nodelock"))
}

/// A user with a home of their own and one store.
pub struct User {
    pub home: TempDir,
    pub store: &'static str,
    pub product: String,
    pub root: PublicKey,
}

impl User {
    pub fn new(vendor: &Vendor) -> Self {
        Self { product: vendor.ledger.terms[0].product.clone(), ..Self::of(vendor.root) }
    }

    /// Of the vendor with that root.
    pub fn of(root: PublicKey) -> Self {
        Self { home: tempfile::tempdir().unwrap(), store: "store", product: PRODUCT.to_owned(), root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The program with nothing configured.
    pub fn bare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NODELOCK_")) {
            command.env_remove(name);
        }
        command.env("HOME", self.home.path()).env_remove("XDG_DATA_HOME").env_remove("XDG_STATE_HOME");
        command.env("LOCALAPPDATA", self.home.path()).env("APPDATA", self.home.path());
        command.current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = self.bare(program);
        command.args(["--product", &self.product, "--root", &self.root.to_string()]);
        command.arg("--store").arg(self.path(self.store)).args(arguments);
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(nodelock(), arguments).output().unwrap()
    }

    /// Standard output of a command that ends with this exit code.
    pub fn run(&self, exit: i32, arguments: &[&str]) -> Vec<u8> {
        let output = self.output(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {stderr}");
        output.stdout
    }

    pub fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(0, arguments)).unwrap()
    }

    pub fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let stdout = self.run(exit, &[arguments, &["--json"]].concat());
        let value = serde_json::from_slice(&stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        schema::check(arguments[0], &value);
        value
    }

    /// A command that is refused: one object with `kind` on standard error, and for people a message that contains
    /// `words`; the store stays as it is byte for byte.
    pub fn refused(&self, exit: i32, arguments: &[&str], kind: &str, words: &str) {
        let before = content(self.home.path());
        let output = self.output(&[arguments, &["--json"]].concat());
        let error: Value =
            serde_json::from_slice(&output.stderr).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        schema::check("error", &error);
        assert_eq!((error["error"].as_str(), output.status.code()), (Some(kind), Some(exit)), "{error}");
        assert!(error["message"].is_string() && output.stdout.is_empty(), "{arguments:?}");

        let output = self.output(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("error: ") && stderr.contains(words), "{arguments:?}: {stderr}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(exit), 0), "{arguments:?}");
        assert!(content(self.home.path()) == before, "{arguments:?} changed something");
    }

    pub fn status(&self) -> (String, bool) {
        let output = self.output(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let usable = status["usable"].as_bool().unwrap();
        assert_eq!(output.status.code(), Some(if usable { 0 } else { 3 }), "{status}");
        (status["verdict"].as_str().unwrap().to_owned(), usable)
    }

    pub fn activate(&self, vendor: &mut Vendor) -> String {
        let request = self.run(0, &["request", &vendor.license_key.clone(), "--format", "file"]);
        let license = self.write("license.txt", vendor.activate(&request).unwrap());
        self.run(0, &["install", &license]);
        license
    }

    /// An activated user's seat is given back; the code as it was shown.
    pub fn deactivate(&self) -> String {
        self.text(&["deactivate", "--offline", "--reason", "moved"]).trim().to_owned()
    }

    /// The same; the file for the vendor.
    pub fn deactivate_to_file(&self) -> Vec<u8> {
        self.deactivate();
        self.run(0, &["code", "--format", "file"])
    }
}

/// Everything in a folder, by its path in there.
pub fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = path.is_file().then(|| fs::read(&path).unwrap());
            if bytes.is_none() {
                folders.push(path.clone());
            }
            found.insert(path, bytes);
        }
    }
    found
}

pub fn vendor(seats: u32) -> Vendor {
    Vendor::new(PRODUCT, seats).unwrap()
}

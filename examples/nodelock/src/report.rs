//! What a command comes to, before anything is printed: a report or a failure, for people and for programs.

use std::{fmt, fs, io, io::IsTerminal as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::ErrorKind;
use serde_json::{Value, json};

use crate::advice;

pub const OK: u8 = 0;
pub const FAILED: u8 = 1;
pub const USAGE: u8 = 2;
pub const NOT_USABLE: u8 = 3;

/// A command that did its work.
pub struct Report {
    /// For standard output.
    pub output: Vec<u8>,
    /// What to do next, for standard error.
    pub notes: String,
    /// The same for programs.
    pub json: Value,
    pub exit: u8,
}

impl Report {
    pub fn new(output: impl Into<Vec<u8>>, notes: impl Into<String>, json: Value) -> Self {
        Self { output: output.into(), notes: notes.into(), json, exit: OK }
    }
}

/// Something to hand over, in the form it was asked for.
pub enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

impl Payload {
    /// Writes it to `out`, or makes it the report's output. `json` is an object that gets the fields `format` and
    /// `content` or `out`.
    pub fn deliver(
        self,
        format: &str,
        out: Option<&Path>,
        notes: &str,
        mut json: Value,
    ) -> Result<Report, CommandError> {
        let (bytes, content) = match self {
            Self::Text(text) => (text.clone().into_bytes(), text),
            Self::Bytes(bytes) => {
                let content = URL_SAFE_NO_PAD.encode(&bytes);
                (bytes, content)
            }
        };
        json["format"] = json!(format);
        let Some(out) = out else {
            json["content"] = json!(content);
            return Ok(Report::new(bytes, notes, json));
        };
        fs::write(out, &bytes).map_err(|error| CommandError::output(&out.display().to_string(), &error))?;
        json["out"] = json!(out);
        Ok(Report::new(format!("written to {}\n", out.display()), notes, json))
    }

    /// Binary content belongs into a file or a pipe.
    pub fn check_terminal(binary: bool, out: Option<&Path>, json: bool) -> Result<(), CommandError> {
        if binary && out.is_none() && !json && io::stdout().is_terminal() {
            return Err(CommandError::usage("a binary file is not for a terminal: give --out FILE"));
        }
        Ok(())
    }
}

/// A command that did not do its work.
pub struct CommandError {
    /// What went wrong, in kebab case.
    pub kind: String,
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
    pub exit: u8,
}

impl CommandError {
    pub fn new(kind: &str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { kind: kind.to_owned(), message: message.into(), hint: Some(hint), exit: FAILED }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: "usage".to_owned(), message: message.into(), hint: None, exit: USAGE }
    }

    pub fn output(place: &str, error: &io::Error) -> Self {
        let hint = "What was done is done: run `nodelock status` to see where you are, then `request` (without a key) \
                    or `code` to show it again.";
        Self::new("output", format!("cannot write to {place}: {error}"), hint)
    }

    pub fn input(place: &Path, error: &io::Error) -> Self {
        let hint = "Nothing was changed. Check the name, and that it is a file you may read.";
        Self::new("input", format!("cannot read {}: {error}", place.display()), hint)
    }

    pub fn json(&self) -> Value {
        json!({ "error": self.kind, "message": self.message, "hint": self.hint })
    }
}

impl From<nodelock::Error> for CommandError {
    fn from(error: nodelock::Error) -> Self {
        use std::error::Error as _;
        let message = match error.source() {
            Some(source) => format!("{error} ({source})"),
            None => error.to_string(),
        };
        let exit = if error.kind() == ErrorKind::InvalidInput { USAGE } else { FAILED };
        Self { kind: error.kind().code().to_owned(), message, hint: advice::on_error(error.kind()), exit }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        self.hint.map_or(Ok(()), |hint| writeln!(f, "{hint}"))
    }
}

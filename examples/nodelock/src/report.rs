//! What a command comes to, before anything is printed: a report or a failure, for people and for programs.

use std::{fmt, fs, io, io::IsTerminal as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{ErrorKind, ListedSeat, SeatList, Timestamp};
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
    /// The seats that there are, when none is free.
    pub seats: Option<Box<SeatList>>,
    /// When the trial of this machine ended, if that is what is wrong.
    pub trial_ended: Option<Timestamp>,
    pub exit: u8,
}

impl CommandError {
    pub fn new(kind: &str, message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.into(),
            hint: Some(hint),
            seats: None,
            trial_ended: None,
            exit: FAILED,
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: "usage".to_owned(),
            message: message.into(),
            hint: None,
            seats: None,
            trial_ended: None,
            exit: USAGE,
        }
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
        let mut json = json!({ "error": self.kind, "message": self.message, "hint": self.hint });
        if let Some(list) = &self.seats {
            let seat = |seat: &ListedSeat| {
                json!({
                    "seat": seat.handle.to_string(),
                    "label": seat.label,
                    "last_contact": seat.last_contact.to_string(),
                    "lapses": seat.lapses.map(|time| time.to_string()),
                    "replaceable": seat.replaceable,
                })
            };
            json["next_lapse"] = json!(list.next_lapse.map(|time| time.to_string()));
            json["seats"] = list.seats.iter().map(seat).collect();
        }
        if let Some(end) = self.trial_ended {
            json["trial_ended"] = end.to_string().into();
        }
        json
    }
}

impl From<nodelock::Error> for CommandError {
    fn from(error: nodelock::Error) -> Self {
        let message = format!("{error:#}");
        let exit = if error.kind() == ErrorKind::InvalidInput { USAGE } else { FAILED };
        let (kind, hint) = (error.kind().code().to_owned(), advice::on(&error));
        let (seats, trial_ended) = (error.seats().cloned().map(Box::new), error.trial_ended());
        Self { kind, message, hint, seats, trial_ended, exit }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if let Some(list) = &self.seats {
            for seat in &list.seats {
                let day = seat.last_contact.to_string();
                write!(f, "  {}  last heard of on {}", seat.handle, &day[..10])?;
                if let Some(lapses) = seat.lapses {
                    write!(f, "  free on {lapses}")?;
                }
                if seat.replaceable {
                    write!(f, "  replaceable")?;
                }
                writeln!(f, "{}{}", if seat.label.is_empty() { "" } else { "  " }, seat.label)?;
            }
            if let Some(lapse) = list.next_lapse {
                writeln!(
                    f,
                    "The request stays pending. If nobody renews it, the next seat is free on {lapse}."
                )?;
            }
        }
        self.hint.map_or(Ok(()), |hint| writeln!(f, "{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_says_what_the_library_says_and_what_leads_out() {
        for kind in ErrorKind::ALL {
            let error = || nodelock::Error::new(*kind, "it has 3 of 4").with_source("the disk is full");
            let failure = CommandError::from(error());
            assert_eq!(
                (failure.kind.as_str(), failure.message.as_str()),
                (kind.code(), &*format!("{:#}", error()))
            );
            assert!(failure.hint.is_some() || kind.advice().is_none(), "{kind:?}");
        }
        for kind in [ErrorKind::Io, ErrorKind::AccessDenied, ErrorKind::Unreachable, ErrorKind::Unsupported] {
            assert!(CommandError::from(nodelock::Error::new(kind, "")).hint.is_some(), "{kind:?}");
        }
        let proxy =
            nodelock::Error::new(ErrorKind::Unreachable, "").with_source(nodelock::NetworkFailure::Proxy);
        assert!(CommandError::from(proxy).hint.unwrap().contains("NO_PROXY"));
    }
}

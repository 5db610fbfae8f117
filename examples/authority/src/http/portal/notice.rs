//! The notice at the top of a page: what came of something that a customer did on the portal.

use std::time::Duration;

use axum::http::StatusCode;
use nodelock::{DeactivationReceipt, ErrorKind, License, Revocation};

use super::marked::Marked;
use crate::{domain::armored, http::problem::Problem};

/// How it went, which decides about the color.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Good,
    Waiting,
    Bad,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
        }
    }
}

pub(super) struct Notice {
    pub(super) status: StatusCode,
    /// For the log.
    pub(super) kind: Option<ErrorKind>,
    pub(super) retry_after: Option<Duration>,
    pub(super) tone: Tone,
    pub(super) title: String,
    /// One paragraph each.
    pub(super) text: Vec<String>,
    /// Where to go next: an address and what it is called.
    pub(super) links: Vec<(&'static str, &'static str)>,
    pub(super) marked: Option<Marked>,
    pub(super) document: Option<Document>,
    /// The seats whose place a request may take.
    pub(super) choices: Vec<Choice>,
}

/// A seat that a customer may have replaced.
pub(super) struct Choice {
    pub(super) handle: String,
    pub(super) computer: String,
    /// What else is known of it.
    pub(super) about: String,
}

impl Notice {
    pub(super) fn new(tone: Tone, title: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            kind: None,
            retry_after: None,
            tone,
            title: title.into(),
            text: Vec::new(),
            links: Vec::new(),
            marked: None,
            document: None,
            choices: Vec::new(),
        }
    }

    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    pub(super) fn link(mut self, address: &'static str, name: &'static str) -> Self {
        self.links.push((address, name));
        self
    }

    /// With the status that the API gives this kind.
    pub(super) fn refused(self, kind: ErrorKind) -> Self {
        Self { status: Problem::of(kind).status(), kind: Some(kind), ..self }
    }

    pub(super) fn marked(self, marked: Option<Marked>) -> Self {
        Self { marked, ..self }
    }

    pub(super) fn document(self, document: Option<Document>) -> Self {
        Self { document, ..self }
    }
}

/// What a customer takes away: a license with receipts, receipts alone, or a revocation.
///
/// It is shown as text, to be copied, and a button sends its parts back to `/download`, which answers with a file if
/// they carry our own signature. So nothing is done twice, nothing is kept here between the two, and no address holds
/// anything; links with the whole document in a `data:` address are saved by some browsers and refused by others.
pub(super) struct Document {
    pub(super) title: &'static str,
    pub(super) file: String,
    pub(super) text: String,
    /// The fields of the form that asks for the file.
    pub(super) parts: Vec<(&'static str, String)>,
}

pub(super) const LICENSE: &str = "license";
pub(super) const RECEIPT: &str = "receipt";
pub(super) const REVOCATION: &str = "revocation";

impl Document {
    /// None when there is nothing to take away.
    pub(super) fn new(license: Option<&License>, receipts: &[DeactivationReceipt]) -> Option<Self> {
        let parts = license.map(|license| (LICENSE, license.to_base64url()));
        let parts = parts.into_iter().chain(receipts.iter().map(|receipt| (RECEIPT, receipt.to_base64url())));
        let parts = parts.collect();
        let (title, file) = match (license, receipts) {
            (Some(license), _) => ("License", format!("license-{}.txt", license.handle)),
            (None, [receipt]) => ("Receipt", format!("receipt-{}.txt", receipt.handle)),
            (None, []) => return None,
            (None, _) => ("Receipts", "receipts.txt".to_owned()),
        };
        Some(Self { title, file, text: armored(license, receipts), parts })
    }
}

impl From<&Revocation> for Document {
    fn from(revocation: &Revocation) -> Self {
        Self {
            title: "Revocation",
            file: format!("revocation-{}.txt", revocation.handle),
            text: revocation.to_text(),
            parts: vec![(REVOCATION, revocation.to_base64url())],
        }
    }
}

//! Accounts of people, tokens of programs, deployment keys of machines: as the ledger keeps them.
//!
//! No secret is in them that could be used: passwords are hashed slowly, tokens and recovery codes once, because they
//! are random. The secret of a second factor, which the authority must know to check its codes, is encrypted under a
//! key that is not in the ledger.

use std::collections::BTreeMap;

use nodelock::{LicenseId, Timestamp};
use serde::{Deserialize, Serialize};

use super::rights::{Act, Role, Scope, quota};

/// A person of the vendor's. It has no `Debug`, which would show what guards the account.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// It never changes, because the audit names people by it.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: Password,
    /// The secret of the second factor, encrypted, in base64url.
    pub(crate) totp: String,
    /// The step of time of the last code that was taken: no code is taken twice.
    pub(crate) totp_step: u64,
    /// The hashes of the recovery codes that are left, in base64url.
    pub(crate) recovery: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) disabled: Option<Timestamp>,
    /// What was done within a quota lately.
    pub(crate) spent: Vec<Spent>,
    /// How often it may do what its role has a quota for, where that is another number than usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) quotas: BTreeMap<Act, u32>,
}

impl Account {
    /// How often it may do an act within [`QUOTA_DAYS`](super::rights::QUOTA_DAYS); none where its role has no quota.
    pub(crate) fn quota(&self, act: Act) -> Option<u32> {
        quota(self.role, act).map(|usual| self.quotas.get(&act).copied().unwrap_or(usual))
    }
}

/// The most that a quota may be.
pub(crate) const MOST_IN_QUOTA: u32 = 1_000;

/// An act that counted for a quota.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spent {
    pub(crate) act: Act,
    pub(crate) at: Timestamp,
    pub(crate) id: [u8; 8],
}

/// A password as Argon2id hashed it, with what it takes to do that again.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Password {
    /// In KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
    /// In base64url.
    pub(crate) salt: String,
    /// In base64url.
    pub(crate) hash: String,
}

/// What a bearer secret stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Credential {
    Token(Token),
    DeploymentKey(DeploymentKey),
}

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Token,
    DeploymentKey,
}

/// Why a credential is not valid any more, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Revoked(Timestamp),
    Ended(Timestamp),
}

/// For a program of the vendor's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) id: String,
    /// What it is for, in the vendor's words.
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// The only product that it is for; none for all.
    pub(crate) product: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) revoked: Option<Timestamp>,
}

/// For machines that are installed unattended: it takes seats of one license, and does nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeploymentKey {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) license: LicenseId,
    /// How many times it may be used.
    pub(crate) most: u32,
    pub(crate) used: u32,
    /// The last use that was counted.
    pub(crate) last: [u8; 8],
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) revoked: Option<Timestamp>,
}

impl Credential {
    pub(crate) fn kind(&self) -> CredentialKind {
        match self {
            Self::Token(_) => CredentialKind::Token,
            Self::DeploymentKey(_) => CredentialKind::DeploymentKey,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Token(token) => &token.id,
            Self::DeploymentKey(key) => &key.id,
        }
    }

    /// What the audit says of it, the id first: what a verification compares it with.
    pub(crate) fn noted(&self) -> String {
        let (line, expires) = match self {
            Self::Token(token) => {
                let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
                let line = format!("{} {}: {}", token.id, token.name, scopes.join(" "));
                let of = token.product.iter().map(|product| format!(" of {product}"));
                (of.fold(line, |line, of| line + &of), token.expires)
            }
            Self::DeploymentKey(key) => {
                let line = format!("{} {}: {} of license {}", key.id, key.name, key.most, key.license);
                (line, key.expires)
            }
        };
        expires.map_or(line.clone(), |end| format!("{line}, until {end}"))
    }

    pub(crate) fn revoked(&self) -> Option<Timestamp> {
        match self {
            Self::Token(token) => token.revoked,
            Self::DeploymentKey(key) => key.revoked,
        }
    }

    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.over(now).is_none()
    }

    /// Why it is nobody's by now; none while it is valid.
    pub(crate) fn over(&self, now: Timestamp) -> Option<Over> {
        let (expires, revoked) = match self {
            Self::Token(token) => (token.expires, token.revoked),
            Self::DeploymentKey(key) => (key.expires, key.revoked),
        };
        revoked.map(Over::Revoked).or_else(|| expires.filter(|end| *end <= now).map(Over::Ended))
    }

    /// Revokes it. Returns whether that changed anything.
    pub(crate) fn revoke(&mut self, now: Timestamp) -> bool {
        let revoked = match self {
            Self::Token(token) => &mut token.revoked,
            Self::DeploymentKey(key) => &mut key.revoked,
        };
        let changes = revoked.is_none();
        revoked.get_or_insert(now);
        changes
    }
}

/// Refuses what is no name of an account: it stands in the audit, in commands and in addresses.
pub(crate) fn check_name(name: &str) -> Result<String, &'static str> {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_other = |byte: u8| is_first(byte) || matches!(byte, b'.' | b'-' | b'_');
    let is_name = name.bytes().next().is_some_and(is_first) && name.bytes().all(is_other) && name.len() <= 40;
    if is_name {
        Ok(name.to_owned())
    } else {
        Err("a name of at most 40 lower-case letters, digits, dots, dashes and underscores is expected")
    }
}

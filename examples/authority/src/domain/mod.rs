//! What the authority speaks of: plain types that know neither the database nor HTTP.

mod credentials;
mod customer;
mod event;
pub(crate) mod filter;
mod location;
mod mail;
mod noted;
mod order;
mod policy;
mod product;
mod refusal;
mod refusals;
mod request;
mod retention;
pub(crate) mod rights;
mod said;
mod seal;
mod submission;
mod terms;
mod webhook;

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use nodelock::{
    ActivationRequest, DeactivationReceipt, License, LicenseId, Metadata, PublicKey, Timestamp,
    authority::{
        Count, Gap, KeyHash, LicenseRecord, LicenseTerms, Reply, Seat, SeatName, SeatState, decision::Ruling,
    },
    code::Handle,
};
use serde::{Deserialize, Serialize};

use self::rights::{Role, Scope};
pub(crate) use self::{
    credentials::{
        Account, Credential, CredentialKind, DeploymentKey, MOST_IN_QUOTA, Over, Password, Spent, Token,
        check_name,
    },
    customer::{Customer, CustomerDetails, CustomerId},
    event::{EventRow, kind_of},
    location::Location,
    mail::{Language, MAIL_DAYS, MailPolicy, MailPolicyChange, MailTerm, Mailed, Sender, is_mailable},
    noted::{noted_after, noted_change},
    order::{Order, OrderChoice, OrderKey, OrderRow, check_order_id},
    policy::{WeightBody, of_record, weights},
    product::{Product, ProductId},
    refusal::{AskedFor, RefusalCursor, RefusalRow, Refused},
    refusals::Refusals,
    request::{RequestCursor, RequestRow, changed},
    retention::{Retention, RetentionChange, days_before},
    said::Said,
    seal::{Digest, Field, Lines, NOTHING, Seal, hex, line_digest, personal_digest, read_hex},
    submission::{Deactivation, Submission, What},
    terms::{FeatureBody, SaidTerms, present},
    webhook::{DeliveryRow, Webhook},
};
use crate::failure::Result;

/// When something is done, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Occasion {
    pub(crate) time: Timestamp,
    pub(crate) actor: Actor,
}

impl Occasion {
    /// The license that a deployment key is for, if one acts.
    pub(crate) fn deployed_license(&self) -> Option<LicenseId> {
        match &self.actor {
            Actor::Bearer(bearer) => match &bearer.who {
                Who::DeploymentKey { license, .. } => Some(*license),
                Who::Account { .. } | Who::Token { .. } => None,
            },
            Actor::Vendor(_) | Actor::Peer(_) => None,
        }
    }

    /// Whose limits for strangers count, if any: a peer's, and those of a machine with a deployment key, which is in an
    /// image that anybody may read.
    pub(crate) fn limited_peer(&self) -> Option<IpAddr> {
        match &self.actor {
            Actor::Peer(address) => Some(*address),
            Actor::Bearer(bearer) => self.deployed_license().map(|_| bearer.address),
            Actor::Vendor(_) => None,
        }
    }
}

/// Who acts.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    /// The vendor on the command line, by the name that the operating system has for the user. No limit holds.
    Vendor(String),
    /// A device or a customer over HTTP. The limits for strangers hold.
    Peer(IpAddr),
    /// A person or a program over HTTP, with a credential that this authority gave out.
    Bearer(Arc<Bearer>),
}

/// Makes the answer to a call from what was decided; none for what it has no answer to.
pub(crate) type ToAnswer = Box<dyn Fn(&Ruling, &Reply) -> Result<Option<Answered>> + Send>;

/// Who brought a credential, and from where.
pub(crate) struct Bearer {
    pub(crate) who: Who,
    pub(crate) address: IpAddr,
    /// Where refusals are counted.
    pub(crate) refusals: Arc<Refusals>,
    /// What is kept in the transaction of what is done next.
    to_keep: Mutex<Option<Answered>>,
    /// What makes that where only a decision tells the answer.
    to_answer: Mutex<Option<ToAnswer>>,
}

/// What a call was answered, sealed.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Finds it.
    pub(crate) id: Vec<u8>,
    /// Of what was asked.
    pub(crate) digest: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

impl Bearer {
    pub(crate) fn new(who: Who, address: IpAddr, refusals: Arc<Refusals>) -> Self {
        Self { who, address, refusals, to_keep: Mutex::default(), to_answer: Mutex::default() }
    }

    pub(crate) fn set_to_answer(&self, to_answer: Option<ToAnswer>) {
        *self.to_answer.lock().unwrap_or_else(PoisonError::into_inner) = to_answer;
    }

    /// Has the answer to what was decided kept, before that is stored.
    pub(crate) fn answer(&self, ruling: &Ruling, reply: &Reply) -> Result<()> {
        let to_answer = self.to_answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(to_answer) = &*to_answer {
            self.set_to_keep(to_answer(ruling, reply)?);
        }
        Ok(())
    }

    pub(crate) fn set_to_keep(&self, answer: Option<Answered>) {
        *self.to_keep.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    pub(crate) fn take_to_keep(&self) -> Option<Answered> {
        self.to_keep.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("who", &self.who)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Whose a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A person of the vendor's, who has signed in.
    Account { name: String, role: Role },
    /// A program of the vendor's, by the id of its token.
    Token {
        id: String,
        scopes: Vec<Scope>,
        /// The name of the only product that it is for; none for all.
        product: Option<String>,
    },
    /// A machine that is installed unattended, by the id of its deployment key.
    DeploymentKey { id: String, license: LicenseId },
}

impl fmt::Display for Who {
    /// As the audit names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { name, .. } => write!(f, "account:{name}"),
            Self::Token { id, .. } => write!(f, "token:{id}"),
            Self::DeploymentKey { id, .. } => write!(f, "deployment-key:{id}"),
        }
    }
}

/// What an address counts for: whoever has one IPv6 address has the 2^64 of its network.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

impl Actor {
    /// Where a request came from.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Vendor(_) => None,
            Self::Peer(address) => Some(*address),
            Self::Bearer(bearer) => Some(bearer.address),
        }
    }

    /// The role of a person of the vendor's.
    pub(crate) fn role(&self) -> Option<Role> {
        match self {
            Self::Bearer(bearer) => match &bearer.who {
                Who::Account { role, .. } => Some(*role),
                Who::Token { .. } | Who::DeploymentKey { .. } => None,
            },
            Self::Vendor(_) | Self::Peer(_) => None,
        }
    }
}

impl fmt::Display for Actor {
    /// As the ledger names the actor. An address is personal, and kept apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vendor(name) => write!(f, "cli:{name}"),
            Self::Peer(_) => f.write_str("http"),
            Self::Bearer(bearer) => write!(f, "{}", bearer.who),
        }
    }
}

/// A seat as a person names it. Two devices may have drawn one handle; then the device's key is needed too.
#[derive(Clone, Copy)]
pub(crate) struct SeatChoice {
    pub(crate) handle: Handle,
    pub(crate) device: Option<PublicKey>,
}

/// A license in a list.
pub(crate) struct LicenseRow {
    pub(crate) license: LicenseRecord,
    /// The end of its key, for people.
    pub(crate) key_hint: String,
    pub(crate) created: Timestamp,
    /// The latest version of its terms.
    pub(crate) version: u32,
    /// When it was ended for good.
    pub(crate) voided: Option<Timestamp>,
    pub(crate) customer: Option<CustomerId>,
}

/// What a license says now.
pub(crate) struct Standing {
    pub(crate) terms: LicenseTerms,
    pub(crate) version: u32,
    pub(crate) voided: Option<Timestamp>,
}

/// What a license said from a time on.
pub(crate) struct TermsVersion {
    pub(crate) version: u32,
    pub(crate) at: Timestamp,
    /// Who said so, as the audit names them.
    pub(crate) actor: String,
    pub(crate) terms: LicenseTerms,
}

/// A key of a license, without the key itself.
pub(crate) struct KeyRow {
    pub(crate) hash: KeyHash,
    /// Its end, for people.
    pub(crate) hint: String,
    pub(crate) created: Timestamp,
    /// Since when it opens nothing any more.
    pub(crate) revoked: Option<Timestamp>,
    /// The key, encrypted, if it is kept.
    pub(crate) sealed: Option<Vec<u8>>,
}

/// A license, and the end of its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LicenseHint {
    pub(crate) id: LicenseId,
    pub(crate) key_hint: String,
}

/// A seat in a list of many: what the list shows, and nothing that only decisions need.
pub(crate) struct SeatRow {
    pub(crate) handle: Handle,
    pub(crate) device_key: PublicKey,
    /// None for a request that was cancelled under a license key that nobody knows.
    pub(crate) license: Option<LicenseId>,
    pub(crate) state: SeatState,
    pub(crate) counted: bool,
    pub(crate) granted: Timestamp,
    pub(crate) changed: Timestamp,
    /// When its latest license was signed.
    pub(crate) issued: Timestamp,
    /// What its machine is called in lists for customers.
    pub(crate) label: String,
    /// When its device last spoke.
    pub(crate) contact: Timestamp,
    /// When its use ends; none if never.
    pub(crate) ends: Option<Timestamp>,
    pub(crate) lapsed: bool,
    pub(crate) reason: String,
    pub(crate) revision: u32,
    pub(crate) copies: u32,
    /// On how many days its device spoke after it was released, and when it did last.
    pub(crate) came_back: u32,
    pub(crate) came_back_at: Option<Timestamp>,
    pub(crate) virtual_machine: bool,
    pub(crate) container: bool,
    pub(crate) device: DeviceDescription,
    /// How many codes were tried at it within the last day.
    pub(crate) codes_tried: u32,
}

/// What a device said of itself when it asked for its seat, and of its machine since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceDescription {
    /// What the application said.
    pub(crate) metadata: Metadata,
    /// What it was last called, and what ran on it.
    #[serde(default)]
    pub(crate) description: Metadata,
    pub(crate) application: String,
    pub(crate) library: String,
}

impl From<&ActivationRequest> for DeviceDescription {
    fn from(request: &ActivationRequest) -> Self {
        Self {
            metadata: request.metadata.clone(),
            description: request.description(),
            application: request.application.clone(),
            library: request.library.clone(),
        }
    }
}

impl DeviceDescription {
    /// All that is shown of the machine. What the application said under a name stands.
    pub(crate) fn pairs(&self) -> Metadata {
        let is_said = |name: &str| self.metadata.iter().any(|(of, _)| of.eq_ignore_ascii_case(name));
        let others = self.description.iter().filter(|(name, _)| !is_said(name));
        self.metadata.iter().chain(others).cloned().collect()
    }
}

/// What a customer sees of a license.
pub(crate) struct Holding {
    pub(crate) license: LicenseRecord,
    /// The seats that are taken, then those that were given up last.
    pub(crate) seats: Vec<Seat>,
    /// What the ledger may have lost, for which seats lapse later.
    pub(crate) gaps: Vec<Gap>,
    /// How many were replaced.
    pub(crate) replaced: Count,
    /// Whether the license was ended for good.
    pub(crate) is_void: bool,
}

/// How many seats are in a state.
pub(crate) type StateCount = (SeatState, i64);

/// Something in the ledger that no act of the authority made so.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) table: String,
    /// The column, with the member of its record behind a dot; none for what is wrong with the table itself.
    pub(crate) column: Option<String>,
    pub(crate) license: Option<LicenseId>,
    pub(crate) seat: Option<SeatName>,
    /// What names the row where that is neither license nor seat.
    pub(crate) row: Option<String>,
    /// In words. No secret is in it.
    pub(crate) detail: String,
}

/// One line of the audit.
#[derive(Debug)]
pub(crate) struct AuditRow {
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    /// Of a person of the vendor's.
    pub(crate) role: Option<String>,
    pub(crate) action: String,
    pub(crate) license: Option<LicenseId>,
    pub(crate) handle: Option<Handle>,
    pub(crate) device: Option<PublicKey>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) detail: String,
    /// The address that it came from, until that is erased.
    pub(crate) peer: Option<String>,
    /// What else is about a person, until that is erased.
    pub(crate) personal: Option<String>,
}

impl AuditRow {
    /// What it says in words.
    pub(crate) fn words(&self) -> String {
        audit_words(&self.detail, self.personal.as_deref())
    }
}

/// What a line of the audit says in words, of which the second may be about a person.
pub(crate) fn audit_words(detail: &str, personal: Option<&str>) -> String {
    let words = [Some(detail), personal].into_iter().flatten().filter(|text| !text.is_empty());
    words.collect::<Vec<_>>().join(": ")
}

/// What a device takes in, as one armored text: the license first.
pub(crate) fn armored(license: Option<&License>, receipts: &[DeactivationReceipt]) -> String {
    let license = license.into_iter().map(License::to_text);
    license.chain(receipts.iter().map(DeactivationReceipt::to_text)).collect::<Vec<_>>().join("\n")
}

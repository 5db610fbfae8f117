//! Why something was not done.

use std::{borrow::Cow, time::Duration};

use nodelock::{ErrorKind, LicenseId, authority::decision::Refusal, code::Handle};

use crate::{
    domain::rights::{Act, QUOTA_DAYS},
    store,
};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why something was not done. No text holds a license key, a code or a private key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The library or one of its rules says no.
    #[error(transparent)]
    Rule(#[from] nodelock::Error),
    #[error("{0}")]
    Usage(String),
    /// At one seat, by the library's rule.
    #[error("too many attempts; try again tomorrow, or hand in the deactivation file, which has no limit")]
    TooManyAttempts,
    /// One peer failed too often; how long it has to wait.
    #[error("too many attempts from here; try again later")]
    PeerMustWait(Duration),
    /// Too many messages came for seats that nobody asked for, from this peer or in all; how long to wait, and about
    /// which seats.
    #[error("too many messages for seats that nobody asked for; try again later")]
    TooManyUnseen { wait: Duration, handles: Vec<Handle> },
    /// No credential came, or it is none, or none any more.
    #[error("a valid token is needed")]
    Unauthenticated,
    /// Which of them was wrong is not said.
    #[error("the name, the password or the code is wrong")]
    SignInRefused,
    /// What a server refuses with, and in which words.
    #[error("{message}")]
    Told { code: String, message: String },
    /// A person was asked, and did not say yes.
    #[error("nothing was changed")]
    NotConfirmed,
    #[error("that is not among the rights of who asks: {0}")]
    Forbidden(Act),
    #[error("{act} is allowed {most} times within {QUOTA_DAYS} days, and that many were done")]
    QuotaUsedUp { act: Act, most: u32 },
    #[error("the deployment key was good for {0} machines, and that many used it")]
    DeploymentKeyUsedUp(u32),
    #[error("something else was asked under that Idempotency-Key")]
    KeyReused,
    #[error("the same call was answered a moment ago")]
    AnsweredBefore,
    #[error("there is an account {0} already")]
    AccountExists(String),
    #[error("there is no account {0}")]
    UnknownAccount(String),
    #[error("there is no token or deployment key {0}")]
    UnknownCredential(String),
    #[error("there is no webhook {0}")]
    UnknownWebhook(String),
    /// Why.
    #[error("nothing can be mailed for that license: {0}")]
    NotMailed(&'static str),
    #[error("{0} were not redeemed; the output says which, and why")]
    NotAllRedeemed(u64),
    /// The license.
    #[error("license {0} is void; that cannot be undone. Sell another one")]
    Void(LicenseId),
    /// Several keys or none have that end; the license.
    #[error("license {0} has no key of that end, or several; `authority license show` has them")]
    NoSuchKey(LicenseId),
    /// No end was named, and there is not one key; the license.
    #[error(
        "license {0} has several keys that open something, or none; name one by its end. `authority license show` has them"
    )]
    NotOneKey(LicenseId),
    #[error(
        "the key is not kept, so it cannot be sent again; `authority license rekey` gives the license a new one"
    )]
    KeyNotKept,
    #[error(
        "secrets are kept here, and `vault.key`, which opens them, is missing or another one. Put it back among the keys \
         from their copy; no other is made meanwhile, and no license key that is sold is kept. If it is lost for good, \
         docs/OPERATING.md, Keys of licenses, says what to do"
    )]
    VaultMissing,
    #[error(
        "secrets are kept under a key that is not in the ledger, and there is none and no place for one: the folder of the \
         keys cannot be written to. Put the file vault.key there, or its text into AUTHORITY_VAULT_KEY"
    )]
    NoVault,
    #[error("several devices have a seat of that handle; name one with --device")]
    AmbiguousSeat,
    #[error("there is a license with that key already")]
    KeyInUse,
    /// The order's id, and what differs.
    #[error("order {0} was sold already, and {1}; nothing was sold now")]
    OrderDiffers(String, String),
    /// The order's id.
    #[error(
        "order {0} was sold already; nothing was sold now. `authority license show-key ID` shows a key again, and \
         `authority license rekey ID` gives a license a new one"
    )]
    SoldAlready(String),
    /// The id.
    #[error("there is no product {0}; `authority product list` shows those there are")]
    UnknownProduct(String),
    /// The id.
    #[error("there is a product {0} already, or one of that name or with those keys")]
    ProductThere(String),
    /// The id, or what the vendor's own system calls the customer.
    #[error("there is no customer {0}; `authority customer list` shows those there are")]
    UnknownCustomer(String),
    /// The id.
    #[error("what was noted of customer {0} was erased; enter a new one")]
    Erased(String),
    /// The id of the other customer.
    #[error("customer {0} has that external id already")]
    CustomerThere(String),
    #[error("nothing was sold under order {0}")]
    UnknownOrder(String),
    /// The order's id, which several sellers or products have.
    #[error("several orders have the id {0}; name one with --product or --seller")]
    AmbiguousOrder(String),
    /// Somebody else was faster: which version was seen, and which is the latest.
    #[error(
        "this was based on version {based_on}, and version {latest} is the latest; look at that one first"
    )]
    Superseded { based_on: u32, latest: u32 },
    #[error("this authority is set up already; nothing was changed")]
    AlreadyInitialized,
    #[error(
        "no authority is set up here. Run `authority init`, or give the first start of a server `--create`. If there was \
         one, look at --dir, --db and --keys, and at what is mounted there"
    )]
    NotInitialized,
    /// The keys of an authority are there, and its ledger is not.
    #[error(
        "the keys are here and their ledger is not. Look at --db, or bring the ledger back with `authority restore`. If it \
         is lost for good, `authority init --keep-keys` begins an empty one for the same keys"
    )]
    LedgerMissing,
    /// The ledger of an authority is there, and its keys are not; which file is missing.
    #[error(
        "the ledger is here and its keys are not: {0} is missing. Look at --keys, and put the keys back from their copy"
    )]
    KeysMissing(String),
    /// The path of what is there.
    #[error("{0} is there already, and nothing is written over; move it away, or name another place")]
    InTheWay(String),
    /// The path of the file.
    #[error("{0} holds no ledger of an authority")]
    NoLedger(String),
    /// How many things a verification found.
    #[error("{0} findings: the ledger holds what no act of this authority made")]
    Findings(u64),
    /// The file that the ledger's last page is copied to cannot be read or replaced; which, and why.
    #[error(
        "the last page of the ledger cannot be kept in {file} ({reason}), so nothing is signed. Make that place writable, or \
         name another one with --page-file; it is tried again every few seconds"
    )]
    PageStuck { file: String, reason: String },
    #[error("the keys belong to another authority than the database")]
    WrongKeys,
    #[error(
        "the database was written by a program before the first version, which cannot be read; begin with a new one"
    )]
    OlderDatabase,
    #[error("the database was written by a newer version of this program")]
    NewerDatabase,
    #[error("the database is of another program; nothing was changed")]
    ForeignDatabase,
    /// One record cannot be read: of which license, or which seat of which license.
    #[error("the database holds a damaged record, {record}: {reason}")]
    Damaged { record: String, reason: String },
    /// Some records cannot be read: a line about each.
    #[error("{0}")]
    SomeDamaged(String),
    #[error("the database: {0}")]
    Database(#[from] store::Error),
    #[error("the database holds a damaged record: {0}")]
    Record(#[from] serde_json::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind() {
            ErrorKind::TooManyAttempts => Self::TooManyAttempts,
            _ => Self::Rule(refusal.into()),
        }
    }
}

impl Failure {
    /// The same failure with the name of the record that it was met in.
    pub(crate) fn in_record(self, record: String) -> Self {
        Self::Damaged { record, reason: self.message() }
    }

    /// A rule says no: what happened, to what, with which value.
    pub(crate) fn rule(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Rule(nodelock::Error::new(kind, message))
    }

    /// No license has that id.
    pub(crate) fn unknown_license(id: LicenseId) -> Self {
        Self::rule(ErrorKind::UnknownLicense, format!("license {id} is not known"))
    }

    /// No seat has that handle.
    pub(crate) fn unknown_seat(handle: Handle) -> Self {
        Self::rule(ErrorKind::UnknownSeat, format!("no seat {handle} is known, or not of that device"))
    }

    /// Whether the database was asked too much at a time; it may well answer in a moment.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Database(error) => error.is_busy(),
            _ => false,
        }
    }

    /// What it says, with the operating system's own words behind it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Rule(error) => format!("{error:#}"),
            _ => self.to_string(),
        }
    }

    /// The stable name that programs branch on: an [`ErrorKind`] in kebab case, or one of a few of our own.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Rule(error) => error.kind().code().into(),
            Self::Usage(_) => "usage".into(),
            Self::TooManyAttempts | Self::PeerMustWait(_) | Self::TooManyUnseen { .. } => {
                "too-many-attempts".into()
            }
            Self::NotAllRedeemed(_) => "not-all-redeemed".into(),
            Self::Unauthenticated => "unauthenticated".into(),
            Self::SignInRefused => "sign-in-refused".into(),
            Self::Told { code, .. } => code.clone(),
            Self::NotConfirmed => "not-confirmed".into(),
            Self::Forbidden(_) => "forbidden".into(),
            Self::QuotaUsedUp { .. } => "quota-used-up".into(),
            Self::DeploymentKeyUsedUp(_) => "deployment-key-used-up".into(),
            Self::KeyReused => "key-reused".into(),
            Self::AnsweredBefore => "answered-before".into(),
            Self::AccountExists(_) => "account-exists".into(),
            Self::UnknownAccount(_) => "unknown-account".into(),
            Self::UnknownCredential(_) => "unknown-credential".into(),
            Self::UnknownWebhook(_) => "unknown-webhook".into(),
            Self::NotMailed(_) => "not-mailed".into(),
            Self::AmbiguousSeat => "ambiguous-seat".into(),
            Self::KeyInUse => "key-in-use".into(),
            Self::Void(_) => "void".into(),
            Self::NoSuchKey(_) | Self::NotOneKey(_) => "no-such-key".into(),
            Self::KeyNotKept => "key-not-kept".into(),
            Self::VaultMissing => "vault-missing".into(),
            Self::NoVault => "no-vault".into(),
            Self::OrderDiffers(..) => "order-differs".into(),
            Self::SoldAlready(_) => "sold-already".into(),
            Self::UnknownProduct(_) => "unknown-product".into(),
            Self::ProductThere(_) => "product-there".into(),
            Self::UnknownCustomer(_) => "unknown-customer".into(),
            Self::Erased(_) => "erased".into(),
            Self::CustomerThere(_) => "customer-there".into(),
            Self::UnknownOrder(_) => "unknown-order".into(),
            Self::AmbiguousOrder(_) => "ambiguous-order".into(),
            Self::Superseded { .. } => "superseded".into(),
            Self::AlreadyInitialized => "already-initialized".into(),
            Self::NotInitialized => "not-initialized".into(),
            Self::LedgerMissing => "ledger-missing".into(),
            Self::KeysMissing(_) => "keys-missing".into(),
            Self::InTheWay(_) => "in-the-way".into(),
            Self::NoLedger(_) | Self::Findings(_) => ErrorKind::Corrupt.code().into(),
            Self::PageStuck { .. } => "page-stuck".into(),
            Self::WrongKeys => "wrong-keys".into(),
            Self::OlderDatabase | Self::NewerDatabase | Self::ForeignDatabase => {
                ErrorKind::UnsupportedVersion.code().into()
            }
            Self::Database(_) => "database".into(),
            Self::Damaged { .. } | Self::SomeDamaged(_) | Self::Record(_) => ErrorKind::Corrupt.code().into(),
        }
    }

    /// 2 for a mistake in the arguments, 3 for an order that was sold before, 1 for everything else that was not done.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::SoldAlready(_) => 3,
            _ => 1,
        }
    }
}

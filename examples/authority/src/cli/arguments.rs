//! What can be typed.

mod customer;
mod event;
mod license;
mod mail;
mod people;
mod product;
mod request;
mod webhook;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use nodelock::{LicenseId, PublicKey, code::Handle};
use zeroize::Zeroizing;

pub(crate) use self::{
    customer::{CustomerCommand, OrderCommand, Which},
    event::{EventCommand, ListedEvents},
    license::{Changes, ExtendBy, LicenseAct, LicenseCommand, Licenses, NewKey, NewLicense, Reset, Trying},
    mail::{MailArguments, MailCommand, MailPolicyArguments},
    people::{AccountCommand, DeploymentKeyCommand, TokenCommand},
    product::{EditedTerms, PolicyCommand, ProductCommand, TrialLicense},
    request::RequestCommand,
    webhook::{Allowed, Replayed, WebhookCommand},
};
use crate::{
    domain::{
        Digest, Location, ProductId,
        filter::{Filter, List},
        read_hex,
    },
    failure::{Failure, Result},
    keys::{CERTIFICATE_DAYS, Outside},
    remote,
    service::Target,
};

/// A vendor's licensing authority: sells licenses, answers activation files, takes seats back.
///
/// Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the order was sold before. With --json the answer is one JSON object
/// on standard output; what was refused has a stable name in its field `error`.
///
/// AUTHORITY_ISSUER_KEY and AUTHORITY_ISSUER_CERTIFICATE in the environment go before the files issuer.key and
/// issuer.certificate among the keys, with the same text in them.
#[derive(Parser)]
#[command(name = "authority", version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) installation: Installation,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct Installation {
    /// Where the authority's database and keys are
    #[arg(long, global = true, value_name = "DIR", default_value = "authority", env = "AUTHORITY_DIR")]
    dir: PathBuf,
    /// The database: an SQLite file or the URL of a PostgreSQL database [default: DIR/authority.db]
    // Its URL may hold a password.
    #[arg(long, global = true, value_name = "FILE|URL", env = "AUTHORITY_DB", hide_env_values = true)]
    db: Option<Location>,
    /// The directory of the keys [default: DIR/keys]
    #[arg(long, global = true, value_name = "DIR", env = "AUTHORITY_KEYS")]
    keys: Option<PathBuf>,
    /// A file that no backup of the ledger reaches, on another disk for example: it holds the ledger's last page, by
    /// which a ledger that was restored to an earlier copy is noticed [default: the file `page` among the keys]
    #[arg(long, global = true, value_name = "FILE", env = "AUTHORITY_PAGE_FILE")]
    page_file: Option<PathBuf>,
    /// Work on the ledger of a server, at the address of its listener for administration: with a token, and with its
    /// rights. The token is in the environment variable NODELOCK_TOKEN, or in a file
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<Target>,
    /// With --server: the file of the token, which only its owner may read
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// With --server: trust the certificates in this file (PEM), and not those that this system trusts
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    pub(crate) ca: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Installation {
    pub(crate) fn database(&self) -> Location {
        self.db.clone().unwrap_or_else(|| Location::File(self.dir.join("authority.db")))
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.dir.join("keys"))
    }

    /// What a server is called with. Fails with [`Failure::Usage`] where there is none.
    pub(crate) fn token(&self) -> Result<Zeroizing<String>> {
        match &self.token_file {
            Some(file) => remote::token_in(file),
            None => std::env::var("NODELOCK_TOKEN").map(Zeroizing::new).map_err(|_| {
                Failure::Usage(
                    "--server wants a token: in NODELOCK_TOKEN, or in a file by --token-file".into(),
                )
            }),
        }
    }

    /// Where the ledger's last page is copied.
    pub(crate) fn outside(&self) -> Outside {
        Outside::new(self.page_file.as_deref(), &self.keys())
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make keys and a database; nothing that is there is overwritten
    Init {
        /// The product that is licensed
        #[arg(long, value_name = "NAME")]
        product: String,
        /// Begin an empty ledger for keys that are there already: theirs is lost for good, with all licenses and seats
        #[arg(long)]
        keep_keys: bool,
    },
    /// Sell, show, change, stop
    #[command(subcommand)]
    License(Licenses),
    /// To whom licenses are sold
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// What was sold under the ids of a shop
    #[command(subcommand)]
    Order(OrderCommand),
    /// What licenses are sold of, and on which terms unless the sale says otherwise
    #[command(subcommand)]
    Product(ProductCommand),
    /// What holds for every product that does not say otherwise
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Answer an activation file with a license, and with receipts for the seats given up in it
    Activate {
        /// The activation file, in any form; `-` is standard input
        file: PathBuf,
        /// The license to take a seat of, for a request that names no license key
        #[arg(long, value_name = "ID")]
        license: Option<LicenseId>,
        #[command(flatten)]
        out: Out,
    },
    /// Answer a check-in with a renewed license, or with the revocation of a seat that is over
    CheckIn {
        /// The check-in, in any form; `-` is standard input
        file: PathBuf,
        #[command(flatten)]
        out: Out,
    },
    /// Take a seat back, by a deactivation file or by the code that the customer reads out
    Redeem {
        /// A file, `-` for standard input, or the text itself; typing errors in a code are mended
        #[arg(required = true, value_name = "FILE|-|CODE")]
        input: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Take many seats back: a file with a proof or a code on each line, or armored blocks one after another
    ///
    /// What was interrupted is simply done again, into another file: the same input gets the same receipts.
    RedeemAll {
        /// The file; `-` is standard input
        input: PathBuf,
        /// A new file for what each of them came to: a line of JSON with its receipt
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Issue a new license for an active seat
    Renew {
        #[command(flatten)]
        seat: SeatArguments,
        #[command(flatten)]
        out: Out,
    },
    /// Release the seat of a machine that is dead, lost or unwilling, and write its revocation
    ///
    /// On a terminal it asks first; `unrelease` takes it back. `license deactivate` releases all seats of a license.
    Release {
        #[command(flatten)]
        seat: SeatArguments,
        /// Why, in words that the customer will read
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        out: Out,
    },
    /// Take the release of a seat back while its machine has not heard of it and a seat is free; write its license
    ///
    /// A revocation that was carried to the machine by hand is not known here: keep the file as long as the release may
    /// have to be taken back.
    Unrelease {
        #[command(flatten)]
        seat: SeatArguments,
        #[command(flatten)]
        out: Out,
    },
    /// Let the trial of a seat's machine last longer, for whoever uses it there; it hears of that when it checks in
    ExtendTrial {
        #[command(flatten)]
        seat: SeatArguments,
        #[command(flatten)]
        by: ExtendBy,
    },
    /// Return a held seat to the pool
    Return {
        #[command(flatten)]
        seat: SeatArguments,
    },
    /// Show seats
    List {
        /// Of this license only
        #[arg(long, value_name = "ID")]
        license: Option<LicenseId>,
        #[command(flatten)]
        filtered: Filtered,
    },
    /// What happened to licenses, as receivers are told
    #[command(subcommand)]
    Event(EventCommand),
    /// Servers of yours that are told of events
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// What customers are mailed, and what became of it
    #[command(subcommand)]
    Mail(MailCommand),
    /// What devices were refused lately, and why
    #[command(subcommand)]
    Refusal(RefusalCommand),
    /// Requests that wait for approval, where a license has each activation approved
    #[command(subcommand)]
    Request(RequestCommand),
    /// The people who may sign in, each with a role
    #[command(subcommand)]
    Account(AccountCommand),
    /// What your programs show instead of a password
    #[command(subcommand)]
    Token(TokenCommand),
    /// What machines show that are installed unattended
    #[command(subcommand)]
    DeploymentKey(DeploymentKeyCommand),
    /// The certificate under which the authority signs
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Serve the online calls over HTTP until SIGTERM or SIGINT; prints the address it listens on
    Serve(ServeArguments),
    /// Copy the ledger into a new file, while a server is at work; keys are not in it
    ///
    /// A ledger on PostgreSQL is copied by `pg_dump`; this says how.
    Backup {
        /// A new file, which only its owner may read
        file: PathBuf,
    },
    /// Bring the ledger back from a copy that `backup` made, to where there is none; the copy is verified first
    Restore {
        file: PathBuf,
        /// Restore it although the verification finds something; what it finds is shown
        #[arg(long)]
        despite_findings: bool,
    },
    /// Say that the ledger is not an earlier copy, after it was out of service for longer than a day without its page:
    /// it then need not wait for licenses that it may have lost
    Vouch,
    /// Compare every record of the ledger with the rules and with what was noted, while a server is at work
    Verify,
    /// Delete what is kept for longer than `policy retention` says, as a server does once a day
    Prune,
    /// Who did what and when, and whether that is still as it was noted
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show who did what and when
    List {
        /// How many lines, the latest
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
    },
    /// Look whether every line is as it was sealed and every seal as it was signed, while a server is at work
    ///
    /// Lines that have no seal yet are counted alone: a server seals them within a second, a command as it ends.
    Verify {
        /// A digest of the chain that was kept, from an earlier call for example: it must still be there
        #[arg(long = "digest", value_name = "HEX", value_parser = digest)]
        digests: Vec<Digest>,
        /// A license that a device holds, in any form: the digest of the chain in it must still be there
        #[arg(long = "license", value_name = "FILE")]
        licenses: Vec<PathBuf>,
    },
}

fn digest(text: &str) -> Result<Digest, String> {
    read_hex(text).ok_or_else(|| "64 hex digits are expected".to_owned())
}

#[derive(Subcommand)]
pub(crate) enum RefusalCommand {
    /// Show activations and check-ins that were refused: once for each device, reason and day
    List {
        /// Of this license only
        #[arg(long, value_name = "ID")]
        license: Option<LicenseId>,
    },
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// The address and port; port 0 is any free one. Without --tls-certificate, put a reverse proxy with TLS in front
    /// of it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8420", env = "AUTHORITY_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// The address and port of a second listener, for the operator alone: Prometheus reads http://ADDRESS:PORT/metrics.
    /// It has no TLS. Port 0 is any free one, which the log line `metrics-listening` names [default: no metrics]
    #[arg(long, value_name = "ADDRESS:PORT", env = "AUTHORITY_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The address and port of a listener for administration: the vendor's people and programs call /v1/admin there, by
    /// tokens. It has the same TLS. Port 0 is any free one, which the log line `admin-listening` names [default: none]
    #[arg(long, value_name = "ADDRESS:PORT", env = "AUTHORITY_ADMIN_LISTEN")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The product that is licensed: an authority for another product does not start
    #[arg(long, value_name = "NAME", env = "AUTHORITY_PRODUCT")]
    pub(crate) product: Option<String>,
    /// For a first start in a container: make keys and database for the product as `init` does, if there are neither
    #[arg(long, requires = "product", env = "AUTHORITY_CREATE", value_parser = FalseyValueParser::new())]
    pub(crate) create: bool,
    #[command(flatten)]
    pub(crate) tls: Option<TlsArguments>,
    /// A reverse proxy that appends its client's address to X-Forwarded-For: limits then count by that; may be given
    /// several times. Nobody else's X-Forwarded-For is believed
    #[arg(long, value_name = "ADDRESS", env = "AUTHORITY_TRUSTED_PROXY", value_delimiter = ',', value_parser = proxy)]
    pub(crate) trusted_proxy: Vec<IpAddr>,
    #[command(flatten)]
    pub(crate) webhooks: Allowed,
    #[command(flatten)]
    pub(crate) mail: MailArguments,
}

#[derive(Args)]
#[group(requires_all = ["tls_certificate", "tls_key"])]
pub(crate) struct TlsArguments {
    /// Serve HTTPS with this certificate (PEM, the certificates that lead to its root behind it); SIGHUP reads it again
    #[arg(
        id = "tls_certificate",
        long = "tls-certificate",
        value_name = "FILE",
        env = "AUTHORITY_TLS_CERTIFICATE",
        required = false
    )]
    pub(crate) certificate: PathBuf,
    /// The certificate's private key (PEM), which only its owner may read
    #[arg(
        id = "tls_key",
        long = "tls-key",
        value_name = "FILE",
        env = "AUTHORITY_TLS_KEY",
        required = false
    )]
    pub(crate) key: PathBuf,
}

/// The short name of a product.
fn product(text: &str) -> Result<ProductId, &'static str> {
    text.parse()
}

/// One address, not «any»: whoever may connect from anywhere may say anything.
fn proxy(text: &str) -> Result<IpAddr, &'static str> {
    match text.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() => Ok(address),
        _ => Err("the address of one proxy is expected"),
    }
}

/// Which rows of a list.
#[derive(Args)]
pub(crate) struct Filtered {
    /// Those alone that pass a filter, such as `state:active created<2026-08-01`; docs/OPERATING.md has the language
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
}

impl Filtered {
    /// Fails with [`Failure::Usage`](crate::failure::Failure::Usage) for what is no filter of that list.
    pub(crate) fn read(&self, list: List) -> Result<Filter> {
        self.filter.as_deref().map_or(Ok(Filter::all(list)), |text| Filter::read(list, text))
    }
}

#[derive(Args)]
pub(crate) struct Out {
    /// Write the answer to this file instead of standard output
    #[arg(long = "out", id = "out", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SeatArguments {
    /// The seat, as `list` shows it
    pub(crate) handle: Handle,
    /// The key of its device, should several devices have a seat of that handle
    #[arg(long, value_name = "KEY")]
    pub(crate) device: Option<PublicKey>,
}

#[derive(Subcommand)]
pub(crate) enum CertificateCommand {
    /// Show it, and for how long it lasts
    Show {
        /// Of this product [default: the only one]
        #[arg(long, value_name = "ID", value_parser = product)]
        product: Option<ProductId>,
    },
    /// Make a new one with the root key, and use it from now on; what was issued before stays valid
    New(CertificateArguments),
}

#[derive(Args)]
pub(crate) struct CertificateArguments {
    /// Of this product [default: the only one]
    #[arg(long, value_name = "ID", value_parser = product)]
    pub(crate) product: Option<ProductId>,
    /// The file of the root's private key [default: KEYS/root.key]
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key: Option<PathBuf>,
    /// For a new issuer key too, in place of the present one
    #[arg(long)]
    pub(crate) new_key: bool,
    /// How many days it lasts
    #[arg(long, value_name = "N", default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) days: u32,
    /// Its number [default: the one after the present certificate's]
    #[arg(long, value_name = "N")]
    pub(crate) serial: Option<u64>,
}

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nodelock::{PublicKey, Reason, code::Handle};

/// Client-side licensing from the command line.
///
/// Exit codes: 0 done (and usable), 1 refused or failed, 2 wrong usage, 3 the license is not usable.
#[derive(Parser)]
#[command(name = "nodelock", version)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Common {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,

    /// The folder that holds the license; the user's own place for this product if not given.
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// The product, by the name that its licenses bear.
    #[arg(long, global = true, value_name = "NAME", env = "NODELOCK_PRODUCT")]
    pub product: Option<String>,

    /// A root key of the vendor, in base64url; may be given more than once.
    // One key in 64 begins with a dash.
    #[arg(long, global = true, value_name = "KEY", allow_hyphen_values = true)]
    pub root: Vec<PublicKey>,

    /// A file with one root key a line; if there is neither this nor --root, the file that NODELOCK_ROOTS names.
    #[arg(long, global = true, value_name = "FILE")]
    pub roots: Option<PathBuf>,

    /// Where the vendor's authority is, for the commands that go online.
    #[arg(long, global = true, value_name = "URL", env = "NODELOCK_AUTHORITY")]
    pub authority: Option<String>,

    /// Take an authority at http:// on another host than this one, too: what is sent can be read on the way.
    #[arg(long, global = true)]
    pub plain_http: bool,

    /// A file with the deployment key that a machine which nobody sits at takes its seat with, for `activate` without a
    /// license key and for `start`; - is standard input.
    #[arg(long, global = true, value_name = "FILE", env = "NODELOCK_DEPLOYMENT_KEY_FILE")]
    pub deployment_key_file: Option<PathBuf>,

    /// A file of TLS certificates (PEM) to trust beside the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub trust: Option<PathBuf>,

    /// Tell the vendor in requests and check-ins what this computer is called, and its system and processor.
    #[arg(long, global = true)]
    pub describe_machine: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Say what of this machine can be recognized, without any value.
    Fingerprint {
        /// Print a stable identity of this machine for this application, and nothing else.
        #[arg(long, value_name = "APPLICATION")]
        id: Option<String>,
    },
    /// Ask for a seat, or show the pending request again.
    Request {
        /// The license key, as you received it; typing errors are mended or refused. Without one, shows the pending
        /// request, or makes one for a vendor who assigns licenses by hand.
        license_key: Option<String>,
        #[arg(long, value_enum, default_value_t)]
        format: RequestFormat,
        /// Write to this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Something to tell the vendor, such as computer=office; may be given more than once.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        metadata: Vec<(String, String)>,
        #[command(flatten)]
        replace: Replace,
    },
    /// Take a seat online: ask for it and install the answer.
    Activate {
        /// The license key, as you received it; typing errors are mended or refused. Without one, asks with the
        /// deployment key, if a file with one is named, or for a trial, which the vendor may give.
        license_key: Option<String>,
        /// Something to tell the vendor, such as computer=office; may be given more than once.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        metadata: Vec<(String, String)>,
        #[command(flatten)]
        replace: Replace,
        /// When no seat is free, take the place of this one: its computer must have been silent for a week.
        #[arg(long, value_name = "SEAT")]
        instead_of: Option<Handle>,
    },
    /// Renew the license: online, handing in what waits for a receipt too, or with --offline as a request to hand over.
    CheckIn {
        /// Without a network: writes a check-in for the vendor, and notes that it was asked.
        #[arg(long)]
        offline: bool,
        /// The form of an offline check-in.
        #[arg(long, value_enum, default_value_t, requires = "offline")]
        format: RequestFormat,
        /// Write an offline check-in to this file instead of standard output.
        #[arg(long, value_name = "FILE", requires = "offline")]
        out: Option<PathBuf>,
    },
    /// Take a new seat in place of one whose record is damaged: online, or with --offline as a request to hand over.
    Recover {
        /// Without a network: writes a request, as `request` does.
        #[arg(long)]
        offline: bool,
    },
    /// Take in what the vendor sent: the license, its renewal, a receipt or a revocation. Then show the license.
    Install {
        /// The file; - is standard input.
        file: PathBuf,
    },
    /// Say whether the license is usable, and what it entitles to.
    Status,
    /// Do what an application does when it starts: check, note the time, and renew what is due.
    Start {
        /// How many seconds to wait for the authority at most; 0 uses no network.
        #[arg(long, value_name = "SECONDS", default_value_t = 3)]
        limit: u16,
    },
    /// Give the seat back: the license is gone from this machine, and a code frees the seat.
    Deactivate {
        /// Without a network: shows a code to hand over.
        #[arg(long)]
        offline: bool,
        /// Why.
        #[arg(long, value_enum, default_value_t)]
        reason: ReasonArgument,
    },
    /// Show the codes of seats that were given back, until their receipts come.
    Code {
        #[arg(long, value_enum, default_value_t)]
        format: CodeFormat,
        /// Which seat, if several wait for their receipts.
        #[arg(long, value_name = "SEAT")]
        seat: Option<Handle>,
        /// The page of the vendor's that a QR code leads to; what is behind its # stays out of server logs.
        #[arg(long, value_name = "URL")]
        link: Option<String>,
        /// Write to this file instead of standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take in what the vendor sent, and show what became of a seat that was given back or revoked.
    Receipt {
        /// The file; - is standard input.
        file: PathBuf,
    },
    /// Take the pending request back.
    Cancel,
}

/// What a new request may put in its place. A license that has ended always gives way.
#[derive(Args)]
pub struct Replace {
    /// Set a valid license aside, such as a trial: it stays until the new one is installed, which gives its seat back.
    #[arg(long)]
    pub replace_license: bool,
    /// Cancel the pending request, whose answer may be on its way.
    #[arg(long)]
    pub replace_request: bool,
}

#[derive(Clone, Copy, Default, PartialEq, ValueEnum)]
pub enum RequestFormat {
    /// Text for a mail or a form.
    #[default]
    Text,
    /// A small binary file.
    File,
    /// A QR code for a terminal.
    Qr,
    /// A QR code as an SVG image.
    Svg,
}

#[derive(Clone, Copy, Default, PartialEq, ValueEnum)]
pub enum CodeFormat {
    /// 25 symbols to read over the phone.
    #[default]
    Phone,
    /// Text for a mail or a form.
    Text,
    /// A QR code for a terminal.
    Qr,
    /// A QR code as an SVG image.
    Svg,
    /// A small binary file.
    File,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ReasonArgument {
    /// The license moves to another machine.
    Moved,
    /// The machine is taken out of service.
    Retired,
    /// The system or the application is installed again.
    Reinstalled,
    /// Anything else.
    #[default]
    Other,
}

impl From<ReasonArgument> for Reason {
    fn from(reason: ReasonArgument) -> Self {
        match reason {
            ReasonArgument::Moved => Self::Moved,
            ReasonArgument::Retired => Self::Retired,
            ReasonArgument::Reinstalled => Self::Reinstalled,
            ReasonArgument::Other => Self::Other,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.to_owned(), value.to_owned()))
}

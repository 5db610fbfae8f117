//! What each command does: read its input, call one service, put the outcome into words.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use nodelock::{
    Error, ErrorKind, License, Outcome, Roots,
    authority::SeatState,
    code::{Correction, DeactivationCode, Handle, Reading},
};
use serde_json::{Map, Value, json};

use super::{
    arguments::{AuditCommand, CertificateCommand, Command, Installation, LicenseAct, Licenses},
    bulk, customers,
    desk::{Desk, Ledger},
    events,
    licenses::{self, Sales},
    mail,
    output::{self, Listing, Report, json},
    people, products, refusals, requests, seats, webhooks,
};
use crate::{
    domain::{Actor, Deactivation, Digest, Occasion, armored, filter::List},
    failure::{Failure, Result},
    http::{self, records::Issued},
    keys::{self, Presence, ROOT_KEY, renewal::NewCertificate},
    remote::Remote,
    service::{self, Activated, CheckedIn, Database, Kept, Keys, Redeemed, Released, Selling, Service},
};

/// Longer than any input that the library looks at, so that it finds out itself.
const LIMIT: u64 = 1024 * 1024;

/// A command does one thing after the other.
const CONNECTIONS: u32 = 1;
/// A server asks its database that many things at a time. On PostgreSQL some of them may wait for one license.
const SERVER_CONNECTIONS: u32 = 16;

/// What is done on the ledger's machine alone, and why.
pub(super) const LOCAL: [(&str, &str); 16] = [
    ("activate", AT_COUNTER),
    ("backup", BESIDE),
    ("certificate new", "the root's private key does not leave its machine"),
    ("certificate show", "the issuer's certificate is a file beside the ledger"),
    ("check-in", AT_COUNTER),
    ("event kinds", "they are those of this program, so no server is asked: leave --server out"),
    ("init", BESIDE),
    ("mail sample", "it is for whoever sets up the program that mails, beside the server"),
    ("product new", "a product's private keys are made where they stay"),
    ("prune", BESIDE),
    ("redeem", AT_COUNTER),
    (
        "redeem-all",
        "each proof of a file is redeemed by a call of its own; `POST /v1/admin/redeem` takes one",
    ),
    ("restore", BESIDE),
    ("serve", BESIDE),
    ("verify", BESIDE),
    ("vouch", "whoever restored the ledger knows whether it is an earlier copy"),
];
/// They have calls, whose answers lack what these commands say beside a refusal.
const AT_COUNTER: &str = "the portal takes files and codes from afar, and so do `POST /v1/admin/redeem`, `check-ins` and \
                          `activations`";
const BESIDE: &str = "it works on the ledger's own files";

/// Does what was asked for; `name` is the command's.
pub(crate) async fn run(command: &Command, installation: &Installation, name: &str) -> Result<Report> {
    if let Some(target) = &installation.server {
        if let Some((_, why)) = LOCAL.iter().find(|(local, _)| *local == name) {
            return Err(Failure::Usage(format!("`{name}` is not done with --server: {why}")));
        }
        let remote = Remote::new(target.clone(), &installation.token()?, installation.ca.as_deref())?;
        return execute(command, &Desk::Server(remote), installation.json).await;
    }
    let occasion = Occasion { time: std::time::SystemTime::now().into(), actor: Actor::Vendor(user()) };
    if let Command::Init { product, keep_keys } = command {
        let wanted = if *keep_keys { Keys::Kept } else { Keys::New };
        return init(product, installation, wanted, &occasion).await;
    }
    if let Command::Restore { file, despite_findings } = command {
        let (location, keys) = (installation.database(), installation.keys());
        let restored = service::restore(file, &location, &keys, *despite_findings, &occasion).await?;
        return Ok(output::restored(file, &keys, restored));
    }
    let serves = match command {
        Command::Serve(arguments) => Some(arguments),
        _ => None,
    };
    if let Some(arguments) = serves
        && arguments.create
        && let Some(product) = arguments.product.as_deref()
    {
        match init(product, installation, Keys::New, &occasion).await {
            // What applications embed is in the keys' directory too.
            Ok(report) => tracing::info!(event = "set-up", root = report.fields["root"].as_str()),
            Err(Failure::AlreadyInitialized) => {}
            Err(failure) => return Err(failure),
        }
    }
    let connections = if serves.is_some() { SERVER_CONNECTIONS } else { CONNECTIONS };
    let report = match Database::open(&installation.database(), connections).await {
        Ok(database) => {
            let report = on_ledger(command, installation, &database, &occasion).await;
            // A server seals what it notes itself. A command that looks at something waits for nobody who writes.
            let is_server = matches!(command, Command::Serve(_));
            if report.is_ok() && database.has_written() && !is_server {
                // What is done is done. Where the keys are elsewhere or may not sign, the lines wait for whoever can
                // seal them, and `audit verify` says how many do.
                let _ = service::seal_audit(&database, &installation.keys()).await;
            }
            database.close().await;
            report
        }
        Err(failure) => Err(failure),
    };
    match report {
        Err(Failure::NotInitialized) if keys::presence(&installation.keys())? == Presence::Complete => {
            Err(Failure::LedgerMissing)
        }
        report => report,
    }
}

/// Whoever the operating system says it is. A variable that is empty says nothing.
fn user() -> String {
    let names = ["USER", "LOGNAME"].into_iter().filter_map(|variable| std::env::var(variable).ok());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into())
}

async fn on_ledger(
    command: &Command,
    installation: &Installation,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    // A ledger without an authority is none.
    service::products(database).await?;
    let desk = Desk::Ledger(Ledger::new(database, occasion, installation));
    let report = execute(command, &desk, installation.json).await;
    desk.ledger()?.end().await;
    report
}

async fn execute(command: &Command, desk: &Desk<'_>, as_json: bool) -> Result<Report> {
    match command {
        // Done where no ledger is open.
        Command::Init { .. } | Command::Restore { .. } => Err(Failure::AlreadyInitialized),
        Command::Backup { file } => {
            let ledger = desk.ledger()?;
            service::back_up(ledger.database, file, ledger.occasion).await?;
            Ok(output::backed_up(file, &ledger.keys()))
        }
        Command::Verify => {
            let ledger = desk.ledger()?;
            Ok(output::verified(&service::verify(ledger.database, &ledger.keys(), ledger.occasion).await?))
        }
        Command::License(Licenses::AtWork(LicenseAct::Reset(reset))) => licenses::allow(reset, desk).await,
        Command::License(Licenses::AtWork(LicenseAct::Deactivate { id, reason, yes, trying })) => {
            let reason = reason.as_deref().unwrap_or_default();
            match trying.dry_run {
                true => seats::foresee_deactivation(desk, *id).await,
                false => seats::deactivate(desk, *id, reason, *yes).await,
            }
        }
        Command::License(Licenses::AtDesk(command)) => Sales { desk, as_json }.run(command).await,
        Command::Customer(command) => customers::customers(command, desk, as_json).await,
        Command::Order(command) => customers::orders(command, desk, as_json).await,
        Command::Product(command) => products::run(command, desk, as_json).await,
        Command::Policy(command) => products::policies(command, desk).await,
        Command::Activate { file, license, .. } => {
            let ledger = desk.ledger()?;
            let service = ledger.service().await?;
            let file = service.read(read(file)?).await?.activation()?;
            let handle = file.request().handle;
            Ok(activated(handle, service.activate(file, *license, ledger.occasion).await?))
        }
        Command::CheckIn { file, .. } => {
            let ledger = desk.ledger()?;
            let service = ledger.service().await?;
            let claim = service.read(read(file)?).await?.check_in()?;
            Ok(checked_in(service.check_in(&claim, ledger.occasion).await?))
        }
        Command::RedeemAll { input, out } => {
            let (input, ledger) = (open(input)?, desk.ledger()?);
            bulk::redeem_all(input, out, ledger.service().await?, ledger.occasion).await
        }
        Command::Redeem { input, .. } => {
            let ledger = desk.ledger()?;
            redeem(input, ledger.service().await?, ledger.occasion).await
        }
        Command::Renew { seat, .. } => seats::renew(desk, seat).await,
        Command::Release { seat, reason, yes, .. } => seats::release(desk, seat, reason, *yes).await,
        Command::Unrelease { seat, .. } => seats::unrelease(desk, seat).await,
        Command::ExtendTrial { seat, by } => seats::extend_trial(desk, seat, by).await,
        Command::Return { seat } => seats::return_held(desk, seat).await,
        Command::Vouch => {
            let ledger = desk.ledger()?;
            let history = ledger.service().await?.vouch(ledger.occasion).await?;
            Ok(output::vouched(&history, ledger.occasion.time))
        }
        Command::List { license, filtered } => {
            let mut listing = Listing::new("seats", as_json);
            let show = |row| listing.row(row, output::seat_words, json);
            let mut filter = filtered.read(List::Seats)?;
            if let Some(id) = license {
                filter = filter.and("license", &id.to_string());
            }
            desk.seats(filter, show).await?;
            listing.finish("No seats.")
        }
        Command::Event(command) => events::events(command, desk, as_json).await,
        Command::Webhook(command) => webhooks::webhooks(command, desk, as_json).await,
        Command::Mail(command) => mail::run(command, desk, as_json).await,
        Command::Refusal(command) => refusals::run(command, desk, as_json).await,
        Command::Request(command) => requests::run(command, desk, as_json).await,
        Command::Account(command) => people::account(command, desk).await,
        Command::Token(command) => people::token(command, desk).await,
        Command::DeploymentKey(command) => people::deployment_key(command, desk).await,
        Command::Certificate(CertificateCommand::Show { product }) => {
            let ledger = desk.ledger()?;
            let product = service::product(ledger.database, product.as_ref()).await?;
            let selling = Selling::load(&product, &ledger.keys())?;
            Ok(output::certificate(&selling.signer.certificate, ledger.occasion.time))
        }
        Command::Certificate(CertificateCommand::New(new)) => {
            let (ledger, keys) = (desk.ledger()?, desk.ledger()?.keys());
            let (database, occasion) = (ledger.database, ledger.occasion);
            let product = service::product(database, new.product.as_ref()).await?;
            let directory = product.keys(&keys);
            let root_key = new.root_key.clone().unwrap_or_else(|| directory.join(ROOT_KEY));
            let new = NewCertificate {
                root_key: &root_key,
                new_key: new.new_key,
                days: new.days,
                serial: new.serial,
                source: service::source(&product),
            };
            let certificate = service::certify(database, &keys, &product, &new, occasion).await?;
            let mut report = output::certificate(&certificate, occasion.time);
            report.words +=
                "\nA server that is running takes it in within a minute, or at once when it gets SIGHUP.";
            Ok(report)
        }
        Command::Serve(arguments) => {
            let ledger = desk.ledger()?;
            let (database, keys) = (ledger.database, ledger.keys());
            let products = service::products(database).await?;
            let is_sold = |name: &String| products.iter().any(|product| product.name == *name);
            if let Some(other) = arguments.product.as_ref().filter(|name| !is_sold(name)) {
                let names: Vec<&str> = products.iter().map(|product| product.name.as_str()).collect();
                let text = format!(
                    "this authority is for the product \"{}\" and not for \"{other}\"",
                    names.join("\", \"")
                );
                return Err(Failure::rule(ErrorKind::WrongProduct, text));
            }
            let vault = match service::vault(database, &keys).await {
                Err(failure @ Failure::VaultMissing) => {
                    // Devices need the server more than anybody needs the copies.
                    tracing::warn!(event = "vault-missing", error = failure.message());
                    None
                }
                vault => vault?,
            };
            let service = ledger.new_service().await?.with_vault(vault);
            keys::finish(&keys);
            http::run(arguments, &keys, service).await?;
            Ok(Report::new("", json!({})))
        }
        Command::Prune => {
            let ledger = desk.ledger()?;
            let pruned = service::prune(ledger.database, ledger.occasion).await?;
            let counts = pruned.members().into_iter().filter(|(_, count)| *count > 0);
            let counts: Vec<_> = counts.map(|(name, count)| format!("{count} of {name}")).collect();
            let words = match counts.is_empty() {
                true => "Nothing was kept for too long.".to_owned(),
                false => format!("Let go: {}.", counts.join(", ")),
            };
            let fields: Map<String, Value> =
                pruned.members().into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
            Ok(Report::new(words, fields.into()))
        }
        Command::Audit(AuditCommand::Verify { digests, licenses }) => {
            let by_hand = |digest: &Digest| Kept { by: "somebody".to_owned(), digest: *digest };
            let mut kept: Vec<Kept> = digests.iter().map(by_hand).collect();
            let roots = if licenses.is_empty() { Roots::new([]) } else { desk.roots().await? };
            for file in licenses {
                let license = License::verify(&read(file)?, &roots)?;
                let digest = license.chain().ok_or_else(|| {
                    Failure::Usage(
                        "that license was signed before anything was sealed, so it tells nothing".into(),
                    )
                })?;
                kept.push(Kept { by: format!("the device of seat {}", license.handle), digest });
            }
            Ok(output::verified_audit(&desk.verify_audit(&kept).await?))
        }
        Command::Audit(AuditCommand::List { limit }) => {
            let mut listing = Listing::new("audit", as_json);
            let show = |row| listing.row(row, output::audit_words, json);
            desk.audit(*limit, show).await?;
            listing.finish("Nothing happened yet.")
        }
    }
}

async fn init(
    product: &str,
    installation: &Installation,
    wanted: Keys,
    occasion: &Occasion,
) -> Result<Report> {
    let directory = installation.keys();
    let root = service::set_up(product, &installation.database(), &directory, wanted, occasion).await?;
    let words = format!(
        "An authority for {product} is set up. Applications embed the root public key:\n\n    {}\n\n\
         Keep {} somewhere offline: it is needed again only for a new issuer certificate.",
        root,
        directory.join(keys::ROOT_KEY).display()
    );
    Ok(Report::new(words, json!({ "product": product, "root": root.to_string() })))
}

fn activated(handle: Handle, activated: Activated) -> Report {
    let Activated { license, receipts } = activated;
    let freed: Vec<String> = receipts.iter().map(|receipt| receipt.handle.to_string()).collect();
    let released = match freed.is_empty() {
        true => String::new(),
        false => format!("Given up before: {}; the answer holds the receipts.\n", freed.join(", ")),
    };
    let fields = json!({ "handle": handle.to_string(), "released": freed });
    match license {
        Ok(license) => {
            let words = format!(
                "{released}Granted: seat {handle} of license {} ({}).",
                license.license_id, license.licensee
            );
            let text = armored(Some(&license), &receipts);
            let mut report = Report::new(words, fields).with_document("reply", text);
            report.fields.insert("license".into(), license.license_id.to_string().into());
            report.fields.insert("revision".into(), license.revision.into());
            report
        }
        Err(failure) => {
            let report = Report::new(released, fields).with_failure(failure);
            match receipts.is_empty() {
                true => report,
                false => report.with_document("receipts", armored(None, &receipts)),
            }
        }
    }
}

fn checked_in(checked_in: CheckedIn) -> Report {
    match checked_in {
        CheckedIn::Renewed(license) => {
            seats::issued_words(&Issued::from(&*license)).with_document("license", license.to_text())
        }
        CheckedIn::Revoked(revocation) => {
            let handle = revocation.handle.to_string();
            let words = format!(
                "Over: seat {handle} was released or given back. Its machine stops when it takes in the revocation."
            );
            Report::new(words, json!({ "handle": handle })).with_document("revocation", revocation.to_text())
        }
    }
}

async fn redeem(input: &[String], service: &Service, occasion: &Occasion) -> Result<Report> {
    let bytes = match input {
        [one] if one == "-" || Path::new(one).is_file() => read(Path::new(one))?,
        // A code has spaces where people hear pauses.
        words => words.join(" ").into_bytes(),
    };
    let (redeemed, reading) = match service.read(bytes).await?.deactivation()? {
        Deactivation::Proof(claim) => (service.redeem_proof(&claim, occasion).await?, None),
        Deactivation::Code(typed) => service.redeem_code(&typed, occasion).await?,
    };
    Ok(redemption(redeemed, reading))
}

fn redemption(redeemed: Redeemed, reading: Option<Reading<DeactivationCode>>) -> Report {
    let corrections = reading.map(|reading| reading.corrections).unwrap_or_default();
    let mended: Vec<String> = corrections.iter().map(Correction::to_string).collect();
    let mut words: String = mended.iter().map(|correction| format!("Mended: {correction}.\n")).collect();
    let name = redeemed.outcome();
    match redeemed {
        Redeemed::Released(released) => {
            let Released { seat, outcome, deactivations_left, changed, receipt } = *released;
            let handle = seat.handle();
            let text = match (outcome, changed) {
                (Outcome::Held, _) => format!(
                    "Held: the license has no deactivation left, so seat {handle} stays reserved for the same machine."
                ),
                (Outcome::Returned, true) if seat.state() == SeatState::Cancelled => {
                    format!("Freed: seat {handle} was not granted before, and never will be.")
                }
                (_, true) => format!("Freed: seat {handle} is back in the pool."),
                (_, false) => {
                    format!("Already freed: seat {handle} was given up before; nothing changed.")
                }
            };
            words += &text;
            let fields = json!({
                "outcome": name,
                "handle": handle.to_string(),
                "deactivations_left": deactivations_left,
                "mended": mended,
                "receipt_pending": receipt.is_none(),
            });
            match receipt {
                Some(receipt) => Report::new(words, fields).with_document("receipt", receipt.to_text()),
                None => {
                    words += "\nThe receipt cannot be signed: the issuer's certificate is not valid now. Redeem the same \
                              again once there is a new one.";
                    Report::new(words, fields)
                }
            }
        }
        Redeemed::Kept(handle) => {
            words += &format!(
                "Unknown: no seat {handle} was granted here yet. This is kept, and judged when the machine's request arrives.\n"
            );
            let fields =
                json!({ "outcome": name, "kept": true, "handle": handle.to_string(), "mended": mended });
            let text = format!("seat {handle} was not granted here yet, so there is no receipt");
            Report::new(words, fields).with_failure(Failure::rule(ErrorKind::UnknownSeat, text))
        }
    }
}

/// A file, or standard input for `-`.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(path).map_err(|error| Error::io(path.display().to_string(), error))?))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| Error::io(path.display().to_string(), error))?;
    Ok(bytes)
}

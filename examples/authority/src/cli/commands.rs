//! What each command does: read its input, call one service, put the outcome into words.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use nodelock::{
    Error, ErrorKind, License, Outcome,
    authority::{SeatState, decision::Allow},
    code::{Correction, DeactivationCode, Handle, Reading},
};
use serde_json::json;

use super::{
    arguments::{CertificateCommand, Command, Installation, LicenseCommand, Reset, SeatArguments},
    bulk, customers,
    licenses::Desk,
    output::{self, Listing, Report},
    people, products,
};
use crate::{
    domain::{Actor, Deactivation, Occasion, SeatChoice, armored},
    failure::{Failure, Result},
    http,
    keys::{self, Presence, Vault, renewal::NewCertificate},
    service::{self, Activated, CheckedIn, Database, Keys, Redeemed, Released, Selling, Sellings, Service},
};

/// Longer than any input that the library looks at, so that it finds out itself.
const LIMIT: u64 = 1024 * 1024;

/// A command does one thing after the other.
const CONNECTIONS: u32 = 1;
/// A server asks its database that many things at a time. On PostgreSQL some of them may wait for one license.
const SERVER_CONNECTIONS: u32 = 16;

/// Does what was asked for.
pub(crate) async fn run(command: &Command, installation: &Installation) -> Result<Report> {
    let actor = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let occasion = Occasion {
        time: std::time::SystemTime::now().into(),
        actor: Actor::Vendor(actor.unwrap_or_else(|_| "unknown".into())),
    };
    if let Command::Init { product, keep_keys } = command {
        let wanted = if *keep_keys { Keys::Kept } else { Keys::New };
        return init(product, installation, wanted, &occasion).await;
    }
    if let Command::Restore { file } = command {
        let restored =
            service::restore(file, &installation.database(), &installation.keys(), &occasion).await?;
        return Ok(output::restored(file, &installation.keys(), restored));
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
            let report = execute(command, installation, &database, &occasion).await;
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

async fn execute(
    command: &Command,
    installation: &Installation,
    database: &Database,
    occasion: &Occasion,
) -> Result<Report> {
    let products = service::products(database).await?;
    let service = async || {
        let sellings = Sellings::load(database, &installation.keys()).await?;
        Ok::<_, Failure>(Service::new(database.clone(), sellings, installation.outside()))
    };
    match command {
        // Done where no ledger is open.
        Command::Init { .. } | Command::Restore { .. } => Err(Failure::AlreadyInitialized),
        Command::Backup { file } => {
            service::back_up(database, file, occasion).await?;
            Ok(output::backed_up(file, &installation.keys()))
        }
        Command::Verify => {
            Ok(output::verified(&service::verify(database, &installation.keys(), occasion).await?))
        }
        Command::License(LicenseCommand::Reset(reset)) => {
            at_work(service().await?, async |service| allow(reset, service, occasion).await).await
        }
        Command::License(command) => {
            let keys = installation.keys();
            if let LicenseCommand::New(new) = command {
                // Nothing is signed yet, but what could not be honored must not be sold.
                Selling::load(&service::product(database, new.product.as_ref()).await?, &keys)?;
            }
            let desk = Desk { database, occasion, as_json: installation.json, keys: &keys };
            desk.run(command).await
        }
        Command::Customer(command) => {
            customers::customers(command, database, occasion, installation.json).await
        }
        Command::Order(command) => customers::orders(command, database, occasion, installation.json).await,
        Command::Product(command) => {
            products::run(command, &installation.keys(), database, occasion, installation.json).await
        }
        Command::Policy(command) => products::policies(command, database, occasion).await,
        Command::Activate { file, license, .. } => {
            at_work(service().await?, async |service| {
                let file = service.read(read(file)?).await?.activation()?;
                let handle = file.request().handle;
                Ok(activated(handle, service.activate(file, *license, occasion).await?))
            })
            .await
        }
        Command::CheckIn { file, .. } => {
            at_work(service().await?, async |service| {
                let claim = service.read(read(file)?).await?.check_in()?;
                Ok(checked_in(service.check_in(&claim, occasion).await?))
            })
            .await
        }
        Command::RedeemAll { input, out } => {
            let input = open(input)?;
            at_work(service().await?, async |service| bulk::redeem_all(input, out, service, occasion).await)
                .await
        }
        Command::Redeem { input, .. } => {
            at_work(service().await?, async |service| redeem(input, service, occasion).await).await
        }
        Command::Renew { seat, .. } => {
            at_work(service().await?, async |service| {
                Ok(renewed(&service.renew(choice(seat), occasion).await?))
            })
            .await
        }
        Command::Release { seat, reason, .. } => {
            at_work(service().await?, async |service| release(seat, reason, service, occasion).await).await
        }
        Command::Unrelease { seat, .. } => {
            at_work(service().await?, async |service| {
                let license = service.unrelease(choice(seat), occasion).await?;
                let report = renewed(&license);
                let words =
                    format!("Taken back: seat {} is its machine's again. {}", license.handle, report.words);
                Ok(Report { words, ..report })
            })
            .await
        }
        Command::ExtendTrial { seat, by } => {
            // So many days from now on, or as many later than its end as that is.
            let until = match (by.days, by.until) {
                (_, Some(until)) => until,
                (days, None) => occasion.time.plus_days(days.unwrap_or_default()),
            };
            at_work(service().await?, async |service| {
                let seat = service.extend_trial(choice(seat), until, occasion).await?;
                let words = format!(
                    "Extended: the trial of the machine of seat {} ends at {until}. It hears of that when it checks in.",
                    seat.handle()
                );
                Ok(Report::new(words, json!({ "handle": seat.handle().to_string(), "until": until.to_string() })))
            })
            .await
        }
        Command::Return { seat } => {
            at_work(service().await?, async |service| {
                let handle = service.return_held(choice(seat), occasion).await?.handle().to_string();
                let words = format!("Returned: seat {handle} is back in the pool.");
                Ok(Report::new(words, json!({ "handle": handle, "outcome": "returned" })))
            })
            .await
        }
        Command::Vouch => {
            at_work(service().await?, async |service| {
                Ok(output::vouched(&service.vouch(occasion).await?, occasion.time))
            })
            .await
        }
        Command::List { license } => {
            let mut listing = Listing::new("seats", installation.json);
            let show = |row| listing.row(row, output::seat_words, output::seat);
            service::seats(database, *license, occasion, show).await?;
            listing.finish("No seats.")
        }
        Command::Account(command) => people::account(command, database, occasion).await,
        Command::Token(command) => people::token(command, database, occasion).await,
        Command::DeploymentKey(command) => people::deployment_key(command, database, occasion).await,
        Command::Certificate(CertificateCommand::Show { product }) => {
            let product = service::product(database, product.as_ref()).await?;
            let selling = Selling::load(&product, &installation.keys())?;
            Ok(output::certificate(&selling.signer.certificate, occasion.time))
        }
        Command::Certificate(CertificateCommand::New(new)) => {
            let product = service::product(database, new.product.as_ref()).await?;
            let directory = product.keys(&installation.keys());
            let root_key = new.root_key.clone().unwrap_or_else(|| directory.join(keys::ROOT_KEY));
            let new = NewCertificate {
                root_key: &root_key,
                new_key: new.new_key,
                days: new.days,
                serial: new.serial,
                source: service::source(&product),
            };
            let certificate =
                service::certify(database, &installation.keys(), &product, &new, occasion).await?;
            let mut report = output::certificate(&certificate, occasion.time);
            report.words +=
                "\nA server that is running takes it in within a minute, or at once when it gets SIGHUP.";
            Ok(report)
        }
        Command::Serve(arguments) => {
            let is_sold = |name: &String| products.iter().any(|product| product.name == *name);
            if let Some(other) = arguments.product.as_ref().filter(|name| !is_sold(name)) {
                let names: Vec<&str> = products.iter().map(|product| product.name.as_str()).collect();
                let text = format!(
                    "this authority is for the product \"{}\" and not for \"{other}\"",
                    names.join("\", \"")
                );
                return Err(Failure::rule(ErrorKind::WrongProduct, text));
            }
            let vault = Vault::open_or_create(&installation.keys())?;
            let service = service().await?.with_vault(vault);
            keys::finish(&installation.keys());
            http::run(arguments, &installation.keys(), service).await?;
            Ok(Report::new("", json!({})))
        }
        Command::Audit { limit } => {
            let mut listing = Listing::new("audit", installation.json);
            let show = |row| listing.row(row, output::audit_words, output::audit);
            service::audit(database, *limit, occasion, show).await?;
            listing.finish("Nothing happened yet.")
        }
    }
}

/// Does what is signed for, and notes that this is over: the ledger is out of service then, unless a server is at work.
async fn at_work(service: Service, act: impl AsyncFnOnce(&Service) -> Result<Report>) -> Result<Report> {
    let report = act(&service).await;
    if let Err(failure) = service.stop_alone().await {
        // What was done stays done. A later start may think that something is missing.
        eprintln!("warning: that this is over could not be noted: {}", failure.message());
    }
    report
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

fn renewed(license: &License) -> Report {
    let until = license.lease_until.map_or_else(String::new, |time| format!(", leased until {time}"));
    let words = format!("Renewed: seat {}, revision {}{until}.", license.handle, license.revision);
    let fields = json!({
        "handle": license.handle.to_string(),
        "revision": license.revision,
        "lease_until": license.lease_until.map(|time| time.to_string()),
    });
    Report::new(words, fields).with_document("license", license.to_text())
}

fn checked_in(checked_in: CheckedIn) -> Report {
    match checked_in {
        CheckedIn::Renewed(license) => renewed(&license),
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

async fn release(
    seat: &SeatArguments,
    reason: &str,
    service: &Service,
    occasion: &Occasion,
) -> Result<Report> {
    let (seat, revocation) = service.release(choice(seat), reason, occasion).await?;
    let handle = seat.handle();
    let fields = json!({ "handle": handle.to_string(), "outcome": seat.state().name() });
    Ok(match revocation {
        Some(revocation) => {
            let words = format!(
                "Released: seat {handle} is back in the pool. Its machine stops when it takes in the revocation, and at the \
                 end of its lease in any case."
            );
            Report::new(words, fields).with_document("revocation", revocation.to_text())
        }
        None => Report::new(format!("Returned: held seat {handle} is back in the pool."), fields),
    })
}

async fn allow(reset: &Reset, service: &Service, occasion: &Occasion) -> Result<Report> {
    let of = reset.allowance.into();
    let allow = reset.extra.map_or(Allow::Reset, Allow::Extra);
    let license = service.allow(reset.id, of, allow, &reset.reason, occasion).await?;
    let balance = license.balance(of, occasion.time);
    let words = match balance.left() {
        Some(left) => format!("License {}: {of}: {} used, {left} left.", reset.id, balance.used),
        None => format!("License {}: {of}: without limit.", reset.id),
    };
    let fields = json!({
        "license": reset.id.to_string(),
        "allowance": of.name(),
        "allowed": balance.allowed,
        "used": balance.used,
        "left": balance.left(),
    });
    Ok(Report::new(words, fields))
}

fn choice(seat: &SeatArguments) -> SeatChoice {
    SeatChoice { handle: seat.handle, device: seat.device }
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

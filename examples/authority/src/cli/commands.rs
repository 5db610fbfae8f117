//! What each command does: read its input, call one service, put the outcome into words.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use nodelock::{
    Error, ErrorKind, License, Outcome, Roots,
    authority::{SeatState, decision::Allow},
    code::{Correction, DeactivationCode, Handle, Reading},
};
use serde_json::{Map, Value, json};

use super::{
    arguments::{
        AuditCommand, CertificateCommand, Command, Installation, LicenseAct, LicenseCommand, Licenses,
        RequestCommand, Reset, SeatArguments,
    },
    bulk, customers, events,
    licenses::Desk,
    mail,
    output::{self, Listing, Report},
    people, products, refusals, requests, seats, webhooks,
};
use crate::{
    domain::{Actor, Deactivation, Digest, Occasion, SeatChoice, armored, filter::List},
    failure::{Failure, Result},
    http,
    keys::{self, Presence, renewal::NewCertificate},
    service::{
        self, Activated, CheckedIn, Database, Kept, Keys, Redeemed, Released, Selling, Sellings, Service,
        Word,
    },
};

/// Longer than any input that the library looks at, so that it finds out itself.
const LIMIT: u64 = 1024 * 1024;

/// A command does one thing after the other.
const CONNECTIONS: u32 = 1;
/// A server asks its database that many things at a time. On PostgreSQL some of them may wait for one license.
const SERVER_CONNECTIONS: u32 = 16;

/// Does what was asked for.
pub(crate) async fn run(command: &Command, installation: &Installation) -> Result<Report> {
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
            let report = execute(command, installation, &database, &occasion).await;
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
        Command::License(Licenses::AtWork(act)) => {
            at_work(service().await?, async |service| match act {
                LicenseAct::Reset(reset) => allow(reset, service, occasion).await,
                LicenseAct::Deactivate { id, reason, yes } => {
                    seats::deactivate((*id, reason.as_str(), *yes), service, occasion).await
                }
            })
            .await
        }
        Command::License(Licenses::AtDesk(command)) => {
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
        Command::Release { seat, reason, yes, .. } => {
            let choice = choice(seat);
            at_work(service().await?, async |service| {
                seats::release((choice, reason.as_str(), *yes), service, occasion).await
            })
            .await
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
            let extension = by.extension()?;
            at_work(service().await?, async |service| {
                let (seat, until) = service.extend_trial(choice(seat), extension, |_| (), occasion).await?;
                let handle = seat.handle().to_string();
                let words = format!(
                    "Extended: the trial of the machine of seat {handle} ends at {until}. It hears of that when it checks in."
                );
                Ok(Report::new(words, json!({ "handle": handle, "until": until.to_string() })))
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
        Command::List { license, filtered } => {
            let mut listing = Listing::new("seats", installation.json);
            let show = |row| listing.row(row, output::seat_words, output::seat);
            let mut filter = filtered.read(List::Seats)?;
            if let Some(id) = license {
                filter = filter.and("license", &id.to_string());
            }
            service::seats(database, filter, occasion, show).await?;
            listing.finish("No seats.")
        }
        Command::Event(command) => events::events(command, database, occasion, installation.json).await,
        Command::Webhook(command) => {
            webhooks::webhooks(command, &installation.keys(), database, occasion, installation.json).await
        }
        Command::Mail(command) => mail::run(command, database, occasion, installation.json).await,
        Command::Refusal(command) => refusals::run(command, database, occasion, installation.json).await,
        Command::Request(RequestCommand::List { license }) => {
            requests::list(*license, database, occasion, installation.json).await
        }
        Command::Request(RequestCommand::Show { seat }) => {
            requests::show(choice(seat), database, occasion).await
        }
        Command::Request(RequestCommand::Approve { seat }) => {
            at_work(service().await?, async |service| {
                requests::rule(choice(seat), Word::Approve, service, occasion).await
            })
            .await
        }
        Command::Request(RequestCommand::Refuse { seat, reason }) => {
            at_work(service().await?, async |service| {
                requests::rule(choice(seat), Word::Refuse(reason), service, occasion).await
            })
            .await
        }
        Command::Account(command) => people::account(command, &installation.keys(), database, occasion).await,
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
            let vault = match service::vault(database, &installation.keys()).await {
                Err(failure @ Failure::VaultMissing) => {
                    // Devices need the server more than anybody needs the copies.
                    tracing::warn!(event = "vault-missing", error = failure.message());
                    None
                }
                vault => vault?,
            };
            let service = service().await?.with_vault(vault);
            keys::finish(&installation.keys());
            http::run(arguments, &installation.keys(), service).await?;
            Ok(Report::new("", json!({})))
        }
        Command::Prune => {
            let pruned = service::prune(database, occasion).await?;
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
            let roots = Roots::new(products.iter().map(|product| product.root));
            for file in licenses {
                let license = License::verify(&read(file)?, &roots)?;
                let digest = license.chain().ok_or_else(|| {
                    Failure::Usage(
                        "that license was signed before anything was sealed, so it tells nothing".into(),
                    )
                })?;
                kept.push(Kept { by: format!("the device of seat {}", license.handle), digest });
            }
            Ok(output::verified_audit(&service::verify_audit(database, &kept, occasion).await?))
        }
        Command::Audit(AuditCommand::List { limit }) => {
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

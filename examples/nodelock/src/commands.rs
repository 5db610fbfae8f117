//! The commands: each asks the library once and says what came of it.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nodelock::{
    ActivationRequestOptions, Authority, Client, ClientBuilder, Deactivation, DeactivationReceipt,
    HttpOptions, Progress, PublicKey, Roots, Store,
    code::Handle,
    fingerprint::{Class, Component, Probe},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Arguments, CodeFormat, Command, Common, Replace, RequestFormat},
    report::{CommandError, Payload, Report, USAGE},
    status,
};

type Result<T, E = CommandError> = std::result::Result<T, E>;

/// More than any file from a vendor; the library refuses what is larger than its own limit, which is less.
const LONGEST_INPUT: u64 = 1024 * 1024;
/// A file of root keys holds a handful of them.
const LONGEST_ROOTS: u64 = 64 * 1024;
/// More than any deployment key has; the library refuses a longer one.
const LONGEST_DEPLOYMENT_KEY: u64 = 4096;

/// Where commands get their client from: from the arguments on this machine, and in tests from a machine of their own.
pub trait Clients {
    /// A client without a network.
    fn offline(&self, common: &Common) -> Result<ClientBuilder>;
    /// A client that knows where its authority is.
    fn online(&self, common: &Common) -> Result<ClientBuilder>;
}

/// This machine, with its clock, its store and its network.
pub struct ThisMachine;

pub fn run(arguments: &Arguments, clients: &impl Clients) -> Result<Report> {
    let common = &arguments.common;
    let client = || -> Result<Client> { Ok(clients.offline(common)?.build()?) };
    let online = || -> Result<Client> { Ok(clients.online(common)?.build()?) };
    match &arguments.command {
        Command::Fingerprint { id: None } => Ok(fingerprint()),
        Command::Fingerprint { id: Some(application) } => {
            let id = nodelock::fingerprint::machine_id(application)?;
            Ok(Report::new(format!("{id}\n"), "", json!({ "machine_id": id })))
        }
        Command::Request { license_key, format, out, metadata, replace } => {
            Payload::check_terminal(*format == RequestFormat::File, out.as_deref(), common.json)?;
            let client = replacing(clients.offline(common)?, replace).build()?;
            request(&client, license_key.as_deref(), *format, out.as_deref(), metadata)
        }
        Command::Install { file } => {
            let client = client()?;
            Ok(status::of_install(&client.accept(&read_input(file)?)?))
        }
        Command::Status => Ok(status::report(&client()?.check()?)),
        Command::Start { limit: 0 } => Ok(status::of_start(&client()?.start(Duration::ZERO)?)),
        Command::Start { limit } => {
            let builder = clients.online(common)?;
            // Only where a key is named it matters what waits: another start opens the store once.
            let waits = deployment_key_file(common).is_some()
                && client()?.pending().is_ok_and(|pending| {
                    pending.is_some_and(|pending| pending.request().license_key.is_empty())
                });
            let builder = if waits { enrolling(builder, common)? } else { builder };
            Ok(status::of_start(&builder.build()?.start(Duration::from_secs((*limit).into()))?))
        }
        Command::Activate { license_key, metadata, replace, instead_of } => {
            let builder = replacing(clients.online(common)?, replace);
            let builder = if license_key.is_none() { enrolling(builder, common)? } else { builder };
            let client = builder.build()?;
            let options = options(license_key.as_deref(), metadata);
            Ok(status::report(&client.online().activate(match instead_of {
                Some(seat) => options.instead_of(*seat),
                None => options,
            })?))
        }
        Command::CheckIn { offline: true, format, out } => {
            Payload::check_terminal(*format == RequestFormat::File, out.as_deref(), common.json)?;
            check_in(&client()?, *format, out.as_deref())
        }
        Command::CheckIn { offline: false, .. } => {
            let client = online()?;
            let status = client.check()?;
            // There may be nothing to renew, and still something that the vendor must hear of.
            if status.license().is_none() && status.outstanding() > 0 {
                client.online().hand_in()?;
                return Ok(status::report(&client.check()?));
            }
            Ok(status::report(&client.check_in()?))
        }
        Command::Recover { offline: false } => Ok(status::report(&online()?.recover()?)),
        Command::Recover { offline: true } => {
            let client = client()?;
            client.recover_offline()?;
            request(&client, None, RequestFormat::Text, None, &[])
        }
        Command::Deactivate { offline: false, reason } => {
            let client = online()?;
            let unmarked = AtomicBool::new(false);
            let watch = |progress| {
                if progress == Progress::NoTombstone {
                    unmarked.store(true, Ordering::Relaxed);
                }
            };
            match client.online().progress(&watch).deactivate((*reason).into()) {
                Ok(receipt) => Ok(acknowledged(&receipt, unmarked.into_inner())),
                Err(error) => match error.deactivation() {
                    // It is done here; what is left to do is what `--offline` leaves to do.
                    Some(deactivation) => {
                        let report = deactivated(deactivation);
                        let notes = format!(
                            "{}: the vendor has not heard of it yet.\n{}",
                            error.error(),
                            report.notes
                        );
                        Ok(Report { notes, ..report })
                    }
                    None => Err(error.into_error().into()),
                },
            }
        }
        Command::Deactivate { offline: true, reason } => {
            Ok(deactivated(&client()?.deactivate_offline((*reason).into())?))
        }
        Command::Code { format, seat, link, out } => {
            Payload::check_terminal(*format == CodeFormat::File, out.as_deref(), common.json)?;
            code(&client()?, *format, *seat, link.as_deref(), out.as_deref())
        }
        Command::Receipt { file } => {
            let input = read_input(file)?;
            Ok(status::of_receipt(&client()?.accept(&input)?))
        }
        Command::Cancel => {
            let client = client()?;
            let cancelled = client.cancel()?;
            let (seat, time) = (cancelled.handle(), cancelled.time());
            let json = json!({
                "seat": seat.to_string(), "time": time.to_string(), "outstanding": client.check()?.outstanding(),
            });
            let notes = "If the vendor may have received it, hand `nodelock code --format file` over as well; the next \
                         request carries it along anyway.\n";
            let notes = notes.to_owned() + &tombstone_warning(&cancelled);
            Ok(Report::new(format!("the request for seat {seat} is cancelled\n"), notes, json))
        }
    }
}

/// A client with the deployment key that was named, if one was. The file is read for a request without a license key
/// alone: a machine that has its seat renews it and gives it back wherever the file has gone.
fn enrolling(builder: ClientBuilder, common: &Common) -> Result<ClientBuilder> {
    match deployment_key_file(common) {
        Some(file) => Ok(builder.deployment_key(deployment_key(file)?)),
        None => Ok(builder),
    }
}

fn deployment_key_file(common: &Common) -> Option<&Path> {
    common.deployment_key_file.as_deref().filter(|file| !file.as_os_str().is_empty())
}

fn replacing(builder: ClientBuilder, replace: &Replace) -> ClientBuilder {
    builder.replace_license(replace.replace_license).replace_request(replace.replace_request)
}

impl Clients for ThisMachine {
    fn online(&self, common: &Common) -> Result<ClientBuilder> {
        let url = common.authority.as_deref().filter(|url| !url.is_empty()).ok_or_else(|| CommandError {
            exit: USAGE,
            ..CommandError::new(
                "no-authority",
                "where is the authority? Give --authority URL, or set NODELOCK_AUTHORITY in the environment",
                "Nothing was changed. Without a network: `request` and `install` take a seat, `deactivate --offline` gives it \
                 back.",
            )
        })?;
        let mut options = HttpOptions::default();
        if let Some(file) = &common.trust {
            options = options.trust_pem(&read_input(file)?)?;
        }
        let authority = Authority::new(url, options.build()?).plain_http(common.plain_http);
        Ok(self.offline(common)?.authority(authority))
    }

    fn offline(&self, common: &Common) -> Result<ClientBuilder> {
        let product = common.product.as_deref().filter(|product| !product.is_empty()).ok_or_else(|| {
            CommandError::usage(
                "which product? Give --product NAME, or set NODELOCK_PRODUCT in the environment",
            )
        })?;
        let mut builder = Client::builder(product, roots(common)?)
            .application_version(env!("CARGO_PKG_VERSION"))
            .describe_machine(common.describe_machine);
        if let Some(folder) = &common.store {
            // Tombstones notice a folder that was copied back, so they must not be in it: they stay where the user's
            // own store has them.
            let store = match Store::per_user(product) {
                Ok(usual) => usual.with_directory(folder),
                Err(_) => Store::in_directory(folder, None),
            };
            builder = builder.store(store);
        }
        Ok(builder)
    }
}

/// The report of an online deactivation that was acknowledged.
fn acknowledged(receipt: &DeactivationReceipt, unmarked: bool) -> Report {
    let text = status::outcome_text(receipt.handle, receipt.outcome);
    let json = json!({
        "seat": receipt.handle.to_string(),
        "time": receipt.time.to_string(),
        "outcome": receipt.outcome.to_string(),
        "tombstone": !unmarked,
    });
    Report::new(text, if unmarked { NO_TOMBSTONE } else { "" }, json)
}

fn roots(common: &Common) -> Result<Roots> {
    let file = match &common.roots {
        None if common.root.is_empty() => env::var_os("NODELOCK_ROOTS").filter(|file| !file.is_empty()),
        file => file.clone().map(PathBuf::into_os_string),
    };
    let mut keys = common.root.clone();
    if let Some(file) = file.map(PathBuf::from) {
        let listed = PublicKey::read_list(&read(&file, LONGEST_ROOTS)?);
        keys.extend(listed.map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?);
    }
    if keys.is_empty() {
        return Err(CommandError::usage(
            "whose licenses? Give the vendor's root key with --root KEY or --roots FILE, or set NODELOCK_ROOTS to such a \
             file in the environment",
        ));
    }
    Ok(Roots::new(keys))
}

fn fingerprint() -> Report {
    let probe = Probe::this_machine();
    let found: Vec<_> = probe.components().collect();
    let environment = probe.environment();
    let class = |component: Component| match component.class() {
        Class::Software => "software",
        Class::HardwareUnique => "hardware, unique",
        _ => "hardware, common",
    };
    let mut text = String::new();
    let mut components = Vec::new();
    // The host id is what an application adds by itself: no machine has one.
    for component in Component::ALL.into_iter().filter(|component| *component != Component::HostId) {
        let is_found = found.contains(&component);
        let answer = if is_found { "found" } else { "not found" };
        text += &format!("{component:<14}{answer:<11}{}\n", class(component));
        let class = class(component).replace(", ", "-");
        components.push(json!({ "name": component.name(), "class": class, "found": is_found }));
    }
    let signs = |of_container| {
        let signs = environment.signs().iter().filter(|sign| sign.of_container() == of_container);
        let names: Vec<_> = signs.map(ToString::to_string).collect();
        if names.is_empty() { "no".to_owned() } else { format!("yes: {}", names.join(", ")) }
    };
    text += &format!("{:<14}{}\n{:<14}{}\n", "virtual", signs(false), "container", signs(true));
    let notes = match found.iter().any(|component| component.class() == Class::HardwareUnique) {
        true => "",
        false => "Nothing unique to this hardware was found: licenses will ask to be renewed sooner.\n",
    };
    let json = json!({
        "components": components,
        "virtual_machine": environment.virtual_machine(),
        "container": environment.container(),
        "signs": environment.signs().iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Report::new(text, notes, json)
}

/// What a request says; without a license key the vendor assigns a license by hand.
fn options(license_key: Option<&str>, metadata: &[(String, String)]) -> ActivationRequestOptions {
    let options = license_key.map_or_else(ActivationRequestOptions::new, ActivationRequestOptions::of_key);
    metadata.iter().fold(options, |options, (name, value)| options.metadata(name, value))
}

fn request(
    client: &Client,
    license_key: Option<&str>,
    format: RequestFormat,
    out: Option<&Path>,
    metadata: &[(String, String)],
) -> Result<Report> {
    let before = client.pending()?;
    let waiting = before.as_ref().map(|pending| pending.request().handle);
    let pending = match before {
        // Without a key this shows what is pending, whichever key that has.
        Some(pending) if license_key.is_none() && metadata.is_empty() => pending,
        _ => client.begin(options(license_key, metadata))?,
    };
    let new = waiting != Some(pending.request().handle);
    let (name, payload) = match format {
        RequestFormat::Text => ("text", Payload::Text(pending.to_text())),
        RequestFormat::File => ("file", Payload::Bytes(pending.to_bytes())),
        RequestFormat::Qr => ("qr", Payload::Text(pending.qr_terminal("")?)),
        RequestFormat::Svg => ("svg", Payload::Text(pending.qr_svg("")?)),
    };
    let seat = pending.request().handle;
    let shown = if new { "is kept until it is answered or cancelled" } else { "was pending already" };
    let mut notes = format!(
        "This request for seat {seat} {shown}. Send it to the vendor; when the license comes: `nodelock install FILE`.\n"
    );
    if !pending.releases().is_empty() && matches!(format, RequestFormat::Qr | RequestFormat::Svg) {
        notes += "A QR code has no room for the seats that were given back before; the other formats carry them along.\n";
    }
    let json = json!({
        "seat": seat.to_string(),
        "created": pending.request().created.to_string(),
        "new": new,
        "releases": pending.releases().iter().map(|r| r.handle().to_string()).collect::<Vec<_>>(),
    });
    payload.deliver(name, out, &notes, json)
}

fn check_in(client: &Client, format: RequestFormat, out: Option<&Path>) -> Result<Report> {
    let check_in = client.check_in_offline()?;
    let (name, payload) = match format {
        RequestFormat::Text => ("text", Payload::Text(check_in.to_text())),
        RequestFormat::File => ("file", Payload::Bytes(check_in.to_bytes())),
        RequestFormat::Qr => ("qr", Payload::Text(check_in.qr_terminal("")?)),
        RequestFormat::Svg => ("svg", Payload::Text(check_in.qr_svg("")?)),
    };
    let request = check_in.request();
    let seat = request.handle;
    let notes = format!(
        "This asks to renew the license of seat {seat}. Send it to the vendor; when the answer comes: `nodelock install \
         FILE`.\n"
    );
    let json = json!({
        "seat": seat.to_string(), "created": request.time.to_string(), "revision": request.revision,
    });
    payload.deliver(name, out, &notes, json)
}

/// What is said beside a seat given up whose tombstone could not be written.
const NO_TOMBSTONE: &str = "Warning: no tombstone could be left, so a copy of the license's folder from before may go unnoticed until \
                            its lease ends.\n";

fn tombstone_warning(given_up: &Deactivation) -> String {
    given_up.tombstone_error().map_or_else(String::new, |error| format!("{NO_TOMBSTONE}({error})\n"))
}

fn deactivated(given_up: &Deactivation) -> Report {
    let mut notes = format!(
        "The license is gone from this machine. To free seat {}, read this code to the vendor, or hand over what \
         `nodelock code --format qr`, `svg`, `text` or `file` gives. Then `nodelock receipt FILE` takes the receipt in.\n",
        given_up.handle()
    );
    notes += &tombstone_warning(given_up);
    let mut json = outstanding(given_up);
    json["tombstone"] = given_up.tombstone_error().is_none().into();
    Report::new(format!("{}\n", given_up.code()), notes, json)
}

fn outstanding(given_up: &Deactivation) -> Value {
    json!({
        "seat": given_up.handle().to_string(),
        "time": given_up.time().to_string(),
        "reason": given_up.reason().to_string(),
        "code": given_up.code().to_string(),
        "base64url": given_up.to_base64url(),
    })
}

fn code(
    client: &Client,
    format: CodeFormat,
    seat: Option<Handle>,
    link: Option<&str>,
    out: Option<&Path>,
) -> Result<Report> {
    if link.is_some() && !matches!(format, CodeFormat::Qr | CodeFormat::Svg) {
        return Err(CommandError::usage("--link is for --format qr and --format svg"));
    }
    let mut waiting = client.outstanding()?;
    waiting.retain(|given_up| seat.is_none_or(|seat| seat == given_up.handle()));
    let json = json!({ "outstanding": waiting.iter().map(outstanding).collect::<Vec<_>>() });
    let notes = "Hand it to the vendor; when the receipt comes: `nodelock receipt FILE`.\n";
    let one = match waiting.as_slice() {
        [] => {
            return Err(CommandError::new(
                "nothing-outstanding",
                "no seat waits for its receipt",
                "A license that is in use is given back with `nodelock deactivate --offline`.",
            ));
        }
        several if format == CodeFormat::Phone => {
            let lines: String = several
                .iter()
                .map(|given_up| match several {
                    [_] => format!("{}\n", given_up.code()),
                    _ => format!("{}  seat {}, {}\n", given_up.code(), given_up.handle(), given_up.time()),
                })
                .collect();
            return Payload::Text(lines).deliver("phone", out, notes, json);
        }
        [one] => one,
        several => {
            let seats: Vec<_> = several.iter().map(|given_up| given_up.handle().to_string()).collect();
            return Err(CommandError::usage(format!(
                "several seats wait for their receipts: choose one of {} with --seat",
                seats.join(", ")
            )));
        }
    };
    // What follows a # stays in the browser.
    let link =
        link.map_or_else(
            String::new,
            |link| {
                if link.contains('#') { link.to_owned() } else { format!("{link}#") }
            },
        );
    let (name, payload) = match format {
        CodeFormat::Phone => unreachable!("it was dealt with above"),
        CodeFormat::Text => ("text", Payload::Text(one.to_text())),
        CodeFormat::Qr => ("qr", Payload::Text(one.qr_terminal(&link)?)),
        CodeFormat::Svg => ("svg", Payload::Text(one.qr_svg(&link)?)),
        CodeFormat::File => ("file", Payload::Bytes(one.to_bytes())),
    };
    payload.deliver(name, out, notes, json)
}

/// A file from the vendor, or standard input.
fn read_input(file: &Path) -> Result<Vec<u8>> {
    read(file, LONGEST_INPUT)
}

/// A key in a file: no command line has it, because every user of the machine sees those.
fn deployment_key(file: &Path) -> Result<String> {
    let not_one = || CommandError::usage(format!("{}: no deployment key is in it", file.display()));
    String::from_utf8(read(file, LONGEST_DEPLOYMENT_KEY)?).map_err(|_| not_one())
}

/// At most `limit` bytes, so that no file fills the memory.
fn read(file: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| CommandError::input(file, &error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

//! What each command about licenses does.

use std::{cell::Cell, fs, io::Write as _, path::Path};

use nodelock::{Error, LicenseId, authority::LicenseKeyName};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::{Changes, LicenseCommand, NewKey, NewLicense, Reset},
    desk::{Desk, Ledger},
    output::{self, Listing, Report, json as record},
};
use crate::{
    domain::{CustomerId, LicenseHint, SaidTerms, filter::List, rights::Act},
    failure::{Failure, Result},
    http::records::{
        Change, Counter, Halted, HintBody, SeatCount, ShownKey, Sold, SoldLicense, Suspended, Voided,
    },
    keys::{self, Vault},
    remote::{Remote, terms, unreadable},
    service::{self, Buyer, InPlaceOf, NewOrder, Offer, Placed, Sale, Selling},
};

/// Where a vendor deals with licenses.
pub(super) struct Sales<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) as_json: bool,
}

impl Sales<'_> {
    pub(super) async fn run(&self, command: &LicenseCommand) -> Result<Report> {
        let desk = self.desk;
        match command {
            LicenseCommand::New(new) => match desk {
                Desk::Ledger(ledger) => self.sell(ledger, new).await,
                Desk::Server(remote) => self.have_sold(remote, new).await,
            },
            LicenseCommand::List { customer, filtered } => {
                let mut listing = Listing::new("licenses", self.as_json);
                let show = |row| listing.row(row, output::license_words, record);
                let mut filter = filtered.read(List::Licenses)?;
                if let Some(id) = customer {
                    filter = filter.and("customer", &id.to_string());
                }
                desk.licenses(filter, show).await?;
                listing.finish("No licenses.")
            }
            LicenseCommand::Show { id } => Ok(output::license_view(&desk.license(*id).await?)),
            LicenseCommand::Find { hint } => self.find(hint).await,
            LicenseCommand::Edit { id, customer, terms, changing } => {
                self.edit(*id, terms, *customer, *changing).await
            }
            LicenseCommand::Extend { id, by, changing } => {
                Ok(changed(*id, &desk.extend(*id, by, *changing).await?, *changing))
            }
            LicenseCommand::Rekey { new, hint } => {
                self.rekey(new, hint.as_deref().map_or(InPlaceOf::All, InPlaceOf::Ending)).await
            }
            LicenseCommand::AddKey(new) => self.rekey(new, InPlaceOf::None).await,
            LicenseCommand::RevokeKey { id, hint } => {
                let hint = desk.revoke_key(*id, hint).await?;
                let words = format!("The key ..{hint} of license {id} activates nothing any more.");
                Ok(Report::new(words, json!({ "license": id.to_string(), "key_hint": hint })))
            }
            LicenseCommand::ShowKey { id, hint } => {
                let key = desk.kept_key(*id, hint.as_deref()).await?;
                let words = format!("The key of license {id}:\n\n    {}\n", key.as_str());
                Ok(Report::new(words, json!({ "license": id.to_string(), "key": key.as_str() })))
            }
            LicenseCommand::SendKey { id, hint } => {
                let sent = desk.send_key(*id, hint.as_deref()).await?;
                let words = format!(
                    "The key ..{} of license {id} is on its way to its customer: a server with --mail-command sends it.",
                    sent.key_hint
                );
                Ok(Report::new(words, json!({ "license": id.to_string(), "key_hint": sent.key_hint })))
            }
            LicenseCommand::Suspend { id, changing } => self.suspend(*id, true, *changing).await,
            LicenseCommand::Resume { id, changing } => self.suspend(*id, false, *changing).await,
            LicenseCommand::Void { yes: false, changing: Changes { dry_run: false, .. }, .. } => {
                Err(Failure::Usage("a license that is void stays so; say --yes if that is meant".into()))
            }
            LicenseCommand::Void { id, reason, changing: changing @ Changes { dry_run, .. }, .. } => {
                let Voided { changed, halted, .. } = desk.void(*id, reason, *changing).await?;
                let words = match (changed, *dry_run) {
                    (false, _) => format!("License {id} is void already."),
                    (true, true) => {
                        format!("License {id} would be void.{} Nothing was changed.", goes_on(&halted))
                    }
                    (true, false) => format!(
                        "License {id} is void. Nothing is issued for it any more.{}",
                        goes_on(&halted)
                    ),
                };
                let mut fields = json!({
                    "license": id.to_string(),
                    "voided": !changed || !dry_run,
                    "changed": changed && !dry_run,
                    "dry_run": dry_run,
                });
                add_halted(&mut fields, &halted);
                Ok(Report::new(words, fields))
            }
        }
    }

    async fn sell(&self, ledger: &Ledger<'_>, new: &NewLicense) -> Result<Report> {
        let (database, occasion) = (ledger.database, ledger.occasion);
        let named = new.product.as_ref();
        // Nothing is signed yet, but what could not be honored must not be sold.
        Selling::load(&service::product(database, named).await?, &ledger.keys())?;
        let product = service::product_within_reach(database, named, Act::Sell, occasion).await?;
        let mut said = new.terms.said()?;
        new.licensee.iter().for_each(|licensee| said.say("licensee", licensee.as_str().into()));
        let order = match &new.order {
            Some(id) => {
                let order = NewOrder {
                    id: id.clone(),
                    said: said.clone(),
                    count: new.count,
                    customer: new.customer,
                    reseller: new.reseller.clone(),
                };
                match service::place_order(database, &product, order, occasion).await? {
                    Placed::New(order) => Some(order),
                    Placed::Before(licenses) => return Ok(sold_already(&hint_bodies(&licenses), id)),
                }
            }
            None => None,
        };
        match (&new.licensee, new.customer) {
            (Some(_), _) => {}
            (None, Some(id)) => {
                let customer = service::customer(database, id, occasion).await?;
                said.say("licensee", customer.details.name.into());
            }
            (None, None) => return Err(Failure::Usage("say who licenses it".into())),
        }
        let terms = service::terms_of_sale(database, &product, &said, occasion.time).await?;
        let file = new.keys_out.file.as_deref();
        let (offers, report) = match &new.key {
            Some(typed) => {
                let report = sold_with_given_key(terms.id, &terms.licensee, terms.seats);
                (vec![Offer { terms, key: Zeroizing::new(typed.clone()) }], report)
            }
            None => {
                let offers = service::offers(&terms, new.count)?;
                let keys: Vec<_> = offers.iter().map(|offer| (offer.terms.id, offer.key.as_str())).collect();
                let report = sold(&terms.licensee, terms.seats, &keys, file);
                (offers, report)
            }
        };
        let handed_over = Cell::new(false);
        let hand_over = || {
            if new.key.is_none() {
                let keys = offers.iter().map(|offer| (offer.terms.id, offer.key.as_str()));
                self.hand_over(keys, file, &report)?;
                handed_over.set(true);
            }
            Ok(())
        };
        let vault = vault(ledger).await?;
        let vault = vault.as_ref();
        let buyer = Buyer { order: order.as_ref(), customer: new.customer, mails: new.mail };
        let outcome = service::sell(database, vault, &offers, buyer, hand_over, occasion).await;
        let report = Report { is_printed: handed_over.get() && file.is_none(), ..report };
        match outcome {
            Ok(Sale::Done) => Ok(report),
            Ok(Sale::Before(licenses)) => {
                Ok(sold_already(&hint_bodies(&licenses), new.order.as_deref().unwrap_or_default()))
            }
            Err(failure) if handed_over.get() => Ok(in_vain(failure, file)),
            Err(failure) => Err(failure),
        }
    }

    /// Has a server sell. It sells once, however often the connection breaks.
    async fn have_sold(&self, remote: &Remote, new: &NewLicense) -> Result<Report> {
        let file = new.keys_out.file.as_deref();
        check_new(file)?;
        let body = json!({
            "product": new.product.as_ref().map(ToString::to_string),
            "licensee": new.licensee,
            "customer": new.customer.map(|id| id.to_string()),
            "terms": terms(&new.terms.said()?),
            "reseller": new.reseller,
            "order": new.order,
            "count": new.count,
            "mail": new.mail,
            "key": new.key,
        });
        let answer: Sold = remote.post("/licenses", &body, None).await?;
        if !answer.sold {
            let hint = |license: SoldLicense| HintBody {
                id: license.id,
                key_hint: license.key_hint.unwrap_or_default(),
            };
            let licenses: Vec<HintBody> = answer.licenses.into_iter().map(hint).collect();
            return Ok(sold_already(&licenses, new.order.as_deref().unwrap_or_default()));
        }
        let (Some(licensee), Some(seats)) = (&answer.licensee, answer.seats) else {
            return Err(unreadable("it does not say what was sold"));
        };
        let mut keys = Vec::new();
        for license in &answer.licenses {
            let id = license.id.parse().map_err(|_| unreadable("a license has no id"))?;
            match &license.key {
                Some(key) => keys.push((id, checked(key)?)),
                None => return Ok(sold_with_given_key(id, licensee, seats)),
            }
        }
        let written = file.map_or(Ok(()), |path| write_keys(path, keys.iter().copied()));
        Ok(match written {
            Ok(()) => sold(licensee, seats, &keys, file),
            // They are sold, so their keys are shown instead.
            Err(failure) => sold(licensee, seats, &keys, None).with_failure(failure),
        })
    }

    /// Brings keys to where they are safe: into a new file, or onto standard output.
    fn hand_over<'a>(
        &self,
        keys: impl Iterator<Item = (LicenseId, &'a str)>,
        file: Option<&Path>,
        report: &Report,
    ) -> Result<()> {
        match file {
            Some(path) => write_keys(path, keys),
            None => output::print(report, None, self.as_json),
        }
    }

    async fn find(&self, hint: &str) -> Result<Report> {
        let hint = hint.trim_start_matches('.');
        let mut found = self.desk.licenses_by_hint(hint).await?;
        if found.is_empty() {
            // Keys that this program makes have capital letters; a vendor's own may have any.
            found = self.desk.licenses_by_hint(&hint.to_uppercase()).await?;
        }
        let words = if found.is_empty() { "No license has such a key.".to_owned() } else { lines(&found) };
        Ok(Report::new(words, json!({ "licenses": hints(&found) })))
    }

    async fn edit(
        &self,
        id: LicenseId,
        terms: &SaidTerms,
        customer: Option<CustomerId>,
        changing: Changes,
    ) -> Result<Report> {
        let said = terms.said()?;
        if said.is_empty() && customer.is_none() {
            return Err(Failure::Usage("say what is to change".into()));
        }
        Ok(changed(id, &self.desk.edit(id, (&said, customer), changing).await?, changing))
    }

    async fn rekey(&self, rekey: &NewKey, place: InPlaceOf<'_>) -> Result<Report> {
        let file = rekey.keys_out.file.as_deref();
        let handed_over = Cell::new(false);
        let hand_over = |key: &str| {
            if rekey.key.is_none() {
                let report = rekeyed(rekey.id, Some(key), place);
                self.hand_over([(rekey.id, key)].into_iter(), file, &report)?;
                handed_over.set(true);
            }
            Ok(())
        };
        let outcome = match self.desk {
            Desk::Ledger(ledger) => {
                let (vault, new) = (vault(ledger).await?, (rekey.key.as_deref(), place));
                let (database, occasion) = (ledger.database, ledger.occasion);
                let hint = service::rekey(database, vault.as_ref(), rekey.id, new, hand_over, occasion).await;
                hint.map(|hint| hint.key_hint)
            }
            Desk::Server(remote) => {
                check_new(file)?;
                let made = have_rekeyed(remote, rekey, place).await?;
                hand_over(&made)?;
                LicenseKeyName::new(&made).map(|name| name.hint()).ok_or_else(|| unreadable("it has no key"))
            }
        };
        match outcome {
            Ok(hint) => {
                let mut report = rekeyed(rekey.id, None, place);
                report.fields.insert("key_hint".into(), hint.into());
                if let Some(path) = file {
                    report.words += &format!(" It is in {}.", path.display());
                    report.fields.insert("keys_out".into(), path.display().to_string().into());
                }
                Ok(Report { is_printed: handed_over.get() && file.is_none(), ..report })
            }
            Err(failure) if handed_over.get() => Ok(in_vain(failure, file)),
            Err(failure) => Err(failure),
        }
    }

    async fn suspend(&self, id: LicenseId, suspended: bool, changing: Changes) -> Result<Report> {
        let dry_run = changing.dry_run;
        let Suspended { changed, halted, .. } = self.desk.set_suspended(id, suspended, changing).await?;
        let state = if suspended { "suspended" } else { "in force" };
        let mut words = match (changed, dry_run) {
            (false, _) => format!("License {id} is {state} already."),
            (true, true) => format!("License {id} would be {state}."),
            (true, false) => format!("License {id} is {state}."),
        };
        if changed && suspended {
            words += &goes_on(&halted);
        }
        if changed && dry_run {
            words += " Nothing was changed.";
        }
        let mut fields = json!({
            "license": id.to_string(),
            "suspended": suspended ^ (changed && dry_run),
            "changed": changed && !dry_run,
            "dry_run": dry_run,
        });
        add_halted(&mut fields, &halted);
        Ok(Report::new(words, fields))
    }
}

/// What goes on of a license for which nothing is issued any more.
fn goes_on(Halted { seats: SeatCount { total, taken }, runs_until, requests }: &Halted) -> String {
    let mut words = match (taken, runs_until) {
        (0, _) => " No seat of it is taken.".to_owned(),
        (_, Some(until)) => {
            format!(
                " {taken} of {total} seats are taken; their devices go on to the end of their leases, {until} at last."
            )
        }
        (_, None) => format!(" {taken} of {total} seats are taken; a device whose lease has no end goes on."),
    };
    if *requests > 0 {
        words += &format!(" Of it {requests} requests for approval are forgotten.");
    }
    words
}

pub(super) fn add_halted(fields: &mut Value, halted: &Halted) {
    if let (Value::Object(fields), Value::Object(more)) = (fields, record(halted)) {
        fields.extend(more);
    }
}

/// Where the new keys are kept. Where the vault is missing that is said, and they are kept nowhere: a sale should not
/// fail for that.
async fn vault(ledger: &Ledger<'_>) -> Result<Option<Vault>> {
    match service::vault(ledger.database, &ledger.keys()).await {
        Err(failure @ Failure::VaultMissing) => {
            eprintln!("warning: {}", failure.message());
            Ok(None)
        }
        vault => vault,
    }
}

/// Has a server give a license a new key, and returns it.
async fn have_rekeyed(remote: &Remote, rekey: &NewKey, place: InPlaceOf<'_>) -> Result<Zeroizing<String>> {
    let id = rekey.id;
    let mut body = json!({});
    if let Some(key) = &rekey.key {
        body["key"] = key.as_str().into();
    }
    let path = match place {
        InPlaceOf::None => format!("/licenses/{id}/keys"),
        InPlaceOf::All => format!("/licenses/{id}/rekey"),
        InPlaceOf::Ending(hint) => {
            body["hint"] = hint.into();
            format!("/licenses/{id}/rekey")
        }
    };
    let ShownKey { key, .. } = remote.post(&path, &body, None).await?;
    checked(&key)?;
    Ok(Zeroizing::new(key))
}

/// A key that stands on one line.
fn checked(key: &str) -> Result<&str> {
    let is_key = !key.is_empty() && key.len() <= 1024 && !key.chars().any(char::is_control);
    if is_key { Ok(key) } else { Err(unreadable("a key is no line of text")) }
}

/// Fails where a file is that keys are to be written to: nothing should be sold then.
fn check_new(file: Option<&Path>) -> Result<()> {
    match file {
        Some(path) if path.symlink_metadata().is_ok() => {
            let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            Err(Error::io(path.display().to_string(), error).into())
        }
        _ => Ok(()),
    }
}

/// Lets a license use an allowance up anew.
pub(super) async fn allow(reset: &Reset, desk: &Desk<'_>) -> Result<Report> {
    let Reset { id, allowance, extra, reason } = reset;
    let Counter { license, counter, allowed, used, left } =
        desk.allow(*id, (*allowance).into(), *extra, reason).await?;
    let words = match left {
        Some(left) => format!("License {license}: {counter}: {used} used, {left} left."),
        None => format!("License {license}: {counter}: without limit."),
    };
    let fields = json!({
        "license": license, "allowance": counter, "allowed": allowed, "used": used, "left": left,
    });
    Ok(Report::new(words, fields))
}

/// What is said of a license with a key that was typed.
fn sold_with_given_key(id: LicenseId, licensee: &str, seats: u32) -> Report {
    let words = format!("License {id} for {licensee}, with the given key.");
    Report::new(words, json!({ "license": id.to_string(), "key": null, "seats": seats }))
}

/// What is said of licenses with new keys, which are in `file` or shown.
fn sold(licensee: &str, seats: u32, keys: &[(LicenseId, &str)], file: Option<&Path>) -> Report {
    let of = |(id, key): &(LicenseId, &str)| {
        let key = if file.is_none() { Value::from(*key) } else { Value::Null };
        json!({ "license": id.to_string(), "key": key })
    };
    let (mut words, mut fields) = match keys {
        [one] => (format!("License {} for {licensee}.", one.0), of(one)),
        _ => {
            let licenses: Vec<Value> = keys.iter().map(of).collect();
            (format!("{} licenses for {licensee}.", keys.len()), json!({ "licenses": licenses }))
        }
    };
    fields["seats"] = seats.into();
    match (file, keys) {
        (Some(path), _) => {
            words += &format!(" Their keys are in {}.", path.display());
            fields["keys_out"] = path.display().to_string().into();
        }
        (None, [(_, key)]) => words += &format!(" Its key:\n\n    {key}\n"),
        (None, _) => {
            words += " Their keys:\n";
            keys.iter().for_each(|(id, key)| words += &format!("\n    {id}  {key}"));
        }
    }
    Report::new(words, fields)
}

fn sold_already(licenses: &[HintBody], order: &str) -> Report {
    let fields = json!({ "order": order, "licenses": hints(licenses) });
    Report::new(lines(licenses), fields).with_failure(Failure::SoldAlready(order.to_owned()))
}

fn hint_bodies(licenses: &[LicenseHint]) -> Vec<HintBody> {
    licenses.iter().map(HintBody::from).collect()
}

/// A line for each license.
pub(super) fn lines(licenses: &[HintBody]) -> String {
    licenses.iter().map(|license| format!("{}  ..{}\n", license.id, license.key_hint)).collect()
}

pub(super) fn hints(licenses: &[HintBody]) -> Vec<Value> {
    let hint = |license: &HintBody| json!({ "license": license.id, "key_hint": license.key_hint });
    licenses.iter().map(hint).collect()
}

/// What a change of terms came to, or would.
fn changed(id: LicenseId, change: &Change, changing: Changes) -> Report {
    let Change { version, changes, seats } = change;
    let words = match &changes[..] {
        [] => format!("License {id} has these terms already."),
        changes if changing.dry_run => {
            format!("License {id} would change: {}. Nothing was changed.", changes.join(", "))
        }
        changes if seats.taken > seats.total => format!(
            "License {id}: {}. {} seats are taken: they stay, and none is given until there are fewer.",
            changes.join(", "),
            seats.taken
        ),
        changes => format!("License {id}: {}. Devices hear of it when they check in.", changes.join(", ")),
    };
    let fields = json!({
        "license": id.to_string(),
        "version": version,
        "changes": changes,
        "changed": !changes.is_empty() && !changing.dry_run,
        "dry_run": changing.dry_run,
        "seats": seats,
    });
    Report::new(words, fields)
}

fn rekeyed(id: LicenseId, key: Option<&str>, place: InPlaceOf<'_>) -> Report {
    let mut words = match place {
        InPlaceOf::All => {
            format!("License {id} has a new key; what it had before activates nothing any more.")
        }
        InPlaceOf::Ending(hint) => {
            format!("License {id} has a new key; the one that ends with {hint} activates nothing any more.")
        }
        InPlaceOf::None => format!("License {id} has one key more."),
    };
    if let Some(key) = key {
        words += &format!(" The new one:\n\n    {key}\n");
    }
    Report::new(words, json!({ "license": id.to_string(), "key": key }))
}

/// Keys were handed over, and then their licenses could not be stored, or it is not known whether they were.
fn in_vain(failure: Failure, file: Option<&Path>) -> Report {
    let place = file.map_or_else(|| "above".to_owned(), |path| format!("in {}", path.display()));
    let words = format!("The keys {place} are of use only if `authority license list` has them.\n");
    let report = Report::new(words, json!({ "keys_out": file.map(|path| path.display().to_string()) }));
    Report { is_printed: file.is_none(), ..report.with_failure(failure) }
}

/// Writes ids and keys to a new file, a line each. It is on the disk, with its name, when this returns.
fn write_keys<'a>(path: &Path, keys: impl Iterator<Item = (LicenseId, &'a str)>) -> Result<()> {
    let mut lines = Zeroizing::new(Vec::new());
    for (id, key) in keys {
        writeln!(lines, "{id} {key}").map_err(|error| Error::io("memory", error))?;
    }
    let failed = |error| Error::io(path.display().to_string(), error);
    let written = keys::write_new(path, &lines).and_then(|()| keys::sync_parent(path));
    written.map_err(|error| {
        // Nothing is sold then. A file that was there before is not this one's to remove.
        if error.kind() != std::io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(path);
        }
        failed(error).into()
    })
}

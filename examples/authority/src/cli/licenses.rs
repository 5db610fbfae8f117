//! What each command about licenses does.

use std::{cell::Cell, fs, io::Write as _, path::Path};

use nodelock::{
    Error, LicenseId,
    authority::{LicenseRecord, LicenseTerms},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::{Changes, ExtendBy, LicenseCommand, NewKey, NewLicense},
    output::{self, Listing, Report},
};
use crate::{
    domain::{CustomerId, LicenseHint, Occasion, SaidTerms, filter::List, rights::Act},
    failure::{Failure, Result},
    keys::{self, Vault},
    service::{self, Buyer, Changing, Database, Edited, InPlaceOf, NewOrder, Offer, Placed, Sale},
};

/// Where a vendor deals with licenses.
pub(crate) struct Desk<'a> {
    pub(crate) database: &'a Database,
    pub(crate) occasion: &'a Occasion,
    pub(crate) as_json: bool,
    /// Where the keys are.
    pub(crate) keys: &'a Path,
}

impl Desk<'_> {
    pub(crate) async fn run(&self, command: &LicenseCommand) -> Result<Report> {
        match command {
            LicenseCommand::New(new) => self.sell(new).await,
            LicenseCommand::List { customer, filtered } => {
                let mut listing = Listing::new("licenses", self.as_json);
                let now = self.occasion.time;
                let show =
                    |row| listing.row(row, output::license_words, |license| output::license(license, now));
                let mut filter = filtered.read(List::Licenses)?;
                if let Some(id) = customer {
                    filter = filter.and("customer", &id.to_string());
                }
                service::licenses(self.database, filter, self.occasion, show).await?;
                listing.finish("No licenses.")
            }
            LicenseCommand::Show { id } => {
                let view = service::license(self.database, *id, self.occasion).await?;
                output::license_view(&view, self.occasion.time)
            }
            LicenseCommand::Find { hint } => self.find(hint).await,
            LicenseCommand::Edit { id, customer, terms, changing } => {
                self.edit(*id, terms, *customer, *changing).await
            }
            LicenseCommand::Extend { id, by, changing } => self.extend(*id, by, *changing).await,
            LicenseCommand::Rekey { new, hint } => {
                self.rekey(new, hint.as_deref().map_or(InPlaceOf::All, InPlaceOf::Ending)).await
            }
            LicenseCommand::AddKey(new) => self.rekey(new, InPlaceOf::None).await,
            LicenseCommand::RevokeKey { id, hint } => {
                let hint = service::revoke_key(self.database, *id, hint, |_| Ok(()), self.occasion).await?;
                let words = format!("The key ..{hint} of license {id} activates nothing any more.");
                Ok(Report::new(words, json!({ "license": id.to_string(), "key_hint": hint })))
            }
            LicenseCommand::ShowKey { id, hint } => {
                let vault = Vault::open(self.keys)?;
                let hint = hint.as_deref();
                let key = service::kept_key(self.database, vault.as_ref(), *id, hint, self.occasion).await?;
                let words = format!("The key of license {id}:\n\n    {}\n", key.as_str());
                Ok(Report::new(words, json!({ "license": id.to_string(), "key": key.as_str() })))
            }
            LicenseCommand::SendKey { id, hint } => {
                let (hint, occasion) = (hint.as_deref(), self.occasion);
                let sent = service::send_key(self.database, *id, hint, |_| Ok(()), occasion).await?;
                let words = format!(
                    "The key ..{} of license {id} is on its way to its customer: a server with --mail-command sends it.",
                    sent.key_hint
                );
                Ok(Report::new(words, json!({ "license": id.to_string(), "key_hint": sent.key_hint })))
            }
            LicenseCommand::Suspend { id } => self.suspend(*id, true).await,
            LicenseCommand::Resume { id } => self.suspend(*id, false).await,
            LicenseCommand::Void { yes: false, .. } => {
                Err(Failure::Usage("a license that is void stays so; say --yes if that is meant".into()))
            }
            LicenseCommand::Void { id, reason, yes: true } => {
                let changed = service::void(self.database, *id, reason, self.occasion).await?;
                let already = if changed { "" } else { " already" };
                let words = format!(
                    "License {id} is void{already}. Nothing is issued for it any more; devices go on to the end of their \
                     leases."
                );
                Ok(Report::new(
                    words,
                    json!({ "license": id.to_string(), "voided": true, "changed": changed }),
                ))
            }
        }
    }

    async fn sell(&self, new: &NewLicense) -> Result<Report> {
        let named = new.product.as_ref();
        let product = service::product_within_reach(self.database, named, Act::Sell, self.occasion).await?;
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
                match service::place_order(self.database, &product, order, self.occasion).await? {
                    Placed::New(order) => Some(order),
                    Placed::Before(licenses) => return Ok(sold_already(&licenses, id)),
                }
            }
            None => None,
        };
        match (&new.licensee, new.customer) {
            (Some(_), _) => {}
            (None, Some(id)) => {
                let customer = service::customer(self.database, id, self.occasion).await?;
                said.say("licensee", customer.details.name.into());
            }
            (None, None) => return Err(Failure::Usage("say who licenses it".into())),
        }
        let terms = service::terms_of_sale(self.database, &product, &said, self.occasion.time).await?;
        let file = new.keys_out.file.as_deref();
        let (offers, report) = match &new.key {
            Some(typed) => {
                let words = format!("License {} for {}, with the given key.", terms.id, terms.licensee);
                let fields = json!({ "license": terms.id.to_string(), "key": null, "seats": terms.seats });
                (vec![Offer { terms, key: Zeroizing::new(typed.clone()) }], Report::new(words, fields))
            }
            None => {
                let offers = service::offers(&terms, new.count)?;
                let report = sold(&terms, &offers, file);
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
        let vault = self.vault().await?;
        let vault = vault.as_ref();
        let buyer = Buyer { order: order.as_ref(), customer: new.customer, mails: new.mail };
        let outcome = service::sell(self.database, vault, &offers, buyer, hand_over, self.occasion).await;
        let report = Report { is_printed: handed_over.get() && file.is_none(), ..report };
        match outcome {
            Ok(Sale::Done) => Ok(report),
            Ok(Sale::Before(licenses)) => {
                Ok(sold_already(&licenses, new.order.as_deref().unwrap_or_default()))
            }
            Err(failure) if handed_over.get() => Ok(in_vain(failure, file)),
            Err(failure) => Err(failure),
        }
    }

    /// Where the new keys are kept. Where the vault is missing that is said, and they are kept nowhere: a sale should
    /// not fail for that.
    async fn vault(&self) -> Result<Option<Vault>> {
        match service::vault(self.database, self.keys).await {
            Err(failure @ Failure::VaultMissing) => {
                eprintln!("warning: {}", failure.message());
                Ok(None)
            }
            vault => vault,
        }
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
        let mut found = service::licenses_by_hint(self.database, hint, self.occasion).await?;
        if found.is_empty() {
            // Keys that this program makes have capital letters; a vendor's own may have any.
            found = service::licenses_by_hint(self.database, &hint.to_uppercase(), self.occasion).await?;
        }
        let lines = found.iter().map(|license| format!("{}  ..{}\n", license.id, license.key_hint));
        let words = if found.is_empty() { "No license has such a key.".to_owned() } else { lines.collect() };
        Ok(Report::new(words, json!({ "licenses": hints(&found) })))
    }

    async fn extend(&self, id: LicenseId, by: &ExtendBy, changing: Changes) -> Result<Report> {
        let extension = by.extension()?;
        let how = Changing { based_on: changing.if_version, dry_run: changing.dry_run };
        let edited = service::extend(self.database, id, extension, how, |_| Ok(()), self.occasion).await?;
        Ok(changed(id, &edited, changing))
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
        let how = Changing { based_on: changing.if_version, dry_run: changing.dry_run };
        let edited = service::edit_and_give(self.database, id, &said, customer, how, self.occasion).await?;
        Ok(changed(id, &edited, changing))
    }

    async fn rekey(&self, rekey: &NewKey, place: InPlaceOf<'_>) -> Result<Report> {
        let (id, file) = (rekey.id, rekey.keys_out.file.as_deref());
        let handed_over = Cell::new(false);
        let hand_over = |key: &str| {
            if rekey.key.is_none() {
                self.hand_over([(id, key)].into_iter(), file, &rekeyed(id, Some(key), place))?;
                handed_over.set(true);
            }
            Ok(())
        };
        let vault = self.vault().await?;
        let new = (rekey.key.as_deref(), place);
        match service::rekey(self.database, vault.as_ref(), id, new, hand_over, self.occasion).await {
            Ok(hint) => {
                let mut report = rekeyed(id, None, place);
                report.fields.insert("key_hint".into(), hint.key_hint.into());
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

    async fn suspend(&self, id: LicenseId, suspended: bool) -> Result<Report> {
        let changed = service::set_suspended(self.database, id, suspended, self.occasion).await?;
        let state = if suspended { "suspended" } else { "in force" };
        let already = if changed { "" } else { " already" };
        let words = format!("License {id} is {state}{already}.");
        Ok(Report::new(
            words,
            json!({ "license": id.to_string(), "suspended": suspended, "changed": changed }),
        ))
    }
}

/// What is said of licenses with new keys, which are in `file` or shown.
fn sold(terms: &LicenseTerms, offers: &[Offer], file: Option<&Path>) -> Report {
    let LicenseTerms { licensee, seats, .. } = terms;
    let of = |offer: &Offer| {
        let key = if file.is_none() { Value::from(offer.key.as_str()) } else { Value::Null };
        json!({ "license": offer.terms.id.to_string(), "key": key })
    };
    let (mut words, mut fields) = match offers {
        [one] => (format!("License {} for {licensee}.", one.terms.id), of(one)),
        _ => {
            let licenses: Vec<Value> = offers.iter().map(of).collect();
            (format!("{} licenses for {licensee}.", offers.len()), json!({ "licenses": licenses }))
        }
    };
    fields["seats"] = (*seats).into();
    match (file, offers) {
        (Some(path), _) => {
            words += &format!(" Their keys are in {}.", path.display());
            fields["keys_out"] = path.display().to_string().into();
        }
        (None, [one]) => words += &format!(" Its key:\n\n    {}\n", one.key.as_str()),
        (None, _) => {
            words += " Their keys:\n";
            offers
                .iter()
                .for_each(|offer| words += &format!("\n    {}  {}", offer.terms.id, offer.key.as_str()));
        }
    }
    Report::new(words, fields)
}

fn sold_already(licenses: &[LicenseHint], order: &str) -> Report {
    let lines = licenses.iter().map(|license| format!("{}  ..{}\n", license.id, license.key_hint));
    let fields = json!({ "order": order, "licenses": hints(licenses) });
    Report::new(lines.collect::<String>(), fields).with_failure(Failure::SoldAlready(order.to_owned()))
}

pub(super) fn hints(licenses: &[LicenseHint]) -> Vec<Value> {
    let hint =
        |license: &LicenseHint| json!({ "license": license.id.to_string(), "key_hint": license.key_hint });
    licenses.iter().map(hint).collect()
}

/// What a change of terms came to, or would.
fn changed(id: LicenseId, edited: &Edited, changing: Changes) -> Report {
    let LicenseRecord { terms, usage, .. } = &edited.license;
    let version = edited.version;
    let words = match &edited.changes[..] {
        [] => format!("License {id} has these terms already."),
        changes if changing.dry_run => {
            format!("License {id} would change: {}. Nothing was changed.", changes.join(", "))
        }
        changes if usage.taken > terms.seats => format!(
            "License {id}: {}. {} seats are taken: they stay, and none is given until there are fewer.",
            changes.join(", "),
            usage.taken
        ),
        changes => format!("License {id}: {}. Devices hear of it when they check in.", changes.join(", ")),
    };
    let fields = json!({
        "license": id.to_string(),
        "version": version,
        "changes": edited.changes,
        "changed": !edited.changes.is_empty() && !changing.dry_run,
        "dry_run": changing.dry_run,
        "seats": { "total": terms.seats, "taken": usage.taken },
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

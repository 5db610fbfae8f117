//! Every record of the ledger is compared with the rules, and with whatever else the ledger has to say of it.
//!
//! Nothing that the ledger holds is signed, except the proofs that wait for their requests. So a record's witness is
//! another record: a seat's is the audit, which notes every act (`nodelock::authority::SeatTrail`). What has no witness
//! is in [`UNSEEN`].

mod accounts;
mod audit;
mod chain;
mod events;
mod history;
mod licenses;
mod others;
mod products;
mod row;
mod seats;
mod unseen;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::Duration,
};

use nodelock::{
    LicenseId, PublicKey, Roots, Timestamp,
    authority::{LicenseTerms, SeatName, SeatState},
};

pub(super) use self::audit::ACTIONS;
pub(crate) use self::unseen::UNSEEN;
use self::{audit::Audit, chain::Chain, row::Row};
use super::{
    Database,
    permit::{On, permit},
};
use crate::{
    domain::{Digest, Finding, MailPolicy, Occasion, Retention, Said, rights::Act},
    failure::Result,
    keys::Vault,
    store::{self, Tx, raw},
};

/// How many findings are kept to be shown.
const MOST: usize = 1_000;
/// By how much two right clocks may differ: the tolerance of devices' clocks.
const TOLERANCE: Duration = Duration::from_secs(26 * 60 * 60);

/// What a verification came to.
pub(crate) struct Verified {
    /// The first of what was found.
    pub(crate) findings: Vec<Finding>,
    /// How much was found in all.
    pub(crate) found: u64,
    /// How many rows were looked at.
    pub(crate) records: u64,
    /// Whether the keys were here, so that the ledger could be compared with them.
    pub(crate) keys_are_here: bool,
    /// How many license keys are kept in a vault that is not here, so that they could not be compared.
    pub(crate) keys_not_compared: u64,
}

/// What was found so far.
struct Findings {
    list: Vec<Finding>,
    found: u64,
    records: u64,
    now: Timestamp,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.list.len() < MOST {
            self.list.push(finding);
        }
    }

    /// Something that is wrong with no row in particular.
    fn add_of(&mut self, table: &str, column: Option<&str>, detail: String) {
        let (table, column) = (table.to_owned(), column.map(str::to_owned));
        self.add(Finding { table, column, license: None, seat: None, row: None, detail });
    }

    fn is_past(&self, time: Timestamp) -> bool {
        time <= self.now || time.since(self.now) <= TOLERANCE
    }
}

/// What is known of the ledger so far, by what names it.
#[derive(Default)]
struct Known {
    /// The ids of the products, by their names.
    products: HashMap<String, String>,
    /// Their roots.
    roots: Vec<PublicKey>,
    audit: Audit,
    licenses: HashMap<LicenseId, License>,
    /// With the revision of its latest license.
    seats: HashMap<SeatName, u32>,
    /// The cancelled ones, with the dates of their requests.
    cancelled: HashMap<SeatName, Timestamp>,
    /// How many keys are kept in a vault that is not here.
    keys_not_compared: u64,
    /// The hardware of the seats that are taken, and of which license they are.
    tags: HashSet<(SeatName, LicenseId, i64)>,
    /// Of each trial its product, when it was granted, and its hardware.
    trials: HashMap<SeatName, (Option<String>, i64, HashSet<i64>)>,
    /// How many seats are in each state, in the order of [`SeatState::ALL`], and how much evidence there is.
    by_state: [i64; SeatState::ALL.len()],
    evidence: i64,
}

/// What names an order: its id, its product, and the account of a reseller or nothing.
type OrderName = (String, String, String);

/// What a license says that its seats add up to, and what they do.
#[derive(Default)]
struct License {
    said: [Option<i64>; 3],
    product: Option<String>,
    customer: Option<String>,
    terms: Option<LicenseTerms>,
    created: Option<Timestamp>,
    version: Option<i64>,
    /// The hash and the end of the key that it names.
    key: (Option<Vec<u8>>, Option<String>),
    /// Whether there is a row of that version of its terms, and one of that key.
    has_terms: bool,
    has_key: bool,
    taken: i64,
    deactivated: i64,
    activated: i64,
}

/// Looks at every record. Everything is of one moment, so others may write meanwhile.
///
/// It keeps about a hundred bytes of each seat in memory.
///
/// Fails when the keys that are here cannot be read, and when the database cannot be read at all. What it finds is no
/// failure.
pub(crate) async fn verify(database: &Database, directory: &Path, occasion: &Occasion) -> Result<Verified> {
    let occasion = &permit(database, occasion, Act::Verify, On::Whole).await?;
    let mut findings = Findings { list: Vec::new(), found: 0, records: 0, now: occasion.time };
    let mut known = Known::default();
    let mut tx = database.read().await?;
    for (table, detail) in raw::check_storage(database, &mut tx).await? {
        findings.add_of(&table, None, detail);
    }
    for (column, detail) in raw::check_migrations(database, &mut tx).await? {
        findings.add_of("_sqlx_migrations", Some(column), detail);
    }
    audit::look(&mut tx, &mut known, &mut findings).await?;
    history::look(&mut tx, &mut findings).await?;
    look_at_vendor(&mut tx, &known, &mut findings).await?;
    let keys_are_here = products::look(&mut tx, directory, &mut known, &mut findings).await?;
    chain::look(&mut tx, &Roots::new(known.roots.iter().copied()), &mut findings).await?;
    let vault = Vault::open(directory)?;
    licenses::look(&mut tx, vault.as_ref(), &mut known, &mut findings).await?;
    seats::look(&mut tx, &mut known, &mut findings).await?;
    licenses::look_back(&known, &mut findings);
    others::look(&mut tx, &mut known, &mut findings).await?;
    accounts::look(&mut tx, vault.as_ref(), &mut known, &mut findings).await?;
    events::look(&mut tx, vault.as_ref(), &known, &mut findings).await?;
    audit::look_back(&known, &mut findings);
    let Findings { list, found, records, .. } = findings;
    let keys_not_compared = known.keys_not_compared;
    Ok(Verified { findings: list, found, records, keys_are_here, keys_not_compared })
}

/// A digest of the chain that somebody kept, or a device holds.
pub(crate) struct Kept {
    /// Who has it, in words.
    pub(crate) by: String,
    pub(crate) digest: Digest,
}

/// What a verification of the audit came to.
pub(crate) struct VerifiedAudit {
    pub(crate) chain: Chain,
    /// The first of what was found.
    pub(crate) findings: Vec<Finding>,
    /// How much was found in all.
    pub(crate) found: u64,
}

/// Looks at the chain of the audit alone, and whether it still has what others hold of it. Everything is of one moment,
/// so others may write meanwhile.
///
/// Fails when the database cannot be read, or its products cannot. What it finds is no failure.
pub(crate) async fn verify_audit(
    database: &Database,
    kept: &[Kept],
    occasion: &Occasion,
) -> Result<VerifiedAudit> {
    let occasion = &permit(database, occasion, Act::Verify, On::Whole).await?;
    let mut findings = Findings { list: Vec::new(), found: 0, records: 0, now: occasion.time };
    let mut tx = database.read().await?;
    let roots = Roots::new(store::products(&mut tx).await?.iter().map(|product| product.root));
    let chain = chain::look(&mut tx, &roots, &mut findings).await?;
    for Kept { by, digest } in kept {
        if store::seal_of_digest(&mut tx, digest).await?.is_none() {
            let detail = format!(
                "{by} was given a digest of the chain that no seal has: seals were removed or made anew"
            );
            findings.add_of("audit_seal", Some("digest"), detail);
        }
    }
    let Findings { list, found, .. } = findings;
    Ok(VerifiedAudit { chain, findings: list, found })
}

/// What a row says of mails: by the id of its product, or for all products.
fn look_at_mail(row: &mut row::Row<'_>, id: &str, known: &Known) {
    if let Some(policy) = row.record::<MailPolicy>("mail") {
        let noted = known.audit.mail_policies.get(id);
        let noted = noted.map_or(Some(MailPolicy::default()), |noted| serde_json::from_str(noted).ok());
        row.expect("mail", noted == Some(policy), "it is not what was noted last");
    }
}

/// What holds for all products.
async fn look_at_vendor(tx: &mut Tx, known: &Known, findings: &mut Findings) -> Result<()> {
    let mut rows = 0_u32;
    raw::walk(tx, raw::VENDOR, |raw| {
        rows += 1;
        let mut row = Row::new(raw, raw::VENDOR, findings);
        if let Some(created) = row.time("created") {
            let is_noted = known.audit.set_up.as_ref().is_some_and(|(at, _)| *at == created);
            row.expect("created", is_noted, "it is not when the authority was set up");
        }
        if let Some(policies) = row.record::<Said>("policies") {
            let noted = known.audit.policies.as_ref();
            let is_noted = noted.map_or(policies.is_empty(), |noted| policies.is(noted));
            row.expect("policies", is_noted, "they are not what was noted last");
        }
        if let Some(retention) = row.record::<Retention>("retention") {
            let noted = known.audit.retention.as_ref();
            let noted = noted.map_or(Some(Retention::default()), |noted| serde_json::from_str(noted).ok());
            row.expect("retention", noted == Some(retention), "it is not what was noted last");
        }
        look_at_mail(&mut row, "", known);
        row.time_or_null("pruned");
        row.text("forgotten");
        row.time_or_null("check_ins_until");
    })
    .await?;
    if rows != 1 {
        findings.add_of("vendor", None, format!("it has {rows} rows, and one is right"));
    }
    Ok(())
}

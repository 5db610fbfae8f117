//! The chain of the audit: whether each line is what was sealed, and each seal what was signed.
//!
//! What no seal tells of: lines that have none yet, and a chain that was made anew, whole or from some seal on, by
//! whoever has the issuer's key. A digest of the chain that is kept elsewhere tells that; devices hold one each.

use std::collections::BTreeMap;

use nodelock::{Roots, Timestamp, authority::check_attestation};

use super::{Findings, row::Row};
use crate::{
    domain::{Digest, Finding, Lines, NOTHING, Seal},
    failure::Result,
    store::{self, Tx, raw, raw::RawRow},
};

/// How many seals are looked at together, with their lines. Others have their turn after each such look.
const TOGETHER: i64 = 50;

/// What the chain is.
#[derive(Default)]
pub(crate) struct Chain {
    /// How many seals there are, and how many lines they have.
    pub(crate) seals: u64,
    pub(crate) lines: u64,
    /// How many lines have no seal yet.
    pub(crate) unsealed: u64,
    /// The newest seal: its digest stands for all before.
    pub(crate) newest: Option<Seal>,
}

/// What was found of the lines of a seal.
struct Found {
    lines: Lines,
    first: String,
    last: String,
}

pub(super) async fn look(tx: &mut Tx, roots: &Roots, findings: &mut Findings) -> Result<Chain> {
    let mut chain = Chain::default();
    let (mut after, mut number, mut previous, mut attestation) = (0, 0, NOTHING, Vec::new());
    loop {
        let seals = store::seals_after(tx, after, TOGETHER).await?;
        let number_of =
            |seal: Option<&RawRow>| seal.and_then(|seal| seal.get::<i64>("number").ok().flatten());
        let (Some(first), Some(last)) = (number_of(seals.first()), number_of(seals.last())) else { break };
        let mut batches = BTreeMap::new();
        store::walk_sealed(tx, (first, last), |line| look_at_line(line, &mut batches, findings)).await?;
        for raw in &seals {
            let mut row = Row::new(raw, raw::AUDIT_SEAL, findings);
            let found = number_of(Some(raw)).and_then(|number| batches.remove(&number));
            let seal = look_at_seal(&mut row, (number + 1, previous), found);
            // Behind one that cannot be read nothing fits.
            let Some((seal, attested)) = seal else { continue };
            (number, previous, attestation) = (seal.number, seal.digest(), attested);
            chain.seals += 1;
            chain.lines += seal.lines;
            chain.newest = Some(seal);
        }
        after = last;
        tokio::task::yield_now().await;
    }
    // The newest has the digest of the one before, and so on: its signature stands for all of them.
    if let Some(newest) = &chain.newest
        && let Err(error) = check_attestation(&newest.statement(), &attestation, newest.at, roots)
    {
        let detail = format!("no issuer of this authority signed the newest seal: {error}");
        findings.add_of("audit_seal", Some("attestation"), detail);
    }
    chain.unsealed = store::count_unsealed(tx).await?;
    let strays = store::count_strays(tx).await?;
    if strays > 0 {
        findings.add_of("audit", Some("seal"), format!("{strays} lines name a seal that is not there"));
    }
    Ok(chain)
}

fn look_at_line(line: &RawRow, batches: &mut BTreeMap<i64, Found>, findings: &mut Findings) {
    let (Ok(Some(id)), Ok(Some(seal))) = (line.get::<String>("id"), line.get::<i64>("seal")) else { return };
    let found = batches.entry(seal).or_insert_with(|| Found {
        lines: Lines::new(),
        first: id.clone(),
        last: String::new(),
    });
    // What cannot be read is no line that was sealed.
    found.lines.add(&store::digest_of_line(line).unwrap_or(NOTHING));
    if !store::is_personal_sound(line) {
        findings.add(Finding {
            table: raw::AUDIT.name.to_owned(),
            column: Some("personal_digest".to_owned()),
            license: None,
            seat: None,
            row: Some(id.clone()),
            detail: "what it says of a person is not what was sealed, and was not emptied either".to_owned(),
        });
    }
    found.last = id;
}

/// Returns the seal and its signature, if it can be read.
fn look_at_seal(
    row: &mut Row<'_>,
    (number, previous): (u64, Digest),
    found: Option<Found>,
) -> Option<(Seal, Vec<u8>)> {
    let numbers = ["number", "at", "lines"].map(|column| row.number(column));
    let digests = ["lines_digest", "previous", "digest"].map(|column| {
        let digest: Option<Digest> = row.bytes(column)?.try_into().ok();
        row.expect(column, digest.is_some(), "it has another length");
        digest
    });
    let attestation = row.bytes("attestation");
    let [stated_number, at, lines] =
        numbers.map(|number| number.and_then(|number| u64::try_from(number).ok()));
    row.name = stated_number.map(|number| format!("seal {number}"));
    let at = at.filter(|at| *at <= Timestamp::MAX.unix_seconds()).map(Timestamp::from_unix_seconds);
    let [lines_digest, stated_previous, digest] = digests;
    let (Some(stated_number), Some(at), Some(lines)) = (stated_number, at, lines) else {
        row.wrong("number", "it is no seal: a number of it is out of bounds");
        return None;
    };
    let (lines_digest, stated_previous) = (lines_digest?, stated_previous?);
    let seal = Seal { number: stated_number, at, lines, lines_digest, previous: stated_previous };
    if seal.number != number {
        row.wrong("number", format!("seals {number} to {} are missing", seal.number.saturating_sub(1)));
    }
    row.expect(
        "previous",
        seal.previous == previous,
        "it was sealed behind another chain than the one before it",
    );
    row.expect("digest", digest == Some(seal.digest()), "it is not the digest of this seal");
    let (first, last, found) = match found {
        Some(found) => (found.first, found.last, found.lines.finish()),
        None => (String::new(), String::new(), Lines::new().finish()),
    };
    if found.0 != seal.lines {
        row.wrong("lines", format!("{} lines were sealed, and {} are there", seal.lines, found.0));
    } else if found.1 != seal.lines_digest {
        row.wrong("lines_digest", format!("the lines from {first} to {last} are not what was sealed"));
    }
    Some((seal, attestation.unwrap_or_default()))
}

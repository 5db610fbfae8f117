//! Licenses: what was sold, found by its id or by the hash of its key.

use nodelock::{
    ErrorKind, LicenseId,
    authority::ledger::{LicenseTerms, Usage},
    code::LicenseKey,
};
use ring::digest;
use sqlx::{Row as _, any::AnyRow};
use zeroize::Zeroizing;

use super::{Database, Entry, Occasion, SeatRow, Tx, damaged, seats, seconds, timestamp};
use crate::failure::{Failure, Result};

/// A license key as it is compared: the mended spelling of a checked key, or the very text of one that the vendor made
/// by other rules.
pub(crate) struct KeyText(Zeroizing<String>);

impl KeyText {
    /// None for an empty text, which is no key.
    pub(crate) fn new(typed: &str) -> Option<Self> {
        let text =
            typed.parse::<LicenseKey>().map_or_else(|_| typed.trim().to_owned(), |key| key.to_string());
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// What finds the license. Keys made here have 90 random bits, so nobody gets from the hash to the key.
    fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref().to_vec()
    }

    /// The last group, for people: too little to guess the rest from. Of a short key it is the last character.
    fn hint(&self) -> String {
        let shown = if self.0.len() >= 20 { 5 } else { 1 };
        let from = self.0.char_indices().rev().nth(shown - 1).map_or(0, |(at, _)| at);
        self.0[from..].to_owned()
    }
}

impl From<&LicenseKey> for KeyText {
    fn from(key: &LicenseKey) -> Self {
        Self(key.to_string().into())
    }
}

/// A license and what its seats add up to.
pub(crate) struct LicenseRow {
    pub(crate) terms: LicenseTerms,
    pub(crate) key_hint: String,
    pub(crate) created: nodelock::Timestamp,
    pub(crate) usage: Usage,
}

/// What a customer sees of a license.
pub(crate) struct Holding {
    pub(crate) terms: LicenseTerms,
    pub(crate) usage: Usage,
    /// The seats that are taken, then those that were given up last.
    pub(crate) seats: Vec<SeatRow>,
}

/// The id, unless it stands for no license at all.
pub(super) fn real(id: LicenseId) -> Option<LicenseId> {
    (id != LicenseId::NONE).then_some(id)
}

impl Database {
    /// Enters licenses that were sold: all of them, or none.
    ///
    /// Fails with [`Failure::KeyInUse`].
    pub(crate) async fn create_licenses(
        &self,
        sold: &[(LicenseTerms, KeyText)],
        occasion: &Occasion,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        for (terms, key) in sold {
            if find_by_key(&mut tx, key).await?.is_some() {
                return Err(Failure::KeyInUse);
            }
            sqlx::query(
                "INSERT INTO license (id, key_hash, key_hint, terms, created) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(terms.id.to_string())
            .bind(key.hash())
            .bind(key.hint())
            .bind(serde_json::to_string(terms)?)
            .bind(seconds(occasion.now))
            .execute(&mut *tx)
            .await?;
            let detail = format!("{} seats for {}", terms.seats, terms.licensee);
            Entry::of_license("license-created", terms.id).detail(&detail).write(&mut tx, occasion).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Stops a license for now, or lets it go on. Returns whether that changed anything.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`].
    pub(crate) async fn set_suspended(
        &self,
        id: LicenseId,
        suspended: bool,
        occasion: &Occasion,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let mut terms = find(&mut tx, id).await?.ok_or_else(unknown)?;
        if terms.suspended == suspended {
            return Ok(false);
        }
        terms.suspended = suspended;
        sqlx::query("UPDATE license SET terms = $1 WHERE id = $2")
            .bind(serde_json::to_string(&terms)?)
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        let action = if suspended { "license-suspended" } else { "license-resumed" };
        Entry::of_license(action, id).write(&mut tx, occasion).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The license of a key, with at most so many of its seats. None if no license has that key.
    pub(crate) async fn holding(&self, key: &KeyText, most: usize) -> Result<Option<Holding>> {
        let mut tx = self.look().await?;
        let Some(terms) = find_by_key(&mut tx, key).await? else { return Ok(None) };
        let usage = usage(&mut tx, terms.id).await?;
        let seats = seats::latest_of(&mut tx, terms.id, most).await?;
        Ok(Some(Holding { terms, usage, seats }))
    }

    /// Every license, oldest first.
    pub(crate) async fn licenses(&self) -> Result<Vec<LicenseRow>> {
        // One statement, so that the terms and the counts are of one moment.
        let rows = sqlx::query(
            "SELECT license.terms, license.key_hint, license.created, \
             COUNT(CASE WHEN seat.state IN ('active', 'held') THEN 1 END) AS taken, \
             COUNT(CASE WHEN seat.counted = 1 THEN 1 END) AS deactivated \
             FROM license LEFT JOIN seat ON seat.license_id = license.id \
             GROUP BY license.id, license.terms, license.key_hint, license.created ORDER BY license.created, license.id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LicenseRow {
                    terms: terms(row)?,
                    key_hint: row.try_get("key_hint")?,
                    created: timestamp(row.try_get("created")?),
                    usage: counts(row)?,
                })
            })
            .collect()
    }
}

pub(super) fn unknown() -> Failure {
    Failure::rule(ErrorKind::UnknownLicense, "license")
}

pub(super) async fn find(tx: &mut Tx, id: LicenseId) -> Result<Option<LicenseTerms>> {
    let row = sqlx::query("SELECT terms FROM license WHERE id = $1").bind(id.to_string());
    row.fetch_optional(&mut **tx).await?.as_ref().map(terms).transpose()
}

pub(super) async fn find_by_key(tx: &mut Tx, key: &KeyText) -> Result<Option<LicenseTerms>> {
    let row = sqlx::query("SELECT terms FROM license WHERE key_hash = $1").bind(key.hash());
    row.fetch_optional(&mut **tx).await?.as_ref().map(terms).transpose()
}

pub(super) async fn usage(tx: &mut Tx, id: LicenseId) -> Result<Usage> {
    let row = sqlx::query(
        "SELECT COUNT(CASE WHEN state IN ('active', 'held') THEN 1 END) AS taken, \
         COUNT(CASE WHEN counted = 1 THEN 1 END) AS deactivated FROM seat WHERE license_id = $1",
    )
    .bind(id.to_string())
    .fetch_one(&mut **tx)
    .await?;
    counts(&row)
}

fn counts(row: &AnyRow) -> Result<Usage> {
    let count = |column| -> Result<u32> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| damaged("the number of seats"))
    };
    Ok(Usage { taken: count("taken")?, deactivated: count("deactivated")? })
}

fn terms(row: &AnyRow) -> Result<LicenseTerms> {
    Ok(serde_json::from_str(&row.try_get::<String, _>("terms")?)?)
}

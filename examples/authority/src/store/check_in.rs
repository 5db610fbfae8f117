//! What a device asks while it holds its seat: to have its license renewed, and whether it may give the seat up.

use nodelock::{
    CheckInRequest, ErrorKind, License, PreflightRequest, PublicKey, Result as Verified, Revocation,
    authority::ledger::{self, SeatState},
    code::Handle,
};

use super::{
    Database, Entry, Occasion, Tx, activation::terms_of, licenses, number, off_thread, random, seats,
};
use crate::{
    failure::{Failure, Result},
    keys::Signer,
};

/// How many check-ins of a seat are remembered: an echo older than that is taken for a copy's, which the vendor hears of
/// and nothing else comes of.
const MAX_CHECK_INS: i64 = 16;

/// The answer to a check-in.
pub(crate) enum CheckedIn {
    Renewed(Box<License>),
    /// The seat is over: the vendor released it, or its device gave it up and this is a copy from before.
    Revoked(Revocation),
}

impl Database {
    /// Answers a check-in, in any form. The same one again gets the same answer.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`], [`ErrorKind::BadSignature`] when another device signed it, and as
    /// [`ledger::check_in`] does.
    pub(crate) async fn check_in(
        &self,
        input: String,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<CheckedIn> {
        let request =
            self.signed_by_holder(input, CheckInRequest::claimed_handle, CheckInRequest::verify).await?;
        let (request, device) = request;
        let mut tx = self.begin().await?;
        let row = seats::find(&mut tx, request.handle, &device).await?.ok_or_else(unknown)?;
        let seat = &row.seat;
        if let Some(revocation) = row.revocation(&signer.roots)? {
            return Ok(CheckedIn::Revoked(revocation));
        }
        if seat.state != SeatState::Active {
            // The seat was given up, and what checks in is a copy from before: only a signed word ends the license it has.
            let revocation = signer.issuer.revocation(seat, "this seat was given up", occasion.now)?;
            seats::set_revocation(&mut tx, seat, &revocation).await?;
            // Unless it is the network that says again what the device said before it gave the seat up.
            if answered(&mut tx, &request, &device).await?.is_none() {
                let entry = Entry::of_seat("copy-suspected", Some(seat), seat);
                entry
                    .detail("a copy of the store checks in after the seat was given up")
                    .write(&mut tx, occasion)
                    .await?;
            }
            tx.commit().await?;
            return Ok(CheckedIn::Revoked(revocation));
        }
        if let Some(license) = answered(&mut tx, &request, &device).await? {
            return Ok(CheckedIn::Renewed(License::verify(&license, &signer.roots)?.into()));
        }
        let terms = terms_of(&mut tx, seat).await?;
        let renewed = ledger::check_in(&terms, seat, &request, random()?, occasion.now)?;
        let usage = licenses::usage(&mut tx, terms.id).await?;
        let left = terms.deactivations_left(usage);
        let license = signer.issuer.license(&terms, &renewed, left, occasion.now)?;
        seats::update(&mut tx, &renewed).await?;
        seats::set_license(&mut tx, &renewed, &license).await?;
        remember(&mut tx, &request, &device, &license).await?;
        let entry = Entry::of_seat("checked-in", Some(seat), &renewed);
        entry.write(&mut tx, occasion).await?;
        if renewed.copies > seat.copies {
            let detail =
                format!("another copy of the store seems to check in: {} times by now", renewed.copies);
            let entry = Entry::of_seat("copy-suspected", Some(seat), &renewed);
            entry.detail(&detail).write(&mut tx, occasion).await?;
        }
        tx.commit().await?;
        Ok(CheckedIn::Renewed(license.into()))
    }

    /// How many deactivations are left for a seat that asks; none is without limit, and so is a seat that is not active:
    /// giving it up uses nothing up.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] and [`ErrorKind::BadSignature`].
    pub(crate) async fn preflight(&self, input: String) -> Result<Option<u32>> {
        let request =
            self.signed_by_holder(input, PreflightRequest::claimed_handle, PreflightRequest::verify).await?;
        let (request, device) = request;
        let mut tx = self.look().await?;
        let seat = seats::find(&mut tx, request.handle, &device).await?.ok_or_else(unknown)?.seat;
        if seat.state != SeatState::Active {
            return Ok(None);
        }
        let terms = terms_of(&mut tx, &seat).await?;
        let usage = licenses::usage(&mut tx, terms.id).await?;
        Ok(terms.deactivations_left(usage))
    }

    /// A message verified under the key of the device that holds the seat it names, before anything is locked.
    async fn signed_by_holder<T: Send + 'static>(
        &self,
        input: String,
        claimed: fn(&[u8]) -> Verified<Handle>,
        verify: fn(&[u8], &PublicKey) -> Verified<T>,
    ) -> Result<(T, PublicKey)> {
        let handle = claimed(input.as_bytes())?;
        let mut connection = self.pool.acquire().await?;
        let rows = seats::of_handle(&mut connection, handle).await?;
        drop(connection);
        let keys: Vec<PublicKey> = rows.into_iter().map(|row| row.seat.device_key).collect();
        off_thread(move || {
            let mut refused = unknown();
            // Two devices may have drawn one handle.
            for key in keys {
                match verify(input.as_bytes(), &key) {
                    Ok(message) => return Ok((message, key)),
                    Err(error) => refused = error.into(),
                }
            }
            Err(refused)
        })
        .await?
    }
}

fn unknown() -> Failure {
    Failure::rule(ErrorKind::UnknownSeat, "seat")
}

/// The license that a check-in was answered with before.
async fn answered(tx: &mut Tx, request: &CheckInRequest, device: &PublicKey) -> Result<Option<Vec<u8>>> {
    let statement = "SELECT license FROM check_in WHERE handle = $1 AND device_key = $2 AND nonce = $3";
    Ok(sqlx::query_scalar(statement)
        .bind(number(request.handle))
        .bind(device.as_bytes().to_vec())
        .bind(request.nonce.to_vec())
        .fetch_optional(&mut **tx)
        .await?)
}

async fn remember(
    tx: &mut Tx,
    request: &CheckInRequest,
    device: &PublicKey,
    license: &License,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO check_in (handle, device_key, nonce, revision, license) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(number(request.handle))
    .bind(device.as_bytes().to_vec())
    .bind(request.nonce.to_vec())
    .bind(i64::from(license.revision))
    .bind(license.as_bytes().to_vec())
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM check_in WHERE handle = $1 AND device_key = $2 AND revision <= $3")
        .bind(number(request.handle))
        .bind(device.as_bytes().to_vec())
        .bind(i64::from(license.revision) - MAX_CHECK_INS)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

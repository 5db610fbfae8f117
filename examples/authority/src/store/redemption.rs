//! Seats given up by their devices: proofs, codes, receipts, and evidence that came before its request.

use std::time::Duration;

use nodelock::{
    ActivationRequest, Binding, DeactivationProof, DeactivationReceipt, ErrorKind, LicenseId, Outcome,
    PublicKey, Reason,
    authority::{
        ActivationFile, ReleaseClaim,
        ledger::{self, CODE_WINDOW, Claim, Released, Seat},
    },
    code::{Correction, DeactivationCode, Handle, Reading},
};
use sqlx::Row as _;

use super::{
    Database, Entry, KeyText, Occasion, Tx, activation::terms_of, how_often, licenses, number, off_thread,
    seats, seconds,
};
use crate::{
    failure::{Failure, Result},
    keys::Signer,
};

/// How many wrong codes are looked at within [`CODE_WINDOW`], over all seats: guessing does not pay with many
/// seats either.
const MAX_WRONG_CODES: i64 = 500;
/// How many messages for seats that were never seen are taken in within an hour. They cannot be verified yet.
const MAX_UNSEEN_AN_HOUR: i64 = 1000;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How many of them are kept for one handle, and in all. When all are, the oldest go, which by the hourly limit have
/// been here for four days at least, and which the device repeats for as long as it has no receipt.
const MAX_EVIDENCE_OF_HANDLE: i64 = 8;
const MAX_EVIDENCE: i64 = 100_000;
/// How many receipts are kept for one seat. A device has one proof and one code; it could sign more.
const MAX_RECEIPTS: i64 = 8;
/// How many codes that one typed text may stand for are looked at.
const MAX_READINGS: usize = 8;

/// What a proof or a code came to.
pub(crate) enum Redeemed {
    /// The seat is given up, now or since long.
    Released { released: Box<Released>, receipt: DeactivationReceipt },
    /// The seat was never seen: the evidence is kept until its request arrives.
    Kept(Handle),
}

impl Redeemed {
    /// What it came to, for programs.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Released { released, .. } => match (released.outcome, released.changed) {
                (Outcome::Held, _) => "held",
                (Outcome::Returned, true) => "freed",
                (Outcome::Returned, false) => "already-freed",
            },
            Self::Kept(_) => "unknown",
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        match self {
            Self::Released { released, .. } => released.seat.handle,
            Self::Kept(handle) => *handle,
        }
    }

    pub(crate) fn receipt(&self) -> Option<&DeactivationReceipt> {
        match self {
            Self::Released { receipt, .. } => Some(receipt),
            Self::Kept(_) => None,
        }
    }

    /// The license of a seat that this device has given up just now.
    pub(super) fn license_given_up(&self, device: &PublicKey) -> Option<LicenseId> {
        match self {
            Self::Released { released, .. } if released.changed && released.seat.device_key == *device => {
                licenses::real(released.seat.license_id)
            }
            _ => None,
        }
    }

    pub(super) fn into_receipt(self) -> Option<DeactivationReceipt> {
        match self {
            Self::Released { receipt, .. } => Some(receipt),
            Self::Kept(_) => None,
        }
    }
}

impl Database {
    /// Gives up the seat that a proof names.
    ///
    /// Fails with [`ErrorKind::BadSignature`] when another device signed it.
    pub(crate) async fn redeem(
        &self,
        claim: &ReleaseClaim,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<Redeemed> {
        let mut tx = self.begin().await?;
        let redeemed = redeem_claim(&mut tx, claim, signer, occasion).await?;
        tx.commit().await?;
        Ok(redeemed)
    }

    /// Gives up the seats that proofs name, in one transaction: all of them, or none when one is refused.
    pub(crate) async fn redeem_together(
        &self,
        claims: impl IntoIterator<Item = &ReleaseClaim>,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<Vec<Redeemed>> {
        let mut tx = self.begin().await?;
        let mut redeemed = Vec::new();
        for claim in claims {
            redeemed.push(redeem_claim(&mut tx, claim, signer, occasion).await?);
        }
        tx.commit().await?;
        Ok(redeemed)
    }

    /// Gives up the seat that a typed code names: of what the text may stand for, the first that fits its seat. Also
    /// returns what was mended.
    ///
    /// However many codes a text may stand for, it is one attempt at each seat.
    ///
    /// Fails with [`ErrorKind::WrongCode`] and [`Failure::TooManyAttempts`].
    pub(crate) async fn redeem_code(
        &self,
        mut readings: Vec<Reading<DeactivationCode>>,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<(Redeemed, Vec<Correction>)> {
        readings.truncate(MAX_READINGS);
        let first = readings
            .first()
            .cloned()
            .ok_or_else(|| Failure::rule(ErrorKind::UnreadableCode, "deactivation code"))?;
        // Which code fits which seat takes 100,000 rounds each, so it is found out before the writer's lock is taken.
        // Nothing of a seat that matters to it ever changes.
        let mut candidates = Vec::new();
        let mut connection = self.pool.acquire().await?;
        for reading in &readings {
            for row in seats::of_handle(&mut connection, reading.code.handle()).await? {
                candidates.push((reading.clone(), row.seat));
            }
        }
        drop(connection);
        let may_try = |seat: &Seat| ledger::may_try_code(seat, occasion.now);
        let known = !candidates.is_empty();
        candidates.retain(|(_, seat)| may_try(seat));
        let (candidates, right) = off_thread(move || {
            let right = candidates.iter().position(|(reading, seat)| ledger::code_fits(seat, &reading.code));
            (candidates, right)
        })
        .await?;

        let mut tx = self.begin().await?;
        if how_often(&mut tx, "wrong-code", CODE_WINDOW, occasion).await? >= MAX_WRONG_CODES {
            return Err(Failure::TooManyAttempts);
        }
        if let Some((reading, seat)) = right.map(|at| &candidates[at]) {
            let seat = current(&mut tx, seat).await?;
            let binding = Binding::code(&reading.code);
            let redeemed = release(&mut tx, &seat, Reason::Other, binding, signer, occasion).await?;
            tx.commit().await?;
            return Ok((redeemed, reading.corrections.clone()));
        }
        if !known {
            for reading in &readings {
                let code = reading.code.to_string();
                keep(&mut tx, reading.code.handle(), "code", code.as_bytes(), occasion).await?;
            }
            tx.commit().await?;
            return Ok((Redeemed::Kept(first.code.handle()), first.corrections.clone()));
        }
        let mut counted: Vec<(Handle, PublicKey)> = Vec::new();
        for (_, seat) in &candidates {
            let name = (seat.handle, seat.device_key);
            if !counted.contains(&name) {
                let before = current(&mut tx, seat).await?;
                let after = ledger::count_wrong_code(&before, occasion.now);
                seats::update(&mut tx, &after).await?;
                Entry::of_seat("wrong-code", Some(&before), &after).write(&mut tx, occasion).await?;
                counted.push(name);
            }
        }
        tx.commit().await?;
        Err(if counted.is_empty() {
            Failure::TooManyAttempts
        } else {
            Failure::rule(ErrorKind::WrongCode, "deactivation code")
        })
    }
}

/// A seat as it is inside this transaction.
async fn current(tx: &mut Tx, seat: &Seat) -> Result<Seat> {
    let row = seats::find(tx, seat.handle, &seat.device_key).await?;
    Ok(row.ok_or_else(|| Failure::rule(ErrorKind::UnknownSeat, "seat"))?.seat)
}

/// Gives up the seat that a proof names, or remembers that the request that came along is cancelled, or else keeps the
/// proof until it can be verified.
pub(super) async fn redeem_claim(
    tx: &mut Tx,
    claim: &ReleaseClaim,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<Redeemed> {
    let known = seats::of_handle(tx, claim.handle()).await?;
    for row in &known {
        // A genuine proof names its activation, not only the handle: one of an earlier life frees nothing.
        match claim.verify_for(&row.seat) {
            Ok(proof) => {
                return release(tx, &row.seat, proof.reason, binding(&proof), signer, occasion).await;
            }
            // Two devices may have drawn one handle.
            Err(error) if error.kind() == ErrorKind::BadSignature => {}
            Err(error) => return Err(error.into()),
        }
    }
    match claim.request() {
        Some(request) => {
            let proof = claim.verify(&request.device_key)?;
            check_unseen(tx, occasion).await?;
            cancel(tx, request, binding(&proof), signer, occasion).await
        }
        // The device of a known handle had its license, so a proof that does not fit is no proof of that seat.
        None if !known.is_empty() => Err(Failure::rule(ErrorKind::BadSignature, "deactivation proof")),
        None => {
            keep(tx, claim.handle(), "proof", claim.proof_bytes(), occasion).await?;
            Ok(Redeemed::Kept(claim.handle()))
        }
    }
}

/// Which of the codes that were kept for a request's handle are its own, found out before the writer's lock is taken: it
/// takes 100,000 rounds each.
pub(super) struct JudgedCodes(Vec<(Vec<u8>, Option<DeactivationCode>)>);

impl Database {
    pub(super) async fn judge_codes(&self, request: &ActivationRequest) -> Result<JudgedCodes> {
        let kept: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT content FROM evidence WHERE handle = $1 AND kind = 'code'")
                .bind(number(request.handle))
                .fetch_all(&self.pool)
                .await?;
        if kept.is_empty() {
            return Ok(JudgedCodes(Vec::new()));
        }
        let request = request.clone();
        let judge = move |content: Vec<u8>| {
            let readings = DeactivationCode::read(&String::from_utf8_lossy(&content))?;
            let code = readings.into_iter().next().map(|reading| reading.code);
            Ok((content, code.filter(|code| request.is_given_up_by(code))))
        };
        off_thread(move || kept.into_iter().map(judge).collect::<Result<_>>().map(JudgedCodes)).await?
    }
}

/// What was kept for the handle of a request comes to.
pub(super) enum Judged {
    /// Nothing of it is the device's.
    Nothing,
    /// The device gave the request up before it arrived; it is remembered as cancelled.
    Cancelled(DeactivationReceipt),
    /// Another code came after they were judged: judge them once more.
    Unjudged,
}

/// Looks through what was kept for the handle of a request that arrives.
pub(super) async fn judge_evidence(
    tx: &mut Tx,
    file: &ActivationFile,
    codes: &JudgedCodes,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<Judged> {
    let request = &file.request;
    let kept = sqlx::query("SELECT kind, content FROM evidence WHERE handle = $1 ORDER BY received")
        .bind(number(request.handle))
        .fetch_all(&mut **tx)
        .await?;
    if kept.is_empty() || seats::find(tx, request.handle, &request.device_key).await?.is_some() {
        return Ok(Judged::Nothing);
    }
    for row in kept {
        let content: Vec<u8> = row.try_get("content")?;
        let fits = if row.try_get::<String, _>("kind")? == "proof" {
            let claim = ReleaseClaim::read(&content)?;
            match claim.cancels(request) {
                true => Some(binding(&claim.verify(&request.device_key)?)),
                false => None,
            }
        } else {
            match codes.0.iter().find(|(judged, _)| *judged == content) {
                Some((_, code)) => code.as_ref().map(Binding::code),
                None => return Ok(Judged::Unjudged),
            }
        };
        if let Some(binding) = fits {
            sqlx::query("DELETE FROM evidence WHERE handle = $1 AND content = $2")
                .bind(number(request.handle))
                .bind(content)
                .execute(&mut **tx)
                .await?;
            let receipt = cancel(tx, request, binding, signer, occasion).await?.into_receipt();
            return Ok(receipt.map_or(Judged::Nothing, Judged::Cancelled));
        }
    }
    Ok(Judged::Nothing)
}

/// Remembers a request that was given up before it arrived.
async fn cancel(
    tx: &mut Tx,
    request: &ActivationRequest,
    binding: Binding,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<Redeemed> {
    let license = match KeyText::new(&request.license_key) {
        Some(key) => licenses::find_by_key(tx, &key).await?.map_or(LicenseId::NONE, |terms| terms.id),
        None => LicenseId::NONE,
    };
    let released = ledger::cancel(&Claim::from(request), license, occasion.now);
    seats::insert(tx, &released.seat, request).await?;
    Entry::of_seat("cancelled", None, &released.seat).write(tx, occasion).await?;
    let receipt = receipt(tx, &released, binding, signer, occasion).await?;
    Ok(Redeemed::Released { released: released.into(), receipt })
}

/// Gives up a seat on evidence that was verified.
async fn release(
    tx: &mut Tx,
    seat: &Seat,
    reason: Reason,
    binding: Binding,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<Redeemed> {
    let terms = terms_of(tx, seat).await?;
    let usage = licenses::usage(tx, seat.license_id).await?;
    let released = ledger::release(&terms, usage, seat, reason, occasion.now);
    if released.changed {
        seats::update(tx, &released.seat).await?;
        let action = match released.outcome {
            Outcome::Returned => "returned",
            Outcome::Held => "held",
        };
        let how = match binding {
            Binding::Proof(_) => "proof",
            Binding::Code(_) => "code",
        };
        let detail = format!("{how}: {reason}");
        Entry::of_seat(action, Some(seat), &released.seat).detail(&detail).write(tx, occasion).await?;
    }
    let receipt = receipt(tx, &released, binding, signer, occasion).await?;
    Ok(Redeemed::Released { released: released.into(), receipt })
}

/// The receipt for a proof or code: the one it had before, or a new one.
async fn receipt(
    tx: &mut Tx,
    released: &Released,
    binding: Binding,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<DeactivationReceipt> {
    let key = match binding {
        Binding::Proof(digest) => [b"proof ", &digest[..]].concat(),
        Binding::Code(digest) => [b"code ", &digest[..]].concat(),
    };
    let (handle, device) = (number(released.seat.handle), released.seat.device_key.as_bytes().to_vec());
    let given: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT envelope FROM receipt WHERE handle = $1 AND device_key = $2 AND binding = $3",
    )
    .bind(handle)
    .bind(device.clone())
    .bind(key.clone())
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(envelope) = given {
        return Ok(DeactivationReceipt::verify(&envelope, &signer.roots)?);
    }
    let receipt = signer.issuer.receipt(released, binding, occasion.now)?;
    sqlx::query(
        "INSERT INTO receipt (handle, device_key, binding, envelope) SELECT $1, $2, $3, $4 \
         WHERE (SELECT COUNT(*) FROM receipt WHERE handle = $1 AND device_key = $2) < $5",
    )
    .bind(handle)
    .bind(device)
    .bind(key)
    .bind(receipt.as_bytes().to_vec())
    .bind(MAX_RECEIPTS)
    .execute(&mut **tx)
    .await?;
    Ok(receipt)
}

/// Keeps what cannot be verified yet. What is kept already costs nothing.
async fn keep(tx: &mut Tx, handle: Handle, kind: &str, content: &[u8], occasion: &Occasion) -> Result<()> {
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT content FROM evidence WHERE handle = $1")
        .bind(number(handle))
        .fetch_all(&mut **tx)
        .await?;
    if kept.iter().any(|kept| kept == content) {
        return Ok(());
    }
    check_unseen(tx, occasion).await?;
    if i64::try_from(kept.len()).is_ok_and(|kept| kept >= MAX_EVIDENCE_OF_HANDLE) {
        return Err(Failure::TooManyAttempts);
    }
    // One goes when one comes, so that the table stays as it is.
    let full = "DELETE FROM evidence WHERE received = (SELECT MIN(received) FROM evidence) \
                AND (SELECT COUNT(*) FROM evidence) >= $1";
    sqlx::query(full).bind(MAX_EVIDENCE).execute(&mut **tx).await?;
    sqlx::query("INSERT INTO evidence (handle, kind, content, received) VALUES ($1, $2, $3, $4)")
        .bind(number(handle))
        .bind(kind)
        .bind(content.to_vec())
        .bind(seconds(occasion.now))
        .execute(&mut **tx)
        .await?;
    let detail = format!("a {kind} for seat {handle}");
    Entry::new("evidence-kept").detail(&detail).write(tx, occasion).await
}

/// Fails with [`Failure::TooManyAttempts`] when too many messages came within an hour for seats never seen.
async fn check_unseen(tx: &mut Tx, occasion: &Occasion) -> Result<()> {
    let mut unseen = 0;
    for action in ["evidence-kept", "cancelled"] {
        unseen += how_often(tx, action, HOUR, occasion).await?;
    }
    if unseen >= MAX_UNSEEN_AN_HOUR {
        return Err(Failure::TooManyAttempts);
    }
    Ok(())
}

fn binding(proof: &DeactivationProof) -> Binding {
    Binding::Proof(proof.digest())
}

//! Seats granted, renewed and taken back by the vendor.

use nodelock::{
    DeactivationReceipt, ErrorKind, License, LicenseId, PublicKey, Revocation,
    authority::{
        ActivationFile,
        ledger::{self, Activation, Claim, LicenseTerms, Seat, SeatState},
    },
    code::Handle,
};

use super::{
    Database, Entry, KeyText, Occasion, SeatRow, Tx, licenses, random,
    redemption::{self, Judged, JudgedCodes},
    seats,
};
use crate::{
    failure::{Failure, Result},
    keys::Signer,
};

/// The answer to an activation file.
pub(crate) struct Granted {
    /// The license, or why there is none.
    pub(crate) license: Result<License>,
    /// For the seats that the device gave up before: they are free even if the request is refused.
    pub(crate) receipts: Vec<DeactivationReceipt>,
}

/// Names a seat: by its handle, and by its device where two devices drew the same handle.
pub(crate) struct SeatName {
    pub(crate) handle: Handle,
    pub(crate) device: Option<PublicKey>,
}

impl Database {
    /// Frees the seats that came along, then answers the request, in one transaction. The license is that of the
    /// request's license key, or else `assigned`, for requests without one.
    ///
    /// The same file again gets the same answer, as long as that answer is of use to the device.
    pub(crate) async fn activate(
        &self,
        file: &ActivationFile,
        assigned: Option<LicenseId>,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<Granted> {
        loop {
            let codes = self.judge_codes(&file.request).await?;
            let mut tx = self.begin().await?;
            // Only so many codes are kept for one handle, so this comes to an end.
            if let Some(granted) = activate(&mut tx, file, assigned, &codes, signer, occasion).await? {
                tx.commit().await?;
                return Ok(granted);
            }
        }
    }

    /// A new license for an active seat.
    pub(crate) async fn renew(
        &self,
        name: &SeatName,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<License> {
        let mut tx = self.begin().await?;
        let seat = choose(&mut tx, name).await?.seat;
        let terms = terms_of(&mut tx, &seat).await?;
        let license = renew(&mut tx, &terms, &seat, signer, occasion).await?;
        tx.commit().await?;
        Ok(license)
    }

    /// Releases a seat whose machine is dead, lost or unwilling. The revocation is for the device, should it speak up;
    /// there is none if the device gave the seat up itself. Once more, it is the same one.
    ///
    /// Fails with [`ErrorKind::GivenUp`] when nothing is left to release.
    pub(crate) async fn force_release(
        &self,
        name: &SeatName,
        reason: &str,
        signer: &Signer,
        occasion: &Occasion,
    ) -> Result<(Seat, Option<Revocation>)> {
        let mut tx = self.begin().await?;
        let row = choose(&mut tx, name).await?;
        let Some(seat) = ledger::force_release(&row.seat, occasion.now) else {
            let revocation = row.revocation(&signer.roots)?;
            return match revocation {
                Some(revocation) => Ok((row.seat, Some(revocation))),
                None => Err(Failure::rule(ErrorKind::GivenUp, "release")),
            };
        };
        seats::update(&mut tx, &seat).await?;
        Entry::of_seat("released", Some(&row.seat), &seat).detail(reason).write(&mut tx, occasion).await?;
        let revocation = match seat.state {
            SeatState::Revoked => Some(signer.issuer.revocation(&seat, reason, occasion.now)?),
            _ => None,
        };
        if let Some(revocation) = &revocation {
            seats::set_revocation(&mut tx, &seat, revocation).await?;
        }
        tx.commit().await?;
        Ok((seat, revocation))
    }

    /// Returns a held seat to the pool.
    ///
    /// Fails with [`Failure::NotHeld`].
    pub(crate) async fn return_held(&self, name: &SeatName, occasion: &Occasion) -> Result<Seat> {
        let mut tx = self.begin().await?;
        let held = choose(&mut tx, name).await?.seat;
        let seat = match held.state {
            SeatState::Held => ledger::force_release(&held, occasion.now).ok_or(Failure::NotHeld)?,
            _ => return Err(Failure::NotHeld),
        };
        seats::update(&mut tx, &seat).await?;
        Entry::of_seat("held-returned", Some(&held), &seat).write(&mut tx, occasion).await?;
        tx.commit().await?;
        Ok(seat)
    }
}

/// None when codes came that are not judged yet. Whatever is refused for good is in the answer; what fails undoes all.
async fn activate(
    tx: &mut Tx,
    file: &ActivationFile,
    assigned: Option<LicenseId>,
    codes: &JudgedCodes,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<Option<Granted>> {
    let mut receipts = Vec::new();
    let mut given_up = None;
    for claim in &file.releases {
        match redemption::redeem_claim(tx, claim, signer, occasion).await {
            Ok(redeemed) => {
                given_up = redeemed.license_given_up(&file.request.device_key).or(given_up);
                receipts.extend(redeemed.into_receipt());
            }
            // Whoever floods the authority with releases must not stop activations. The device has no receipt
            // for this one, so it comes again.
            Err(Failure::TooManyAttempts) => {}
            // One that a rule refuses, such as a proof of a seat that was never here, frees nothing and spoils nothing.
            Err(Failure::Rule(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    let license = match redemption::judge_evidence(tx, file, codes, signer, occasion).await? {
        Judged::Unjudged => return Ok(None),
        Judged::Cancelled(receipt) => {
            receipts.push(receipt);
            Err(Failure::rule(ErrorKind::Cancelled, "activation"))
        }
        Judged::Nothing => {
            let lost = match lost_seats(tx, file, occasion).await {
                Err(Failure::Rule(refused)) => {
                    return Ok(Some(Granted { license: Err(refused.into()), receipts }));
                }
                lost => lost?,
            };
            let assigned = lost.first().map(|(seat, _)| seat.license_id).or(assigned);
            // The recovery before this one may have been granted and then taken back, because its answer was lost: what
            // it was granted comes along as given up, and what was lost is of the same license.
            let assigned = assigned.or(file.recovery.as_ref().and(given_up));
            for (_, recovered) in &lost {
                seats::update(tx, recovered).await?;
            }
            let license = answer(tx, file, assigned, signer, occasion).await;
            for (seat, recovered) in &lost {
                match license {
                    Ok(_) => Entry::of_seat("lost", Some(seat), recovered).write(tx, occasion).await?,
                    // The seats are lost only if the request is granted in their place.
                    Err(_) => seats::update(tx, seat).await?,
                }
            }
            license
        }
    };
    match license {
        // A rule that refuses the request has nothing against the releases.
        Ok(_) | Err(Failure::Rule(_)) => Ok(Some(Granted { license, receipts })),
        Err(failure) => Err(failure),
    }
}

/// What a recovery takes back: the active seats of the license that the device was granted last, as they are and as they
/// would be. Nothing without a recovery, beside a license key, and for a request that is known: that was answered before, and
/// whatever the device holds by now came after its loss.
async fn lost_seats(tx: &mut Tx, file: &ActivationFile, occasion: &Occasion) -> Result<Vec<(Seat, Seat)>> {
    let request = &file.request;
    if file.recovery.is_none()
        || !request.license_key.is_empty()
        || seats::find(tx, request.handle, &request.device_key).await?.is_some()
    {
        return Ok(Vec::new());
    }
    let held = seats::active_of(tx, &request.device_key).await?;
    let license = held.first().map(|seat| seat.license_id);
    let claim = Claim::from(request);
    let mut lost = Vec::new();
    for seat in held.into_iter().filter(|seat| Some(seat.license_id) == license) {
        let terms = terms_of(tx, &seat).await?;
        let recovered = ledger::recover(&terms, &seat, &claim, occasion.now)?;
        lost.push((seat, recovered));
    }
    Ok(lost)
}

async fn answer(
    tx: &mut Tx,
    file: &ActivationFile,
    assigned: Option<LicenseId>,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<License> {
    let request = &file.request;
    let known = seats::find(tx, request.handle, &request.device_key).await?;
    let terms = match (&known, KeyText::new(&request.license_key), assigned) {
        // What a seat was granted under does not change with a second look at the key.
        (Some(row), ..) => terms_of(tx, &row.seat).await?,
        (None, Some(key), _) => licenses::find_by_key(tx, &key).await?.ok_or_else(licenses::unknown)?,
        (None, None, Some(id)) => licenses::find(tx, id).await?.ok_or_else(licenses::unknown)?,
        (None, None, None) if file.recovery.is_some() => {
            return Err(Failure::rule(ErrorKind::UnknownSeat, "recovery"));
        }
        (None, None, None) => return Err(licenses::unknown()),
    };
    let usage = licenses::usage(tx, terms.id).await?;
    let held = seats::held(tx, terms.id, &request.device_key).await?;
    let known_seat = known.as_ref().map(|row| &row.seat);
    let claim = Claim::from(request);
    match ledger::activate(&terms, usage, known_seat, held.as_ref(), &claim, random()?, occasion.now)? {
        Activation::Granted { seat, instead_of } => {
            let license =
                signer.issuer.license(&terms, &seat, terms.deactivations_left(usage), occasion.now)?;
            if let (Some(returned), Some(held)) = (&instead_of, &held) {
                seats::update(tx, returned).await?;
                Entry::of_seat("held-taken-over", Some(held), returned).write(tx, occasion).await?;
            }
            seats::insert(tx, &seat, request).await?;
            seats::set_license(tx, &seat, &license).await?;
            Entry::of_seat("granted", None, &seat).write(tx, occasion).await?;
            Ok(license)
        }
        Activation::Repeated(seat) => {
            let issued = match known {
                Some(row) => row.license(&signer.roots)?,
                None => None,
            };
            match issued.filter(|license| is_of_use(license, occasion)) {
                Some(license) => Ok(license),
                None => renew(tx, &terms, &seat, signer, occasion).await,
            }
        }
    }
}

/// Whether a device could still install a license that was issued before, and would not have to renew it at once.
fn is_of_use(license: &License, occasion: &Occasion) -> bool {
    license.renew_after.is_none_or(|time| occasion.now < time)
        && license.certificate().is_none_or(|certificate| occasion.now <= certificate.not_after)
}

async fn renew(
    tx: &mut Tx,
    terms: &LicenseTerms,
    seat: &Seat,
    signer: &Signer,
    occasion: &Occasion,
) -> Result<License> {
    let renewed = ledger::renew(terms, seat, None, random()?, occasion.now)?;
    let usage = licenses::usage(tx, terms.id).await?;
    let license = signer.issuer.license(terms, &renewed, terms.deactivations_left(usage), occasion.now)?;
    seats::update(tx, &renewed).await?;
    seats::set_license(tx, &renewed, &license).await?;
    Entry::of_seat("renewed", Some(seat), &renewed).write(tx, occasion).await?;
    Ok(license)
}

/// The terms of a seat's license. A request that was cancelled with an unknown license key has none; the rules ask for
/// terms all the same, and get some that grant nothing.
pub(super) async fn terms_of(tx: &mut Tx, seat: &Seat) -> Result<LicenseTerms> {
    match licenses::real(seat.license_id) {
        Some(id) => licenses::find(tx, id).await?.ok_or_else(licenses::unknown),
        None => Ok(LicenseTerms::new(LicenseId::NONE, "", 0, seat.granted)),
    }
}

async fn choose(tx: &mut Tx, name: &SeatName) -> Result<SeatRow> {
    let mut rows = seats::of_handle(tx, name.handle).await?;
    rows.retain(|row| name.device.is_none_or(|device| device == row.seat.device_key));
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => Err(Failure::AmbiguousSeat),
        (None, _) => Err(Failure::rule(ErrorKind::UnknownSeat, "seat")),
    }
}

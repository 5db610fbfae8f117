//! The vendor deactivates a license: every seat of it that is taken, in one act. Its key stays, so the customer
//! activates again.

use nodelock::{
    CLOCK_TOLERANCE, ErrorKind, LicenseId, Revocation, Timestamp,
    authority::{
        Found, Query, Records, Seat, SeatName, SeatState,
        decision::{self, Moment, Ruling},
    },
};

use super::{
    Service,
    driver::{Act as Deciding, Settled},
    permit::On,
    selling::Place,
    unknown_ruling,
};
use crate::{
    domain::{
        Occasion, days_before,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// How many seats are given up in one transaction, so that devices need not wait for many.
const AT_ONCE: u32 = 200;
/// For how long a call that broke off is gone on with by the same once more.
const UNFINISHED_DAYS: u32 = 2;

/// A seat before it was released. There may be very many, so it is what people are told of it and no more.
pub(crate) struct Before {
    pub(crate) name: SeatName,
    pub(crate) label: String,
    pub(crate) contact: Timestamp,
    /// Until when its device goes on; none for ever. That of a seat that is held went on until it gave the seat up.
    pub(crate) until: Option<Timestamp>,
}

impl From<&Seat> for Before {
    fn from(seat: &Seat) -> Self {
        let is_held = seat.state() == SeatState::Held;
        Self {
            name: seat.name(),
            label: seat.label().to_owned(),
            contact: seat.contact(),
            until: if is_held { Some(seat.changed()) } else { seat.ends() },
        }
    }
}

/// What became of one seat, or would.
pub(crate) struct Deactivated {
    pub(crate) before: Before,
    /// The state of the seat now with its revocation, or why it stays as it is: its device was faster, say.
    pub(crate) now: Result<(SeatState, Option<Revocation>)>,
}

/// What became of a license, or would.
pub(crate) struct DeactivatedLicense {
    pub(crate) seats: Vec<Deactivated>,
    /// How many are still taken: those that were granted meanwhile, and after a dry run all of them.
    pub(crate) taken: u64,
    /// How many requests for approval are forgotten.
    pub(crate) requests: u64,
    /// How many rows of what was refused are forgotten.
    pub(crate) refusals: u64,
}

impl DeactivatedLicense {
    /// Fails with [`ErrorKind::GivenUp`] where nothing is to be done.
    fn some(self, license: LicenseId) -> Result<Self> {
        if !self.seats.is_empty() || self.requests > 0 || self.refusals > 0 {
            return Ok(self);
        }
        let text = format!(
            "license {license} has no seat that is taken, no request and nothing that was refused, so there is nothing \
             to deactivate"
        );
        Err(Failure::rule(ErrorKind::GivenUp, text))
    }
}

impl Service {
    /// Releases every seat of a license that is taken, and forgets what was refused of it and what waits for approval.
    /// Returns what became of each. `notice` is for the customer.
    ///
    /// Up to 200 seats are released in one transaction, and no more than were taken when it began: a seat that is
    /// granted meanwhile stays. The same once more goes on with what a call that broke off left, and returns what that
    /// released, too. `hand_over` is told what it comes to, in the last transaction.
    ///
    /// Fails as `hand_over` does, with `ErrorKind::UnknownLicense`, and with [`ErrorKind::GivenUp`] when no seat is
    /// taken and nothing is to be forgotten.
    pub(crate) async fn deactivate(
        &self,
        license: LicenseId,
        notice: &str,
        hand_over: impl FnOnce(&DeactivatedLicense) -> Result<()>,
        occasion: &Occasion,
    ) -> Result<DeactivatedLicense> {
        let occasion = &self.permit(occasion, Act::Release, On::License(license)).await?.one_of_many();
        self.deactivate_by(AT_ONCE, license, (notice, hand_over), occasion).await
    }

    async fn deactivate_by(
        &self,
        at_once: u32,
        license: LicenseId,
        (notice, hand_over): (&str, impl FnOnce(&DeactivatedLicense) -> Result<()>),
        occasion: &Permit<'_>,
    ) -> Result<DeactivatedLicense> {
        // A server whose clock is ahead may have granted one.
        let until = occasion.time.plus(CLOCK_TOLERANCE);
        let mut deactivated = Vec::new();
        let mut tx = self.database.read().await?;
        known(&mut tx, license).await?;
        let mut left = store::count_taken_seats_of(&mut tx, license).await?;
        let mut before = unfinished(&mut tx, license, notice, occasion).await?;
        drop(tx);
        while !before.is_empty() {
            let rest = before.split_off(before.len().min(at_once as usize));
            deactivated.extend(self.release_all(before, license, notice, occasion).await?);
            before = rest;
        }
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX).min(at_once);
            let mut tx = self.database.read().await?;
            let seats = store::taken_seats_of(&mut tx, license, until, None, most).await?;
            drop(tx);
            if seats.is_empty() {
                break;
            }
            let found = seats.len();
            deactivated.extend(self.release_all(seats, license, notice, occasion).await?);
            // What is over is not found again, whoever ended it.
            left = left.saturating_sub(found as u64);
            if left > 0 {
                self.make_way().await;
            }
        }
        let released = deactivated.iter().filter(|seat| seat.now.is_ok()).count();
        // Before the license is locked: there may be very many, and its devices would wait for that.
        let taken = store::count_taken_seats_of(&mut self.database.read().await?, license).await?;
        let mut tx = self.database.write().await?;
        store::lock_license(&mut tx, license).await?;
        let refusals = store::forget_refusals_of_license(&mut tx, license).await?;
        let requests = store::forget_approvals_of(&mut tx, license).await?;
        let deactivated =
            DeactivatedLicense { seats: deactivated, taken, requests, refusals }.some(license)?;
        hand_over(&deactivated)?;
        let forgotten = [(requests, "requests"), (refusals, "refusals")].into_iter();
        let forgotten = forgotten.filter(|(count, _)| *count > 0);
        let detail = forgotten
            .fold(format!("{released} seats"), |detail, (count, what)| detail + &format!(", {count} {what}"));
        let line = AuditLine { action: "license-deactivated", license: Some(license), detail: &detail };
        match released {
            0 => line.write_untold(&mut tx, notice, occasion).await?,
            _ => line.write_about(&mut tx, notice, occasion).await?,
        }
        tx.commit().await?;
        Ok(deactivated)
    }

    /// What [`deactivate`](Self::deactivate) would come to now. It changes nothing, and fails as that does.
    pub(crate) async fn foresee_deactivation(
        &self,
        license: LicenseId,
        occasion: &Occasion,
    ) -> Result<DeactivatedLicense> {
        let occasion = self.permit(occasion, Act::Release, On::License(license)).await?;
        self.foresee_by(AT_ONCE, license, &occasion).await
    }

    async fn foresee_by(
        &self,
        at_once: u32,
        license: LicenseId,
        occasion: &Permit<'_>,
    ) -> Result<DeactivatedLicense> {
        let mut tx = self.database.read_list().await?;
        known(&mut tx, license).await?;
        let until = occasion.time.plus(CLOCK_TOLERANCE);
        let foreseen = |seat: &Seat| {
            // A seat that is held was given up by its device, so there is nobody to tell.
            let is_held = seat.state() == SeatState::Held;
            let state = if is_held { SeatState::Returned } else { SeatState::Revoked };
            Deactivated { before: seat.into(), now: Ok((state, None)) }
        };
        let (mut seats, mut last) = (Vec::new(), None);
        loop {
            let page = store::taken_seats_of(&mut tx, license, until, last.as_ref(), at_once).await?;
            seats.extend(page.iter().map(foreseen));
            last = page.into_iter().last();
            if last.is_none() {
                break;
            }
        }
        let foreseen = DeactivatedLicense {
            seats,
            taken: store::count_taken_seats_of(&mut tx, license).await?,
            requests: store::count_approvals_of(&mut tx, license).await?,
            refusals: store::count_refusals_of_license(&mut tx, license).await?,
        };
        foreseen.some(license)
    }

    /// Releases seats in one transaction.
    async fn release_all(
        &self,
        seats: Vec<Seat>,
        license: LicenseId,
        notice: &str,
        occasion: &Permit<'_>,
    ) -> Result<Vec<Deactivated>> {
        let acts: Vec<_> = seats.iter().map(|seat| releasing(seat, notice)).collect();
        let acts: Vec<&Deciding<'_>> = acts.iter().map(|act| act as &Deciding<'_>).collect();
        let places = self.places(&Place::License(license)).await?;
        let selling = places.first().ok_or_else(unknown_ruling)?;
        let settled = self.decide_together(&acts, selling, occasion).await?;
        let both = seats.into_iter().zip(settled);
        both.map(|(before, settled)| Ok(Deactivated { before: (&before).into(), now: released(settled)? }))
            .collect()
    }
}

/// Fails with `ErrorKind::UnknownLicense`.
async fn known(tx: &mut Tx, license: LicenseId) -> Result<()> {
    let product = store::product_of_license(tx, license).await?;
    product.map(drop).ok_or_else(|| Failure::unknown_license(license))
}

/// The seats that the same person released with the same notice since the license was deactivated last: a call that
/// broke off did that, and its caller has not heard of them.
async fn unfinished(
    tx: &mut Tx,
    license: LicenseId,
    notice: &str,
    occasion: &Permit<'_>,
) -> Result<Vec<Seat>> {
    let since = days_before(occasion.time, UNFINISHED_DAYS);
    let mut seats = Vec::new();
    for name in store::released_since(tx, license, (notice, &occasion.actor.to_string()), since).await? {
        if let Found::Seats(found) = store::find(tx, &Query::SeatsOfHandle(name.handle)).await? {
            let is_meant = |seat: &Seat| seat.name() == name && seat.state() == SeatState::Revoked;
            seats.extend(found.into_iter().filter(is_meant));
        }
    }
    Ok(seats)
}

/// What became of one seat: that it is over already is an outcome, and everything else fails the act.
fn released(settled: Result<Settled>) -> Result<Result<(SeatState, Option<Revocation>)>> {
    match settled {
        Ok(Settled { ruling: Ruling::Revoked(seat) | Ruling::Returned(seat), reply }) => {
            Ok(Ok((seat.state(), reply.revocation)))
        }
        Ok(_) => Err(unknown_ruling()),
        Err(Failure::Rule(error)) if error.kind() == ErrorKind::GivenUp => Ok(Err(error.into())),
        Err(failure) => Err(failure),
    }
}

/// The release of one seat, as the driver decides it.
fn releasing<'a>(
    seat: &Seat,
    notice: &'a str,
) -> impl Fn(&Records, &Moment) -> Result<decision::Step, decision::Refusal> + Send + Sync + use<'a> {
    let name = seat.name();
    move |records, moment| decision::release(name, notice, records, moment)
}

#[cfg(test)]
mod tests {
    use nodelock::{Reason, authority::ApprovalPolicy};

    use super::*;
    use crate::{
        domain::{
            Said, SeatChoice,
            filter::{Filter, List},
            rights,
        },
        service::{
            Changing, edit,
            fixture::{Authority, claim, now, stranger, vendor},
            licenses, verify,
        },
    };

    async fn license_of_all(authority: &Authority) -> LicenseId {
        let mut found = None;
        let look = |row: Result<crate::domain::LicenseRow>| {
            found = Some(row?.license.terms.id);
            Ok(())
        };
        licenses(authority.service.database(), Filter::all(List::Licenses), &vendor(), look).await.unwrap();
        found.unwrap()
    }

    async fn is_sound(authority: &Authority) {
        let verified =
            verify(authority.service.database(), &authority.path("keys"), &vendor()).await.unwrap();
        assert_eq!(verified.found, 0, "{:?}", verified.findings);
    }

    fn kind(failure: Failure) -> ErrorKind {
        match failure {
            Failure::Rule(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn every_seat_of_a_license_is_over_in_one_act_and_its_key_activates_again() {
        let authority = Authority::new().await;
        let key = authority.sell(3).await;
        let license = license_of_all(&authority).await;
        let nothing = authority.service.deactivate(license, "gone", |_| Ok(()), &vendor()).await.map(drop);
        assert_eq!(kind(nothing.unwrap_err()), ErrorKind::GivenUp);
        let devices = [authority.activated(&key).await, authority.activated(&key).await];
        let done = authority
            .service
            .deactivate(license, "sold with the company", |_| Ok(()), &vendor())
            .await
            .unwrap();
        let DeactivatedLicense { seats: done, taken: 0, requests: 0, refusals: 0 } = done else {
            panic!("{}", done.taken)
        };
        let mut handles: Vec<_> = done.iter().map(|seat| seat.before.name.handle).collect();
        handles.sort();
        let mut of_devices: Vec<_> =
            devices.iter().map(|device| device.check().unwrap().license().unwrap().handle).collect();
        of_devices.sort();
        assert_eq!(handles, of_devices);
        for seat in &done {
            let (now, revocation) = seat.now.as_ref().unwrap();
            assert!(*now == SeatState::Revoked && revocation.is_some());
        }
        // Each seat can be taken back by itself, and a new machine finds a free one.
        let choice = SeatChoice { handle: handles[0], device: None };
        authority.service.unrelease(choice, &vendor()).await.unwrap();
        authority.activated(&key).await;
        authority.activated(&key).await;
        assert!(authority.actions().await.contains(&"license-deactivated".to_owned()));
        is_sound(&authority).await;
        let unknown =
            authority.service.deactivate(LicenseId::NONE, "gone", |_| Ok(()), &vendor()).await.map(drop);
        assert_eq!(kind(unknown.unwrap_err()), ErrorKind::UnknownLicense);
    }

    #[tokio::test]
    async fn a_license_without_a_seat_forgets_what_waits_and_what_was_refused() {
        let authority = Authority::new().await;
        let key = authority.sell_with(1, |terms| terms.approval = ApprovalPolicy::Required).await;
        let license = license_of_all(&authority).await;
        let service = &authority.service;
        let request = authority.device().begin(&*key).unwrap().to_bytes();
        let ask = async || authority.activate(&request, &stranger(1)).await.unwrap().license.is_err();
        assert!(ask().await);
        let other = authority.device().begin(&*key).unwrap().to_bytes();
        let said: Said = serde_json::from_str(r#"{"expires":1}"#).unwrap();
        let how = Changing::default();
        edit(service.database(), license, (&said, None), how, |_| Ok(()), &vendor()).await.unwrap();
        assert!(authority.activate(&other, &stranger(1)).await.unwrap().license.is_err());
        let before = authority.actions().await;
        let foreseen = service.foresee_deactivation(license, &vendor()).await.unwrap();
        assert_eq!((foreseen.seats.len(), foreseen.requests, foreseen.refusals), (0, 1, 1));
        assert_eq!(authority.actions().await, before);
        let done = service.deactivate(license, "gone", |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!((done.seats.len(), done.requests, done.refusals), (0, 1, 1));
        for nothing in [
            service.foresee_deactivation(license, &vendor()).await,
            service.deactivate(license, "gone", |_| Ok(()), &vendor()).await,
        ] {
            assert_eq!(kind(nothing.map(drop).unwrap_err()), ErrorKind::GivenUp);
        }
        is_sound(&authority).await;
    }

    #[tokio::test]
    async fn a_dry_run_tells_what_becomes_of_each_seat_and_changes_nothing() {
        let authority = Authority::new().await;
        let key = authority.sell_with(3, |terms| terms.deactivations = Some(1)).await;
        let license = license_of_all(&authority).await;
        authority.activated(&key).await;
        // The second one finds no deactivation left.
        for device in [authority.activated(&key).await, authority.activated(&key).await] {
            let proof = device.deactivate_offline(Reason::Moved).unwrap();
            authority.service.redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
        }
        let before = (authority.actions().await, authority.seats().await);
        let foreseen = authority.service.foresee_deactivation(license, &vendor()).await.unwrap();
        assert_eq!(foreseen.taken, 2);
        let states = |of: &DeactivatedLicense| {
            let mut states: Vec<_> = of.seats.iter().map(|seat| seat.now.as_ref().unwrap().0).collect();
            states.sort_by_key(|state| state.name());
            states
        };
        let expected = [SeatState::Returned, SeatState::Revoked];
        assert_eq!(states(&foreseen), expected);
        assert_eq!((authority.actions().await, authority.seats().await), before);
        // One whose device gave it up does not go on to the end of its lease.
        let is_held = |seat: &&Deactivated| seat.now.as_ref().unwrap().0 == SeatState::Returned;
        let held = foreseen.seats.iter().find(is_held).unwrap();
        assert!(held.before.until.unwrap() <= now(), "{:?}", held.before.until);
        let vendor = vendor();
        let permit = rights::ask(&vendor, Act::Release).unwrap().whole().unwrap();
        let by_one = authority.service.foresee_by(1, license, &permit).await.unwrap();
        let name = |seat: &Deactivated| seat.before.name;
        assert!(by_one.seats.iter().map(name).eq(foreseen.seats.iter().map(name)), "a seat on a page");
        let done = authority.service.deactivate(license, "gone", |_| Ok(()), &vendor).await.unwrap();
        assert_eq!(states(&done), expected, "it comes to what was foreseen");
    }

    #[tokio::test]
    async fn more_seats_than_one_transaction_takes_are_all_over() {
        let authority = Authority::new().await;
        let key = authority.sell(3).await;
        let license = license_of_all(&authority).await;
        authority.activated(&key).await;
        authority.activated(&key).await;
        authority.activated(&key).await;
        let vendor = vendor();
        let permit = rights::ask(&vendor, Act::Release).unwrap().whole().unwrap();
        let done = authority.service.deactivate_by(2, license, ("gone", |_| Ok(())), &permit).await;
        let done = done.unwrap();
        assert_eq!((done.seats.len(), done.taken), (3, 0));
        assert!(authority.seats().await.iter().all(|seat| seat.state() == SeatState::Revoked));
    }

    #[tokio::test]
    async fn the_same_after_it_broke_off_returns_what_was_released_before() {
        let authority = Authority::new().await;
        let key = authority.sell(3).await;
        let license = license_of_all(&authority).await;
        authority.activated(&key).await;
        authority.activated(&key).await;
        let service = &authority.service;
        let broke_off = |_: &DeactivatedLicense| Err(Failure::Usage("it broke off".into()));
        assert!(service.deactivate(license, "gone", broke_off, &vendor()).await.is_err());
        let other = service.deactivate(license, "another reason", |_| Ok(()), &vendor()).await.map(drop);
        assert_eq!(kind(other.unwrap_err()), ErrorKind::GivenUp);
        authority.activated(&key).await;
        let done = service.deactivate(license, "gone", |_| Ok(()), &vendor()).await.unwrap();
        assert!(done.seats.iter().all(|seat| matches!(seat.now, Ok((_, Some(_))))));
        assert_eq!((done.seats.len(), done.taken), (3, 0));
        let again = service.deactivate(license, "gone", |_| Ok(()), &vendor()).await.map(drop);
        assert_eq!(kind(again.unwrap_err()), ErrorKind::GivenUp);
        is_sound(&authority).await;
    }

    /// Two servers of one ledger: the clock of the one that granted is ahead.
    #[tokio::test]
    async fn a_seat_that_was_granted_by_a_clock_that_is_ahead_is_over_too() {
        let authority = Authority::new().await;
        let key = authority.sell(3).await;
        let license = license_of_all(&authority).await;
        authority.activated(&key).await;
        authority.activated(&key).await;
        let mut tx = authority.service.database().write().await.unwrap();
        store::run_script(&mut tx, "UPDATE seat SET granted = granted + 3600").await.unwrap();
        tx.commit().await.unwrap();
        let done = authority.service.deactivate(license, "gone", |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!((done.seats.len(), done.taken), (2, 0));
    }

    /// A device gives its seat up while the vendor takes it, and two of the vendor's people do the same at once.
    #[tokio::test]
    async fn of_two_at_once_one_ends_a_seat_and_the_other_is_told_that_it_is_over() {
        let authority = Authority::new().await;
        let key = authority.sell(2).await;
        let license = license_of_all(&authority).await;
        // One that lets a verification run while somebody else writes.
        let service = &authority.restarted(true).await;
        for _ in 0..4 {
            let device = authority.activated(&key).await;
            let proof = device.deactivate_offline(Reason::Moved).unwrap();
            let (claim, vendor) = (claim(proof.proof()), vendor());
            let choice = SeatChoice { handle: proof.handle(), device: None };
            let (given_up, released, deactivated) = tokio::join!(
                service.redeem_proof(&claim, &vendor),
                service.release(choice, "lost", &vendor),
                service.deactivate(license, "gone", |_| Ok(()), &vendor)
            );
            // The receipt comes in any case: the machine has lost its license.
            given_up.unwrap();
            let seat =
                authority.seats().await.into_iter().find(|seat| seat.handle() == proof.handle()).unwrap();
            match seat.state() {
                SeatState::Returned => {
                    assert_eq!(kind(released.map(drop).unwrap_err()), ErrorKind::GivenUp);
                    match deactivated {
                        Err(failure) => assert_eq!(kind(failure), ErrorKind::GivenUp),
                        Ok(done) => assert!(done.seats.iter().all(|seat| seat.now.is_err())),
                    }
                }
                SeatState::Revoked => assert!(released.is_ok() || deactivated.is_ok()),
                state => panic!("the seat is {state}"),
            }
            // Once it is over, nobody ends it again.
            let again = service.deactivate(license, "gone", |_| Ok(()), &vendor).await.map(drop);
            assert_eq!(kind(again.unwrap_err()), ErrorKind::GivenUp);
        }
        is_sound(&authority).await;
    }
}

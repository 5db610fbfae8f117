//! A license is stopped for now, or goes on, or ends for good.

use nodelock::{LicenseId, Timestamp, authority::LicenseTerms};

use super::{
    Database,
    edit::{Changing, finish, standing},
    permit::{On, permit},
    products::check_based_on,
};
use crate::{
    domain::{
        Occasion, Standing,
        rights::{Act, Permit},
    },
    failure::{Failure, Result},
    store::{self, AuditLine, Tx},
};

/// What a license that is stopped, goes on or ends has: whoever stops it has a look at that before.
#[derive(Debug)]
pub(crate) struct Halted {
    pub(crate) license: LicenseId,
    /// Whether it was otherwise before.
    pub(crate) changes: bool,
    pub(crate) seats: u32,
    /// How many of them are in use.
    pub(crate) taken: u32,
    /// Until when the last of their devices goes on; none where no seat is in use, and [`Timestamp::MAX`] for ever.
    pub(crate) until: Option<Timestamp>,
    /// How many requests wait for approval, or were approved or refused: they are forgotten, unless it goes on.
    pub(crate) requests: u64,
}

/// Stops a license for now, or lets it go on. What waits for approval of a license that is stopped is forgotten: its
/// devices ask again. A dry run changes nothing, and tells what it would come to.
///
/// `hand_over` is told what it comes to before a change is stored.
///
/// Fails with `ErrorKind::UnknownLicense`, with [`Failure::Void`] and [`Failure::Superseded`], and as `hand_over` does.
pub(crate) async fn set_suspended(
    database: &Database,
    id: LicenseId,
    (suspended, Changing { based_on, dry_run }): (bool, Changing),
    hand_over: impl FnOnce(&Halted) -> Result<()>,
    occasion: &Occasion,
) -> Result<Halted> {
    let act = if suspended { Act::Suspend } else { Act::Resume };
    let occasion = &permit(database, occasion, act, On::License(id)).await?;
    let mut tx = database.write().await?;
    let Standing { mut terms, version, .. } = standing(&mut tx, id).await?;
    check_based_on(based_on, version)?;
    let changes = terms.suspended != suspended;
    let requests = if suspended { store::count_approvals_of(&mut tx, id).await? } else { 0 };
    let halted = Halted { changes, requests, ..look_at(&mut tx, terms.clone()).await? };
    if changes && !dry_run {
        terms.suspended = suspended;
        store::set_terms(&mut tx, &terms, version.saturating_add(1), occasion).await?;
        if suspended {
            store::forget_approvals_of(&mut tx, id).await?;
        }
        hand_over(&halted)?;
        let action = if suspended { "license-suspended" } else { "license-resumed" };
        AuditLine { action, license: Some(id), detail: "" }.write(&mut tx, occasion).await?;
    }
    finish(tx, dry_run).await?;
    Ok(halted)
}

/// Ends a license for good: nothing is issued for it any more, and seats can still be given up. Devices go on to the
/// end of their leases. A dry run changes nothing, and tells what it would come to.
///
/// `hand_over` is told what it comes to before a change is stored. Fails with `ErrorKind::UnknownLicense`, with
/// [`Failure::Superseded`], and as `hand_over` does.
pub(crate) async fn void(
    database: &Database,
    id: LicenseId,
    (reason, Changing { based_on, dry_run }): (&str, Changing),
    hand_over: impl FnOnce(&Halted) -> Result<()>,
    occasion: &Occasion,
) -> Result<Halted> {
    let occasion = &permit(database, occasion, Act::Edit, On::License(id)).await?;
    let mut tx = database.write().await?;
    let halted = end_of(&mut tx, id, based_on).await?;
    if halted.changes && !dry_run {
        hand_over(&halted)?;
        end(&mut tx, id, reason, occasion).await?;
    }
    finish(tx, dry_run).await?;
    Ok(halted)
}

/// What it comes to that a license ends. Nobody else changes the license until the end of the transaction.
pub(super) async fn end_of(tx: &mut Tx, id: LicenseId, based_on: Option<u32>) -> Result<Halted> {
    let standing = store::terms_of(tx, id).await?.ok_or_else(|| Failure::unknown_license(id))?;
    check_based_on(based_on, standing.version)?;
    let requests = store::count_approvals_of(tx, id).await?;
    let changes = standing.voided.is_none();
    Ok(Halted { changes, requests, ..look_at(tx, standing.terms).await? })
}

async fn look_at(tx: &mut Tx, LicenseTerms { id, seats, .. }: LicenseTerms) -> Result<Halted> {
    let taken = match store::license_row_of(tx, id).await {
        Ok(row) => row.ok_or_else(|| Failure::unknown_license(id))?.license.usage.taken,
        // What is damaged is stopped all the same: its seats say themselves how many they are.
        Err(Failure::Damaged { .. }) => {
            u32::try_from(store::count_taken_seats_of(tx, id).await?).unwrap_or(u32::MAX)
        }
        Err(failure) => return Err(failure),
    };
    let until = store::last_end_of(tx, id).await?;
    Ok(Halted { license: id, changes: false, seats, taken, until, requests: 0 })
}

/// Ends a license that is not void.
pub(super) async fn end(tx: &mut Tx, id: LicenseId, reason: &str, occasion: &Permit<'_>) -> Result<()> {
    let Standing { mut terms, version, .. } = standing(tx, id).await?;
    // Decisions know that nothing is issued for a license that is suspended.
    terms.suspended = true;
    store::set_terms(tx, &terms, version.saturating_add(1), occasion).await?;
    store::set_void(tx, id, occasion).await?;
    store::forget_approvals_of(tx, id).await?;
    let line = AuditLine { action: "license-voided", license: Some(id), detail: "" };
    line.write_about(tx, reason, occasion).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::filter::{Filter, List},
        domain::{LicenseRow, RequestRow, Said},
        service::{
            edit,
            fixture::{Authority, stranger, vendor},
            licenses, requests,
        },
    };

    const DRY: Changing = Changing { based_on: None, dry_run: true };

    async fn license_of_all(authority: &Authority) -> LicenseRow {
        let mut found = None;
        let look = |row: Result<LicenseRow>| {
            found = Some(row?);
            Ok(())
        };
        licenses(authority.service.database(), Filter::all(List::Licenses), &vendor(), look).await.unwrap();
        found.unwrap()
    }

    async fn waiting(authority: &Authority) -> usize {
        let mut count = 0;
        let look = |row: Result<RequestRow>| row.map(|_| count += 1);
        requests(authority.service.database(), None, &vendor(), look).await.unwrap();
        count
    }

    /// Whoever stops it may do so because of what is damaged.
    #[tokio::test]
    async fn a_license_whose_counters_are_damaged_is_suspended_and_ends() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let key = authority.sell(3).await;
        let id = license_of_all(&authority).await.license.terms.id;
        authority.activated(&key).await;
        for damage in ["UPDATE license SET taken = 5000000000", "UPDATE license SET allowances = 'none'"] {
            database.damage(damage).await;
            for suspended in [true, false] {
                let done =
                    set_suspended(database, id, (suspended, Changing::default()), |_| Ok(()), &vendor())
                        .await
                        .unwrap();
                assert_eq!((done.changes, done.seats, done.taken), (true, 3, 1), "{damage}");
            }
        }
        let ended =
            void(database, id, ("refunded", Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!((ended.changes, ended.taken), (true, 1));
        assert!(store::is_void(&mut database.read().await.unwrap(), id).await.unwrap());
    }

    #[tokio::test]
    async fn a_dry_run_tells_what_goes_on_and_what_is_forgotten_and_changes_nothing() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let key = authority.sell_with(3, |terms| terms.lease_days = Some(30)).await;
        let id = license_of_all(&authority).await.license.terms.id;
        authority.activated(&key).await;
        let said: Said = serde_json::from_str(r#"{"approval":"required"}"#).unwrap();
        edit(database, id, (&said, None), Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
        let request = authority.device().begin(&*key).unwrap().to_bytes();
        assert!(authority.activate(&request, &stranger(1)).await.unwrap().license.is_err());
        let end = authority.seats().await[0].ends();
        let unchanged = async || {
            let row = license_of_all(&authority).await;
            (authority.actions().await, row.version, row.voided, waiting(&authority).await)
        };
        let before = unchanged().await;
        assert_eq!(before.3, 1);
        let tells =
            |halted: &Halted| (halted.changes, halted.seats, halted.taken, halted.until, halted.requests);
        let never = |_: &Halted| -> Result<()> { panic!("a dry run hands nothing over") };
        for act in 0..2 {
            let foreseen = match act {
                0 => set_suspended(database, id, (true, DRY), never, &vendor()).await.unwrap(),
                _ => void(database, id, ("refunded", DRY), never, &vendor()).await.unwrap(),
            };
            assert_eq!(tells(&foreseen), (true, 3, 1, end, 1));
            assert_eq!(unchanged().await, before);
        }
        let resumed = set_suspended(database, id, (false, DRY), never, &vendor()).await.unwrap();
        assert_eq!(tells(&resumed), (false, 3, 1, end, 0));
        let suspended =
            set_suspended(database, id, (true, Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!((tells(&suspended), waiting(&authority).await), ((true, 3, 1, end, 1), 0));
        let ended =
            void(database, id, ("refunded", Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(tells(&ended), (true, 3, 1, end, 0));
        let again = void(database, id, ("refunded", Changing::default()), never, &vendor()).await.unwrap();
        assert!(!again.changes && license_of_all(&authority).await.voided.is_some());
    }
}

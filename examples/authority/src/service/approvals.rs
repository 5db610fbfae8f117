//! Requests that wait for the vendor's approval.

use nodelock::{
    LicenseId,
    authority::{
        Approval,
        decision::{self, Ruling},
    },
};

use super::{
    Database, Service,
    permit::{On, permit},
    selling::Place,
    shown::{Shown, check_known},
    unknown_ruling,
};
use crate::{
    domain::{Occasion, RequestCursor, RequestRow, SeatChoice, rights::Act},
    failure::{Failure, Result},
    store::{self, RequestPages},
};

/// How many rows a page has while all are shown.
const PAGE: u32 = 500;

/// What the vendor says of a request.
#[derive(Clone, Copy)]
pub(crate) enum Word<'a> {
    Approve,
    /// Why, for the customer; may be empty.
    Refuse(&'a str),
}

impl Service {
    /// Approves a request, or refuses it. Fails as [`decision::approve`] and [`decision::refuse_request`] do, and with
    /// [`Failure::AmbiguousSeat`].
    pub(crate) async fn rule(
        &self,
        choice: SeatChoice,
        word: Word<'_>,
        occasion: &Occasion,
    ) -> Result<Approval> {
        let row = chosen(&self.database, choice).await;
        let permit = self.permit(occasion, Act::Approve, on(&row)).await;
        let occasion = &permit.map_err(|failure| hidden(failure, choice))?;
        let approval = row?.approval;
        let (name, license) = (approval.name(), approval.license_id());
        let act = |records: &_, moment: &_| match word {
            Word::Approve => decision::approve(name, records, moment),
            Word::Refuse(reason) => decision::refuse_request(name, reason, records, moment),
        };
        match self.decide(&act, &Place::License(license), occasion).await?.ruling {
            Ruling::Ruled(approval) => Ok(*approval),
            _ => Err(unknown_ruling()),
        }
    }
}

/// A request by its handle. Fails with `ErrorKind::UnknownSeat` and [`Failure::AmbiguousSeat`].
pub(crate) async fn request(
    database: &Database,
    choice: SeatChoice,
    occasion: &Occasion,
) -> Result<RequestRow> {
    let row = chosen(database, choice).await;
    let permit = permit(database, occasion, Act::ShowSeats, on(&row)).await;
    permit.map_err(|failure| hidden(failure, choice))?;
    row
}

/// The request that a person means.
async fn chosen(database: &Database, choice: SeatChoice) -> Result<RequestRow> {
    let requests = store::requests_of_handle(&mut database.read().await?, choice.handle).await?;
    let is_chosen =
        |row: &RequestRow| choice.device.is_none_or(|device| device == row.approval.name().device_key);
    let mut requests = requests.into_iter().filter(is_chosen);
    match (requests.next(), requests.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => Err(Failure::AmbiguousSeat),
        (None, _) => Err(Failure::unknown_seat(choice.handle)),
    }
}

/// What an act about a request is about.
fn on(row: &Result<RequestRow>) -> On<'static> {
    row.as_ref().map_or(On::Each, |row| On::License(row.approval.license_id()))
}

/// What is out of reach is not there, whatever license it is of.
fn hidden(failure: Failure, choice: SeatChoice) -> Failure {
    match failure {
        Failure::Rule(_) => Failure::unknown_seat(choice.handle),
        failure => failure,
    }
}

/// Shows the requests of a license, or all of them as far as they are within reach, those first that changed longest
/// ago. One that is damaged fails alone.
///
/// Fails with `ErrorKind::UnknownLicense`.
pub(crate) async fn requests(
    database: &Database,
    license: Option<LicenseId>,
    occasion: &Occasion,
    mut show: impl FnMut(Result<RequestRow>) -> Result<()>,
) -> Result<()> {
    let on = license.map_or(On::Each, On::License);
    let permit = permit(database, occasion, Act::ShowSeats, on).await?;
    let mut tx = database.read().await?;
    check_known(&mut tx, license).await?;
    let (mut pages, mut shown) = (RequestPages::after(license, None, PAGE), Shown::by(&permit));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(());
        }
        for row in page {
            if shown.has(&mut tx, license_of(&row)).await? {
                show(row)?;
            }
        }
    }
}

/// The same after one, at most `most`. Fails for a record that is damaged, too.
pub(crate) async fn requests_after(
    database: &Database,
    license: Option<LicenseId>,
    after: Option<&RequestCursor>,
    most: u32,
    occasion: &Occasion,
) -> Result<Vec<RequestRow>> {
    let on = license.map_or(On::Each, On::License);
    let permit = permit(database, occasion, Act::ShowSeats, on).await?;
    let (mut tx, mut pages) = (database.read_list().await?, RequestPages::after(license, after, most));
    check_known(&mut tx, license).await?;
    let (mut found, mut shown) = (Vec::new(), Shown::by(&permit));
    loop {
        let page = pages.next(&mut tx).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in page {
            if !shown.has(&mut tx, license_of(&row)).await? {
                continue;
            }
            found.push(row?);
            if found.len() >= most as usize {
                return Ok(found);
            }
        }
    }
}

fn license_of(row: &Result<RequestRow>) -> Option<LicenseId> {
    row.as_ref().ok().map(|row| row.approval.license_id())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nodelock::{
        Client, ErrorKind,
        authority::{ApprovalPolicy, ApprovalState},
        code::Handle,
    };

    use super::*;
    use crate::{
        domain::{
            Actor, Bearer, Said, Who,
            filter::{Filter, List},
            rights::Role,
        },
        service::{
            Changing, edit,
            fixture::{Authority, address, now, stranger, vendor},
            licenses, set_suspended, verify, void,
        },
    };

    /// The key of a license of so many seats whose activations wait.
    async fn sold(authority: &Authority, seats: u32) -> String {
        authority.sell_with(seats, |terms| terms.approval = ApprovalPolicy::Required).await
    }

    async fn license_of_all(authority: &Authority) -> LicenseId {
        let mut found = None;
        let look = |row: Result<crate::domain::LicenseRow>| {
            found = Some(row?.license.terms.id);
            Ok(())
        };
        licenses(authority.service.database(), Filter::all(List::Licenses), &vendor(), look).await.unwrap();
        found.unwrap()
    }

    /// What a stranger's request is refused with; none if it was granted.
    async fn refused(authority: &Authority, request: &[u8]) -> Option<ErrorKind> {
        let answer = authority.activate(request, &stranger(1)).await.unwrap();
        answer.license.err().map(|failure| match failure {
            Failure::Rule(error) => error.kind(),
            other => panic!("{other:?}"),
        })
    }

    /// A device that has asked, with its request and the handle.
    async fn asked(authority: &Authority, key: &str) -> (Client, Vec<u8>, SeatChoice) {
        let device = authority.device();
        let pending = device.begin(authority.named_request(key, "desk")).unwrap();
        let (handle, request): (Handle, _) = (pending.request().handle, pending.to_bytes());
        assert_eq!(refused(authority, &request).await, Some(ErrorKind::ApprovalWanted));
        (device, request, SeatChoice { handle, device: None })
    }

    async fn states(authority: &Authority) -> Vec<ApprovalState> {
        let mut states = Vec::new();
        let look = |row: Result<RequestRow>| row.map(|row| states.push(row.approval.state()));
        requests(authority.service.database(), None, &vendor(), look).await.unwrap();
        states.sort_by_key(|state| state.name());
        states
    }

    async fn is_sound(authority: &Authority) {
        let verified =
            verify(authority.service.database(), &authority.path("keys"), &vendor()).await.unwrap();
        assert_eq!(verified.found, 0, "{:?}", verified.findings);
    }

    #[tokio::test]
    async fn a_request_is_kept_once_until_it_is_approved_and_granted() {
        let authority = Authority::new().await;
        let key = sold(&authority, 2).await;
        let (device, request, choice) = asked(&authority, &key).await;
        assert_eq!(refused(&authority, &request).await, Some(ErrorKind::ApprovalWanted));
        let row = super::request(authority.service.database(), choice, &vendor()).await.unwrap();
        assert_eq!((row.approval.label(), &*row.peer), ("desk", "0.0.0.1"));
        assert_eq!(states(&authority).await, [ApprovalState::Waiting]);
        is_sound(&authority).await;
        for _ in 0..2 {
            let approval = authority.service.rule(choice, Word::Approve, &vendor()).await.unwrap();
            assert_eq!(approval.state(), ApprovalState::Approved);
        }
        is_sound(&authority).await;
        assert_eq!(refused(&authority, &request).await, None);
        let activated = authority.activate(&request, &stranger(1)).await.unwrap();
        device.accept(activated.license.unwrap().as_bytes()).unwrap();
        assert_eq!(states(&authority).await, []);
        // One is refused, and hears so; one is cancelled while it waits.
        let (_, request, choice) = asked(&authority, &key).await;
        authority.service.rule(choice, Word::Refuse("not this one"), &vendor()).await.unwrap();
        assert_eq!(refused(&authority, &request).await, Some(ErrorKind::RequestRefused));
        let (device, _, _) = asked(&authority, &key).await;
        assert_eq!(states(&authority).await, [ApprovalState::Refused, ApprovalState::Waiting]);
        let claim = nodelock::authority::ReleaseClaim::read(&device.cancel().unwrap().to_bytes()).unwrap();
        authority.service.redeem_proof(&claim, &stranger(1)).await.unwrap();
        assert_eq!(states(&authority).await, [ApprovalState::Refused]);
        let mut actions = authority.actions().await;
        actions.retain(|action| action.starts_with("request-"));
        let ruled = ["request-approved", "request-waiting", "request-refused", "request-waiting"];
        assert_eq!(actions, [&["request-waiting"], &ruled[..]].concat());
        is_sound(&authority).await;
    }

    #[tokio::test]
    async fn a_list_looks_up_each_license_once() {
        let authority = Authority::new().await;
        let key = sold(&authority, 3).await;
        for _ in 0..3 {
            asked(&authority, &key).await;
        }
        let database = authority.service.database();
        let who = Who::Account { name: "jane".into(), role: Role::Reseller };
        let bearer = Bearer::new(who, address(1), Arc::default());
        let jane = Occasion { time: now(), actor: Actor::Bearer(Arc::new(bearer)) };
        drop(store::twice::take());
        requests(database, None, &jane, |_| panic!("it is another seller's")).await.unwrap();
        assert!(requests_after(database, None, None, 9, &jane).await.unwrap().is_empty());
        assert_eq!(store::twice::take(), [""; 0]);
    }

    #[tokio::test]
    async fn what_is_granted_without_approval_waits_no_more() {
        let authority = Authority::new().await;
        let key = sold(&authority, 1).await;
        let (_, request, choice) = asked(&authority, &key).await;
        authority.service.rule(choice, Word::Approve, &vendor()).await.unwrap();
        let said: Said = serde_json::from_value(serde_json::json!({ "approval": "none" })).unwrap();
        let license = license_of_all(&authority).await;
        let how = Changing::default();
        edit(authority.service.database(), license, (&said, None), how, |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(refused(&authority, &request).await, None);
        assert_eq!(states(&authority).await, []);
        is_sound(&authority).await;
    }

    #[tokio::test]
    async fn deactivating_suspending_and_ending_a_license_forgets_what_waits() {
        let authority = Authority::new().await;
        let key = sold(&authority, 3).await;
        let license = license_of_all(&authority).await;
        let database = authority.service.database();
        let (device, request, choice) = asked(&authority, &key).await;
        authority.service.rule(choice, Word::Approve, &vendor()).await.unwrap();
        let activated = authority.activate(&request, &stranger(1)).await.unwrap();
        device.accept(activated.license.unwrap().as_bytes()).unwrap();

        let (_, request, choice) = asked(&authority, &key).await;
        authority.service.rule(choice, Word::Approve, &vendor()).await.unwrap();
        authority.service.deactivate(license, "sold", |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(states(&authority).await, []);
        assert_eq!(refused(&authority, &request).await, Some(ErrorKind::ApprovalWanted), "it waits anew");

        authority.service.rule(choice, Word::Approve, &vendor()).await.unwrap();
        set_suspended(database, license, (true, Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(states(&authority).await, []);
        set_suspended(database, license, (false, Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(refused(&authority, &request).await, Some(ErrorKind::ApprovalWanted), "it waits anew");

        void(database, license, ("refunded", Changing::default()), |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(states(&authority).await, []);
        let gone = authority.service.rule(choice, Word::Approve, &vendor()).await.map(drop).unwrap_err();
        assert!(matches!(gone, Failure::Rule(error) if error.kind() == ErrorKind::UnknownSeat));
        is_sound(&authority).await;
    }

    #[tokio::test]
    async fn a_license_is_had_no_more_once_its_seat_is_over() {
        let authority = Authority::new().await;
        let key = authority.sell(2).await;
        let license = license_of_all(&authority).await;
        let device = authority.device();
        let request = device.begin(&*key).unwrap().to_bytes();
        let granted = authority.activate(&request, &vendor()).await.unwrap().license.unwrap();
        device.accept(granted.as_bytes()).unwrap();
        let handle = granted.handle;
        let choice = SeatChoice { handle, device: None };
        authority.service.deactivate(license, "sold", |_| Ok(()), &vendor()).await.unwrap();
        assert_eq!(refused(&authority, &request).await, Some(ErrorKind::Revoked));
        let renewed = authority.service.renew(choice, &vendor()).await.map(drop).unwrap_err();
        assert!(matches!(renewed, Failure::Rule(error) if error.kind() == ErrorKind::Revoked));
        // No license is kept in the first place: each is signed when it is asked for. On PostgreSQL the ledger is no
        // file.
        if crate::store::tests::is_postgres() {
            return;
        }
        let folder = authority.path("");
        for file in ["authority.db", "authority.db-wal"] {
            let kept = std::fs::read(folder.join(file)).unwrap();
            let holds = |part: &[u8]| kept.windows(part.len()).any(|window| window == part);
            let text = granted.to_text();
            let line = text.lines().max_by_key(|line| line.len()).unwrap();
            let end = granted.as_bytes().len() - 32;
            assert!(!holds(&granted.as_bytes()[end..]) && !holds(line.as_bytes()), "{file}");
        }
    }
}

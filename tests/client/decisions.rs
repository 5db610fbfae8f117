//! Whoever forgets to look something up gets no decision: each act of the vendor's rule book, fed with too few records.

use crate::support::{
    vendor::{Device, MemoryLedger, START, Vendor},
    watched::{Nowhere, Watched},
};
use nodelock::{
    Client, ErrorKind, LicenseId, Page, Reason, Result, Store, SystemRandom,
    authority::{
        ActivationFile, Allowance, ApprovalPolicy, CheckInClaim, Found, PreflightClaim, Query, Records,
        ReleaseClaim, SeatState, TypedCode, Verification,
        decision::{self, Allow, Change, Decision, Ledger as _, Moment, Note, Refusal, Ruling, Step},
    },
    code::{DeactivationCode, Handle, ReleaseSecret},
};

type Act<'a> = &'a dyn Fn(&Records, &Moment) -> Result<Step, Refusal>;

/// Everything that a decision asked for, and the decision.
struct Asked {
    answers: Vec<(Query, Found)>,
    verifications: Vec<Verification>,
    decision: Box<Decision>,
}

fn moment(vendor: &Vendor) -> Moment {
    Moment { token: [7; 16], ..vendor.moment() }
}

fn records(answers: &[(Query, Found)], verifications: &[Verification]) -> Records {
    let mut records = Records::new();
    answers.iter().for_each(|(query, found)| records.add(*query, found.clone()).unwrap());
    records.run(verifications);
    records
}

/// Answers whatever is asked for, and stores nothing.
fn ask(ledger: &MemoryLedger, moment: &Moment, act: Act<'_>) -> Asked {
    let (mut answers, mut verifications) = (Vec::new(), Vec::new());
    loop {
        match act(&records(&answers, &verifications), moment).unwrap() {
            Step::Needs(lookup) => {
                assert!(
                    !lookup.queries.is_empty() || !lookup.verifications.is_empty(),
                    "it asks for nothing"
                );
                answers.extend(lookup.queries.into_iter().map(|query| (query, ledger.find(&query).unwrap())));
                verifications.extend(lookup.verifications);
            }
            Step::Decided(decision) if decision.verifications.is_empty() => {
                return Asked { answers, verifications, decision };
            }
            // The attempts are counted; now the code may be looked at.
            Step::Decided(decision) => verifications.extend(decision.verifications),
        }
    }
}

/// Leaves out each answer and then the verifications: what is missing is asked for again, and nothing is decided.
fn needs_all_of_it(vendor: &Vendor, what: &str, act: Act<'_>) -> Ruling {
    needs_all_of_it_at(&moment(vendor), vendor, what, act)
}

fn needs_all_of_it_at(moment: &Moment, vendor: &Vendor, what: &str, act: Act<'_>) -> Ruling {
    let asked = ask(&vendor.ledger, moment, act);
    assert!(!asked.answers.is_empty(), "{what}: nothing is asked for");
    for left_out in 0..asked.answers.len() {
        let mut answers = asked.answers.clone();
        let (query, _) = answers.remove(left_out);
        match act(&records(&answers, &asked.verifications), moment) {
            Ok(Step::Needs(lookup)) => assert_eq!(lookup.queries, [query], "{what}"),
            other => panic!("{what}: without {query:?} it comes to {other:?}"),
        }
    }
    for left_out in 0..asked.verifications.len() {
        let mut verifications = asked.verifications.clone();
        verifications.remove(left_out);
        match act(&records(&asked.answers, &verifications), moment) {
            Ok(Step::Needs(lookup)) => assert_eq!(lookup.verifications.len(), 1, "{what}"),
            // A code is tried again, at the price of an attempt.
            Ok(Step::Decided(decision)) => {
                assert!(matches!(decision.ruling, Ruling::Attempted), "{what}: {:?}", decision.ruling);
                assert!(decision.send.is_empty(), "{what}");
            }
            Err(refusal) => panic!("{what}: without a verification it comes to {refusal}"),
        }
    }
    asked.decision.ruling
}

/// The request that a call posts.
fn posted(device: &Device, call: impl Fn(&Client)) -> Vec<u8> {
    let watched = Watched::new(Nowhere);
    let authority = nodelock::Authority::new("https://licenses.example.com", watched.clone()).attempts(1);
    call(&device.builder().authority(authority).build().unwrap());
    watched.last().body["request"].as_str().unwrap().as_bytes().to_vec()
}

#[test]
fn an_activation_needs_its_license_seats_and_evidence() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let device = Device::activated(&mut vendor, "first");
    device.client().deactivate_offline(Reason::Moved).unwrap();
    // With a seat that comes along, and beside evidence that is another device's.
    let request = device.client().begin(vendor.license_key()).unwrap();
    let code = DeactivationCode::new(request.request().handle, ReleaseSecret::from_random([9; 8]));
    assert!(vendor.redeem_code(&code.to_string()).is_err());
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "activate", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");

    device.client().accept(&vendor.activate(&request.to_bytes()).unwrap()).unwrap();
    let ruling = needs_all_of_it(&vendor, "again", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Repeated(_)), "{ruling:?}");
}

#[test]
fn a_recovery_needs_what_the_device_held() {
    let mut vendor = Vendor::new();
    let folder = tempfile::tempdir().unwrap();
    let device = Device::with_store(&vendor, "first", Store::in_directory(folder.path(), None));
    device.activate(&mut vendor);
    std::fs::write(folder.path().join("state"), "damaged").unwrap();
    let request = device.client().recover_offline().unwrap();
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "recover", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");
}

#[test]
fn an_activation_that_is_approved_needs_its_approval_and_ruling_needs_the_request() {
    let mut vendor = Vendor::new();
    vendor.terms().approval = ApprovalPolicy::Required;
    let device = Device::new(&vendor, "first");
    let request = device.client().begin(vendor.license_key()).unwrap();
    let file = ActivationFile::read(&request.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "wait", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Refused(_)), "{ruling:?}");
    vendor.activate(&request.to_bytes()).unwrap_err();
    let name = request.request().into();
    let ruling = needs_all_of_it(&vendor, "refuse", &|r, m| decision::refuse_request(name, "no", r, m));
    assert!(matches!(ruling, Ruling::Ruled(_)), "{ruling:?}");
    let ruling = needs_all_of_it(&vendor, "approve", &|r, m| decision::approve(name, r, m));
    assert!(matches!(ruling, Ruling::Ruled(_)), "{ruling:?}");
    vendor.approve(request.request().handle).unwrap();
    let ruling = needs_all_of_it(&vendor, "approved", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");
}

#[test]
fn a_proof_needs_its_seat_its_license_and_its_signature() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "first");
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let claim = ReleaseClaim::read(given_up.proof()).unwrap();
    let ruling = needs_all_of_it(&vendor, "redeem", &|r, m| decision::redeem(&claim, r, m));
    assert!(matches!(ruling, Ruling::Released { changed: true, .. }), "{ruling:?}");
}

#[test]
fn a_cancellation_needs_to_know_that_there_is_no_such_seat() {
    let vendor = Vendor::new();
    let device = Device::new(&vendor, "first");
    device.client().begin(vendor.license_key()).unwrap();
    let cancelled = device.client().cancel().unwrap();
    let claim = ReleaseClaim::read(&cancelled.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "cancel", &|r, m| decision::redeem(&claim, r, m));
    assert!(matches!(ruling, Ruling::Released { changed: true, .. }), "{ruling:?}");
    // The proof alone is kept, which needs what is kept already.
    let claim = ReleaseClaim::read(cancelled.proof()).unwrap();
    let ruling = needs_all_of_it(&vendor, "keep", &|r, m| decision::redeem(&claim, r, m));
    assert!(matches!(ruling, Ruling::Kept(_)), "{ruling:?}");
}

#[test]
fn a_code_needs_its_seat_its_attempts_and_its_commitment() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "first");
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    let typed = TypedCode::read(&given_up.code().to_string()).unwrap();
    // What the attempts were does not matter any more once the verification has run.
    let moment = moment(&vendor);
    let asked = ask(&vendor.ledger, &moment, &|r, m| decision::redeem_code(&typed, r, m));
    assert!(matches!(asked.decision.ruling, Ruling::Released { changed: true, .. }));
    for left_out in 0..asked.answers.len() {
        let mut answers = asked.answers.clone();
        let (query, _) = answers.remove(left_out);
        let verifications = if matches!(query, Query::Attempts(_)) { &[][..] } else { &asked.verifications };
        match decision::redeem_code(&typed, &records(&answers, verifications), &moment) {
            Ok(Step::Needs(lookup)) => assert_eq!(lookup.queries, [query]),
            other => panic!("without {query:?} it comes to {other:?}"),
        }
    }
    // Without the verification there is an attempt, and nothing to send.
    let decided = decision::redeem_code(&typed, &records(&asked.answers, &[]), &moment).unwrap();
    let Step::Decided(decision) = decided else { panic!("{decided:?}") };
    assert!(matches!(decision.ruling, Ruling::Attempted));
    assert!(decision.send.is_empty() && decision.verifications.iter().all(Verification::is_slow));
    assert!(matches!(decision.store[..], [Change::Attempts(_, attempts)] if attempts.count() == 1));
}

#[test]
fn a_check_in_and_a_preflight_need_their_seat_its_license_and_a_signature() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "first");
    let request = posted(&device, |client| drop(client.check_in()));
    let claim = CheckInClaim::read(&request).unwrap();
    let ruling = needs_all_of_it(&vendor, "check in", &|r, m| decision::check_in(&claim, r, m));
    assert!(matches!(ruling, Ruling::Renewed(_)), "{ruling:?}");
    let request = posted(&device, |client| drop(client.deactivate(Reason::Moved)));
    let claim = PreflightClaim::read(&request).unwrap();
    let ruling = needs_all_of_it(&vendor, "preflight", &|r, m| decision::preflight(&claim, r, m));
    assert!(matches!(ruling, Ruling::Preflight { deactivations_left: None }), "{ruling:?}");
}

#[test]
fn a_note_and_what_heals_need_the_history_the_page_and_who_signed() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let device = Device::activated(&mut vendor, "first");
    let copy = vendor.ledger.clone();
    let outside = Some(vendor.page);
    vendor.note(Note { outside, ..Note::default() });
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    device.client().accept(vendor.redeem(given_up.proof()).unwrap().as_bytes()).unwrap();
    device.activate(&mut vendor);
    let outside = Some(vendor.page);
    vendor.ledger = copy;
    let note = Note { outside, ..Note::default() };
    let fresh = Moment { page: Page::generate(&SystemRandom).unwrap(), ..moment(&vendor) };
    let ruling = needs_all_of_it_at(&fresh, &vendor, "note", &|r, m| decision::note(&note, r, m));
    assert!(matches!(&ruling, Ruling::Noted(history) if history.gaps().len() == 1), "{ruling:?}");
    vendor.note(note);
    // A lost seat, and the phantom of the one before it.
    let file = device.client().check_in_offline().unwrap().to_bytes();
    let claim = CheckInClaim::read(&file).unwrap();
    let ruling = needs_all_of_it(&vendor, "heal", &|r, m| decision::check_in(&claim, r, m));
    assert!(matches!(ruling, Ruling::Renewed(_)), "{ruling:?}");
    let seats: Vec<_> = vendor.ledger.seats.values().map(|seat| seat.state()).collect();
    assert_eq!(seats, [SeatState::Active], "nothing was stored");
}

#[test]
fn what_the_vendor_does_needs_the_seat_and_a_license_for_a_license() {
    let mut vendor = Vendor::new();
    vendor.terms().deactivations = Some(0);
    let device = Device::activated(&mut vendor, "first");
    let name = vendor.seat(device.handle()).name();
    let ruling = needs_all_of_it(&vendor, "renew", &|r, m| decision::renew(name, r, m));
    assert!(matches!(ruling, Ruling::Renewed(_)), "{ruling:?}");
    let ruling = needs_all_of_it(&vendor, "release", &|r, m| decision::release(name, "lost", r, m));
    assert!(matches!(ruling, Ruling::Revoked(_)), "{ruling:?}");
    let mut released = vendor.clone();
    released.force_release(name.handle, "lost");
    let ruling = needs_all_of_it(&released, "take back", &|r, m| decision::unrelease(name, r, m));
    assert!(matches!(ruling, Ruling::Renewed(_)), "{ruling:?}");

    // A copy of the store from before may say once more that the seat is given up, whatever the allowance.
    let proof = device.client().deactivate_offline(Reason::Moved).unwrap_err();
    assert_eq!(proof.kind(), ErrorKind::DeactivationNotAllowed);
    vendor.terms().deactivations = None;
    device.client().accept(vendor.renew(device.handle()).as_bytes()).unwrap();
    vendor.terms().deactivations = Some(0);
    let given_up = device.client().deactivate_offline(Reason::Moved).unwrap();
    vendor.redeem(given_up.proof()).unwrap();
    assert_eq!(vendor.seat(name.handle).state(), SeatState::Held);
    let ruling = needs_all_of_it(&vendor, "return", &|r, m| decision::return_held(name, r, m));
    assert!(matches!(ruling, Ruling::Returned(_)), "{ruling:?}");
}

#[test]
fn a_trial_needs_all_that_its_machine_had() {
    let mut vendor = Vendor::new();
    vendor.sell(3);
    vendor.terms().trial_days = Some(14);
    let device = Device::activated(&mut vendor, "first");
    let other = Device::new(&vendor, "first").client().begin(vendor.license_key()).unwrap();
    let file = ActivationFile::read(&other.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "trial", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(&ruling, Ruling::Granted(seat) if seat.is_trial()), "{ruling:?}");
    let name = vendor.seat(device.handle()).name();
    let until = vendor.moment().now.plus_days(30);
    let ruling = needs_all_of_it(&vendor, "extend", &|r, m| decision::extend_trial(name, until, r, m));
    assert!(matches!(ruling, Ruling::Extended(_)), "{ruling:?}");
}

#[test]
fn an_allowance_needs_its_license() {
    let mut vendor = Vendor::new();
    vendor.terms().activations = Some(1);
    Device::activated(&mut vendor, "first");
    let license = vendor.terms().id;
    for allow in [Allow::Reset, Allow::Extra(2)] {
        let act = |r: &_, m: &_| decision::allow(license, Allowance::Activations, allow, "", r, m);
        let ruling = needs_all_of_it(&vendor, "allow", &act);
        let Ruling::Allowed(license) = ruling else { panic!("{ruling:?}") };
        assert!(license.left(Allowance::Activations, vendor.moment().now) > Some(0));
    }
}

#[test]
fn a_request_that_finds_no_seat_needs_all_that_it_is_refused_by() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "first");
    let seat = device.handle();
    let other = Device::new(&vendor, "other").client().begin(vendor.license_key()).unwrap();
    let file = ActivationFile::read(&other.to_bytes()).unwrap();
    let act = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    let ruling = needs_all_of_it(&vendor, "no seat", &act);
    assert!(matches!(&ruling, Ruling::Refused(refusal) if refusal.seats().is_some()), "{ruling:?}");
    // The customer chooses a seat for it, whose device has been silent for a week.
    vendor.clock.advance_days(7);
    let file = file.replacing(seat);
    let act = |records: &Records, moment: &Moment| decision::activate(&file, None, records, moment);
    let ruling = needs_all_of_it(&vendor, "replacing", &act);
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");
}

#[test]
fn a_customer_releases_a_seat_that_is_silent_as_often_as_the_license_allows() {
    let mut vendor = Vendor::new();
    vendor.sell(2);
    let [first, second] = ["first", "second"].map(|name| Device::activated(&mut vendor, name).handle());
    let license = vendor.terms().id;
    let release = |vendor: &mut Vendor, license, seat| {
        let moment = moment(vendor);
        let act = |records: &Records| decision::customer_release(license, seat, records, &moment);
        decision::settle(&mut vendor.ledger, act).map_err(|error| error.kind())
    };
    let refused = |decision: Result<Decision, ErrorKind>| decision.err();
    let not_allowed = Some(ErrorKind::DeactivationNotAllowed);
    assert_eq!(refused(release(&mut vendor, license, first)), not_allowed, "heard of this week");
    vendor.clock.advance_days(7);
    let another = vendor.another_license().terms().id;
    assert_eq!(refused(release(&mut vendor, another, first)), Some(ErrorKind::UnknownLicense));
    let nobodys = Handle::new(first.get() ^ second.get() ^ 1).unwrap();
    assert_eq!(refused(release(&mut vendor, license, nobodys)), Some(ErrorKind::UnknownSeat));

    let act = |r: &Records, m: &Moment| decision::customer_release(license, first, r, m);
    let ruling = needs_all_of_it(&vendor, "customer's release", &act);
    assert!(matches!(ruling, Ruling::Revoked(_)), "{ruling:?}");
    for changes in [2, 0] {
        let decision = release(&mut vendor, license, first).unwrap();
        assert_eq!((decision.store.len(), vendor.usage().taken), (changes, 1));
    }
    assert_eq!(refused(release(&mut vendor, license, second)), not_allowed, "once a year");
    assert_eq!(vendor.seat(second).state(), SeatState::Active);
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let mut vendor = Vendor::new();
    let device = Device::activated(&mut vendor, "first");
    let seat = vendor.seat(device.handle()).clone();
    let other = Query::SeatsOfHandle(Handle::new(seat.handle().get() ^ 1).unwrap());
    let mut records = Records::new();
    let refused = records.add(other, Found::Seats(vec![seat.clone()])).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    let refused = records.add(other, Found::CheckIn(None)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    // It was not taken either: the seat is asked for.
    let step = decision::renew(seat.name(), &records, &moment(&vendor)).unwrap();
    let Step::Needs(lookup) = step else { panic!("{step:?}") };
    assert_eq!(lookup.queries, [Query::SeatsOfHandle(seat.handle()), Query::History]);
}

/// The text of a deactivation file without the request that it cancels.
fn proof_alone(file: &str) -> &str {
    file.split("-----BEGIN NODELOCK ACTIVATION REQUEST").next().unwrap()
}

#[test]
fn evidence_that_comes_along_with_its_request_cancels_the_request() {
    let mut vendor = Vendor::new();
    let [device, another] = ["first", "second"].map(|name| Device::new(&vendor, name));
    let request = device.client().begin(vendor.license_key()).unwrap().to_text();
    another.client().begin(vendor.license_key()).unwrap();
    let [own, stray] = [&device, &another].map(|device| device.client().cancel().unwrap().to_text());
    // The proof without its request, twice, and that of a seat which nobody asked for, twice.
    let (own, stray) = (proof_alone(&own), proof_alone(&stray));
    let file = [&request, own, own, stray, stray].join("\n");
    let refused = vendor.activate(file.as_bytes()).unwrap_err();
    assert_eq!((refused.kind(), vendor.usage().taken), (ErrorKind::RequestCancelled, 0));
    let states: Vec<_> = vendor.ledger.seats.values().map(|seat| seat.state()).collect();
    assert_eq!(states, [SeatState::Cancelled]);
    // What was kept of the other one is there, once.
    let handle = another.client().outstanding().unwrap()[0].handle();
    let kept = vendor.ledger.find(&Query::EvidenceOf(handle)).unwrap();
    assert!(matches!(kept, Found::Evidence(evidence) if evidence.len() == 1));
}

#[test]
fn no_license_is_sold_under_the_id_that_stands_for_none() {
    let mut vendor = Vendor::new();
    vendor.set_license_id(LicenseId::NONE);
    assert_eq!(vendor.terms().validate().unwrap_err().kind(), ErrorKind::InvalidInput);
    let device = Device::new(&vendor, "first");
    let request = device.client().begin(vendor.license_key()).unwrap();
    assert_eq!(vendor.activate(&request.to_bytes()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_request_for_a_license_without_a_free_seat_needs_to_know_its_seats() {
    let mut vendor = Vendor::new();
    let before = Device::activated(&mut vendor, "machine");
    let again = Device::new(&vendor, "machine").client().begin(vendor.license_key()).unwrap();
    let file = ActivationFile::read(&again.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "join", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");
    vendor.activate(&again.to_bytes()).unwrap();
    let request = before.client().check_in_offline().unwrap();
    let claim = CheckInClaim::read(&request.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "take back", &|r, m| decision::check_in(&claim, r, m));
    assert!(matches!(ruling, Ruling::Renewed(_)), "{ruling:?}");

    vendor.clock.advance_days(7);
    let seat = vendor.ledger.seats.values().find(|seat| seat.state() == SeatState::Active).unwrap().handle();
    let another = Device::new(&vendor, "another");
    let naming = another
        .client()
        .begin(nodelock::ActivationRequestOptions::of_key(vendor.license_key()).instead_of(seat))
        .unwrap();
    let file = ActivationFile::read(&naming.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "replace", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");

    let refused = Device::new(&vendor, "refused").client().begin(vendor.license_key()).unwrap();
    let file = ActivationFile::read(&refused.to_bytes()).unwrap();
    let ruling = needs_all_of_it(&vendor, "refuse", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Refused(_)), "{ruling:?}");

    vendor.clock.advance_days(97);
    let ruling = needs_all_of_it(&vendor, "lapse", &|r, m| decision::activate(&file, None, r, m));
    assert!(matches!(ruling, Ruling::Granted(_)), "{ruling:?}");
}

/// A ledger may forget that such a request was cancelled. A clock that was never set makes no request old.
#[test]
fn a_request_of_more_than_five_years_ago_is_outdated_and_its_cancellation_is_not_kept() {
    const FIVE_YEARS: u64 = 5 * 365 * 86_400;
    for (date, now, is_outdated) in [
        (START, START + FIVE_YEARS, false),
        (START, START + FIVE_YEARS + 1, true),
        (0, START + FIVE_YEARS, false),
        (START + FIVE_YEARS, START, false),
    ] {
        let vendor = Vendor::new();
        vendor.clock.set(date);
        let device = Device::new(&vendor, "slow");
        let request = device.client().begin(vendor.license_key()).unwrap().to_bytes();
        let file = ActivationFile::read(&request).unwrap();
        let cancelled = ReleaseClaim::read(&device.client().cancel().unwrap().to_bytes()).unwrap();
        vendor.clock.set(now);
        let moment = moment(&vendor);
        let activate = |ledger: &mut MemoryLedger| {
            let act = |records: &_| decision::activate(&file, None, records, &moment);
            match decision::settle(ledger, act).unwrap().ruling {
                Ruling::Refused(refusal) => Some(refusal.kind()),
                _ => None,
            }
        };
        let mut ledger = vendor.ledger.clone();
        assert_eq!(activate(&mut ledger), is_outdated.then_some(ErrorKind::Outdated), "{date} {now}");

        let mut ledger = vendor.ledger.clone();
        let redeem = |records: &_| decision::redeem(&cancelled, records, &moment);
        let decision = decision::settle(&mut ledger, redeem).unwrap();
        assert!(matches!(decision.ruling, Ruling::Released { changed, .. } if changed != is_outdated));
        assert_eq!((decision.send.len(), ledger.seats.len()), (1, usize::from(!is_outdated)));
        let refused = if is_outdated { ErrorKind::Outdated } else { ErrorKind::RequestCancelled };
        assert_eq!(activate(&mut ledger), Some(refused), "{date} {now}");
    }
}

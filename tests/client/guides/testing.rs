use std::time::Duration;

use nodelock::{
    Client, ErrorKind, GraceReason, MachineReason, Reason, Renewal, Result, Store, Verdict,
    fingerprint::Component,
    testing::{Fault, Machine, TestAuthority},
};

/// An application's own function: whether it may run.
fn may_run(client: &Client) -> Result<bool> {
    Ok(client.start(Duration::from_secs(3))?.status().is_usable())
}

/// A computer with an active license.
fn licensed() -> Result<(TestAuthority, String, Client)> {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1)?;
    let client = authority.client(&Machine::new("desk")).build()?;
    client.activate(&license_key)?;
    Ok((authority, license_key, client))
}

#[test]
fn unlicensed() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let client = authority.client(&Machine::new("desk")).build()?;
    assert!(!may_run(&client)?);
    assert_eq!(*client.check()?.verdict(), Verdict::Unlicensed { pending: false });

    // A request that nobody has answered yet.
    authority.fail(Fault::Down);
    assert_eq!(client.activate(&authority.sell(1)?).unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(*client.check()?.verdict(), Verdict::Unlicensed { pending: true });

    // The next start asks again, a minute later.
    authority.fail(None);
    assert!(may_run(&client)?);
    Ok(())
}

#[test]
fn active() -> Result<()> {
    let (authority, license_key, client) = licensed()?;
    assert!(may_run(&client)?);
    assert_eq!(*client.check()?.verdict(), Verdict::Active);
    assert_eq!(authority.usage(&license_key)?.taken, 1);
    Ok(())
}

#[test]
fn lease_ended() -> Result<()> {
    let (authority, _, client) = licensed()?;
    // A lease lasts for 90 days. Starts renew it from the 45th day on, if they can.
    authority.fail(Fault::Down);
    authority.clock().advance_days(89);
    assert!(may_run(&client)?);
    authority.clock().advance_days(1);
    assert!(!may_run(&client)?);
    assert!(matches!(client.check()?.verdict(), Verdict::LeaseEnded { .. }));

    authority.fail(None);
    authority.clock().advance_days(1);
    assert!(may_run(&client)?);
    Ok(())
}

#[test]
fn expired() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let end = authority.clock().now_plus(30);
    let license_key = authority.vendor().sell_with(1, |terms| terms.expires = Some(end))?;
    let client = authority.client(&Machine::new("desk")).build()?;
    client.activate(&license_key)?;
    authority.clock().advance_days(30);
    assert!(!may_run(&client)?);
    assert!(matches!(client.check()?.verdict(), Verdict::Expired { at, .. } if *at == end));
    Ok(())
}

#[test]
fn trial() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let end = authority.clock().now_plus(14);
    let trial = authority.vendor().sell_with(2, |terms| terms.trial_days = Some(14))?;
    let desk = Machine::new("desk");
    let client = authority.client(&desk).build()?;
    client.activate(&trial)?;
    authority.clock().advance_days(14);
    assert!(!may_run(&client)?);
    // Whatever is installed on the computer has no other one.
    let refused = authority.client(&desk).build()?.activate(&trial).unwrap_err();
    assert_eq!((refused.kind(), refused.trial_ended()), (ErrorKind::TrialUsed, Some(end)));
    Ok(())
}

#[test]
fn not_yet_valid() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let start = authority.clock().now_plus(7);
    let license_key = authority.vendor().sell_with(1, |terms| terms.starts = start)?;
    let client = authority.client(&Machine::new("desk")).build()?;
    client.activate(&license_key)?;
    assert_eq!(*client.check()?.verdict(), Verdict::NotYetValid { starts: start });
    Ok(())
}

#[test]
fn version_not_covered() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let end = authority.clock().now_plus(365);
    let license_key = authority.vendor().sell_with(1, |terms| terms.updates_until = Some(end))?;
    let (desk, store) = (Machine::new("desk"), Store::in_memory());
    let version = |released| authority.client(&desk).store(store.clone()).released(released).build();
    let bought = version(end)?;
    bought.activate(&license_key)?;
    assert!(may_run(&bought)?);
    let later = version(end.plus_days(1))?;
    assert_eq!(*later.check()?.verdict(), Verdict::VersionNotCovered { updates_until: end });
    Ok(())
}

#[test]
fn clock_set_back() -> Result<()> {
    let (authority, _, client) = licensed()?;
    let clock = authority.clock();
    let now = nodelock::Clock::now(&clock).unix_seconds();
    clock.advance_days(30);
    client.observe()?;
    clock.set(now);
    assert!(matches!(client.check()?.verdict(), Verdict::ClockSetBack { .. }));
    Ok(())
}

#[test]
fn grace_and_wrong_machine() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1)?;
    let (desk, store) = (Machine::new("desk"), Store::in_memory());
    // A client looks at its machine once, so a changed one is a new start of the application.
    let start_on = |machine: &Machine| authority.client(machine).store(store.clone()).build();
    start_on(&desk)?.activate(&license_key)?;

    assert_eq!(*start_on(&desk.changed_a_little())?.check()?.verdict(), Verdict::Active);

    let other = start_on(&desk.changed_too_much())?;
    let reason = MachineReason::Fingerprint;
    assert_eq!(*other.check()?.verdict(), Verdict::WrongMachine { reason });

    let hidden = start_on(&desk.hidden())?;
    let reason = GraceReason::MachineHidden;
    assert!(matches!(hidden.check()?.verdict(), Verdict::Grace { reason: why, .. } if *why == reason));

    authority.fail(Fault::Down);
    let changed = start_on(&desk.changed_much())?;
    assert!(may_run(&changed)?);
    let reason = GraceReason::MachineChanged;
    assert!(matches!(changed.check()?.verdict(), Verdict::Grace { reason: why, .. } if *why == reason));
    authority.clock().advance_days(14);
    let reason = MachineReason::GraceOver;
    assert_eq!(*changed.check()?.verdict(), Verdict::WrongMachine { reason });

    // With a network, a start has the machine taken as it is.
    authority.fail(None);
    authority.clock().advance_days(1);
    assert!(may_run(&changed)?);
    assert_eq!(*changed.check()?.verdict(), Verdict::Active);
    Ok(())
}

#[test]
fn deactivated() -> Result<()> {
    let (authority, license_key, client) = licensed()?;
    client.deactivate(Reason::Moved).expect("a receipt");
    assert_eq!(*client.check()?.verdict(), Verdict::Deactivated);
    assert_eq!(authority.usage(&license_key)?.taken, 0);
    Ok(())
}

#[test]
fn revoked() -> Result<()> {
    let (authority, _, client) = licensed()?;
    let seat = client.check()?.license().expect("a license").handle;
    authority.release(seat, "reported as stolen")?;
    // The device hears of it when it next checks in.
    assert!(client.check()?.is_usable());
    client.check_in()?;
    let reason = "reported as stolen".to_owned();
    assert_eq!(*client.check()?.verdict(), Verdict::Revoked { reason });
    Ok(())
}

#[test]
fn damaged() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1)?;
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::in_directory(folder.path(), None);
    let client = authority.client(&Machine::new("desk")).store(store).build()?;
    client.activate(&license_key)?;
    std::fs::write(folder.path().join("state"), "no state").expect("the file of the store");
    let reason = ErrorKind::Corrupt;
    assert_eq!(*client.check()?.verdict(), Verdict::Damaged { reason });
    assert!(client.recover()?.is_usable());
    assert_eq!(authority.usage(&license_key)?.taken, 1);
    Ok(())
}

#[test]
fn every_seat_is_taken() -> Result<()> {
    let (authority, license_key, first) = licensed()?;
    let second = authority.client(&Machine::new("laptop")).build()?;
    let refused = second.activate(&license_key).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoFreeSeat);
    assert_eq!(refused.seats().expect("they are listed").seats.len(), 1);

    first.deactivate(Reason::Moved).expect("a receipt");
    assert!(second.activate(&license_key)?.is_usable());
    Ok(())
}

#[test]
fn a_network_that_fails_when_it_matters() -> Result<()> {
    let (authority, license_key, client) = licensed()?;
    // The authority frees the seat, and its answer is lost: the question whether it may passes first.
    authority.fail_next(None);
    authority.fail(Fault::AnswerLost);
    let error = client.deactivate(Reason::Moved).unwrap_err();
    let given_up = error.deactivation().expect("the license is gone from this machine");
    assert_eq!(given_up.code().to_string().len(), 29);
    assert_eq!(client.check()?.outstanding(), 1);
    assert_eq!(authority.usage(&license_key)?.taken, 0);

    // A later start hears of it.
    authority.fail(None);
    assert!(matches!(client.start(Duration::from_secs(3))?.renewal(), Renewal::Done));
    assert_eq!(client.check()?.outstanding(), 0);
    Ok(())
}

#[test]
fn without_a_network() -> Result<()> {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1)?;
    let client = authority.client(&Machine::new("desk")).build()?;
    let request = client.begin(&license_key)?.to_bytes();
    let answer = authority.vendor().activate(&request)?;
    assert!(client.accept(&answer.to_bytes())?.status().is_usable());

    let code = client.deactivate_offline(Reason::Retired)?.code().to_string();
    let receipt = authority.vendor().redeem_code(&code)?;
    client.accept(receipt.as_bytes())?;
    assert_eq!(authority.usage(&license_key)?.taken, 0);
    assert!(authority.take_calls().is_empty(), "nothing was sent");
    Ok(())
}

#[test]
fn a_serial_that_no_probe_reports() -> Result<()> {
    let desk = Machine::new("desk");
    assert!(desk.with(Component::DiskSerial, "S4EVNX0R123456").is_ok());
    let error = desk.with(Component::DiskSerial, "0000-0000").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    Ok(())
}

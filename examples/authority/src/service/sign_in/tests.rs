use std::{fs, path::Path};

use nodelock::{
    ErrorKind, LicenseId, Reason, SystemRandom,
    authority::{CheckInClaim, LicenseTerms, TypedCode},
};

use super::{
    super::{
        AccountChange, Buyer, Changing, CheckedIn, Extension, Keys, NewCredential, Word, audit,
        change_account, credentials, edit,
        fixture::{Authority, PRODUCT, address, claim, now, vendor},
        licenses, new_account, new_credential, new_second_factor, offers, permit, product_within_reach,
        revoke, seats, sell, set_suspended,
    },
    *,
};
use crate::{
    domain::{
        Account, AuditRow, Credential, CredentialKind, ProductId, Said, SeatChoice,
        filter::{Filter, List},
        rights::{Role, Scope},
    },
    service::secrets::code_at,
};

const PASSWORD: &str = "correct horse battery";

async fn account(authority: &Authority, name: &str, role: Role) -> Vec<String> {
    let password = Zeroizing::new(PASSWORD.to_owned());
    let (database, vault) = (authority.service.database(), authority.service.vault());
    new_account(database, vault, (name, role, password), |_| Ok(()), &vendor()).await.unwrap().recovery
}

async fn secret_of(authority: &Authority, name: &str) -> String {
    let mut tx = authority.service.database().read().await.unwrap();
    let sealed = store::account(&mut tx, name).await.unwrap().unwrap().totp;
    authority.service.vault().unwrap().unseal_second_factor(name, &sealed).unwrap().to_string()
}

async fn try_to_sign_in(
    authority: &Authority,
    name: &str,
    password: &str,
    code: &str,
    at: Timestamp,
) -> Result<SignedIn> {
    let secret = |text: &str| Zeroizing::new(text.to_owned());
    authority.service.sign_in(name, secret(password), secret(code), address(1), at).await
}

/// Signs in, and acts from then on.
async fn signed_in(authority: &Authority, name: &str) -> Occasion {
    let code = code_at(&secret_of(authority, name).await, now());
    let signed_in = try_to_sign_in(authority, name, PASSWORD, &code, now()).await.unwrap();
    authority.service.authenticate(&signed_in.token, address(1), now()).await.unwrap()
}

async fn token(authority: &Authority, scopes: &[Scope], product: Option<&str>) -> (String, Occasion) {
    let new = NewCredential::Token {
        name: "shop".into(),
        scopes: scopes.to_vec(),
        product: product.map(ProductId::of_name),
        expires: None,
    };
    let (id, text) =
        new_credential(authority.service.database(), new, |_, _| Ok(()), &vendor()).await.unwrap();
    (id, authority.service.authenticate(&text, address(2), now()).await.unwrap())
}

fn plus(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds() + seconds)
}

async fn refusals(authority: &Authority) -> usize {
    authority.actions().await.iter().filter(|action| *action == "refused").count()
}

/// What the audit says of refusals.
async fn refused_as(authority: &Authority) -> Vec<String> {
    let mut details = Vec::new();
    let note = |line: Result<AuditRow>| {
        let line = line?;
        details.extend((line.action == "refused").then_some(line.detail));
        Ok(())
    };
    audit(authority.service.database(), 1000, &vendor(), note).await.unwrap();
    details
}

/// A license, sold by whoever acts.
async fn sold_by(authority: &Authority, occasion: &Occasion) -> Result<LicenseId> {
    let terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
    let offers = offers(&terms, 1).unwrap();
    let buyer = Buyer::default();
    sell(authority.service.database(), None, &offers, buyer, || Ok(()), occasion).await?;
    Ok(offers[0].terms.id)
}

#[tokio::test]
async fn a_person_signs_in_with_password_and_code_and_each_code_is_good_once() {
    let authority = Authority::new().await;
    let recovery = account(&authority, "jane", Role::Support).await;
    let (secret, start) = (secret_of(&authority, "jane").await, now());
    let code = code_at(&secret, start);
    let first = try_to_sign_in(&authority, "jane", PASSWORD, &code, start).await.unwrap();
    assert_eq!(first.who, Who::Account { name: "jane".into(), role: Role::Support });
    assert!(first.token.starts_with("nls_"));
    // The same code again, a wrong password, a wrong code, a name that nobody has.
    let later = plus(start, 60);
    let next = code_at(&secret, later);
    for (name, password, code) in [
        ("jane", PASSWORD, &*code),
        ("jane", "correct horse batterx", &*next),
        ("jane", PASSWORD, ""),
        ("john", PASSWORD, &*next),
    ] {
        let refused = try_to_sign_in(&authority, name, password, code, later).await;
        assert!(matches!(refused, Err(Failure::SignInRefused)), "{name} {password} {code}");
    }
    let second = try_to_sign_in(&authority, "jane", PASSWORD, &next, later).await.unwrap();
    assert_ne!(*first.token, *second.token, "each session has a token that nobody can know before");
    try_to_sign_in(&authority, "jane", PASSWORD, &recovery[0], later).await.unwrap();
    let again = try_to_sign_in(&authority, "jane", PASSWORD, &recovery[0], later).await;
    assert!(matches!(again, Err(Failure::SignInRefused)));
    let code = "a wrong code behind the right password of jane";
    let noted = [code, "a wrong password of jane", code, "an account that is not there", code];
    assert_eq!(
        refused_as(&authority).await,
        noted,
        "who gets as far has the password, which the audit tells"
    );
}

#[tokio::test]
async fn each_kind_of_guess_is_noted_once_for_each_address_and_no_more_than_a_hundred_in_all() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Support).await;
    account(&authority, "john", Role::Support).await;
    let disabled = AccountChange::Disabled(true);
    change_account(authority.service.database(), "john", disabled, &vendor()).await.unwrap();
    let long = "x".repeat(LONGEST_TYPED + 1);
    let guess = async |name: &str, password: &str, peer: u32| {
        let typed = [password, "1"].map(|text| Zeroizing::new(text.to_owned()));
        let [password, code] = typed;
        authority.service.sign_in(name, password, code, address(peer), now()).await.err().unwrap().name()
    };
    for _ in 0..2 {
        for (name, password) in [("jane", "x"), ("john", PASSWORD), ("nobody", "x"), ("jane", &*long)] {
            assert_eq!(guess(name, password, 1).await, "sign-in-refused");
        }
    }
    assert_eq!(guess("jane", "x", 2).await, "sign-in-refused");
    while guess("nobody", &long, 1).await == "sign-in-refused" {}
    let kinds = [
        "a wrong password of jane",
        "account john, which is disabled",
        "an account that is not there",
        "a password or a code that is too long to be one",
        "a wrong password of jane",
        "too many attempts to sign in",
    ];
    assert_eq!(refused_as(&authority).await, kinds);
    // The networks of addresses are counted, so that nobody has many in one.
    for peer in 0..200 {
        guess("nobody", &long, peer << 8).await;
    }
    assert_eq!(refusals(&authority).await, 100);
}

#[tokio::test]
async fn guesses_from_one_address_keep_out_nobody_at_another() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Owner).await;
    // Too long to be hashed, so that this is quick.
    let long = "x".repeat(LONGEST_TYPED + 1);
    for _ in 0..10 {
        let refused = try_to_sign_in(&authority, "jane", &long, "", now()).await;
        assert!(matches!(refused, Err(Failure::SignInRefused)));
    }
    let code = Zeroizing::new(code_at(&secret_of(&authority, "jane").await, now()));
    let password = || Zeroizing::new(PASSWORD.to_owned());
    let at = async |n| authority.service.sign_in("jane", password(), code.clone(), address(n), now()).await;
    assert!(matches!(at(1).await, Err(Failure::PeerMustWait(_))));
    at(2).await.unwrap();
}

#[tokio::test]
async fn a_name_with_nul_is_nobodys_and_each_try_counts() {
    let authority = Authority::new().await;
    for _ in 0..10 {
        let refused = try_to_sign_in(&authority, "ja\0ne", PASSWORD, "000000", now()).await;
        assert!(matches!(refused, Err(Failure::SignInRefused)));
    }
    let refused = try_to_sign_in(&authority, "ja\0ne", PASSWORD, "000000", now()).await;
    assert!(matches!(refused, Err(Failure::PeerMustWait(_))));
}

#[tokio::test]
async fn codes_behind_a_right_password_are_limited_wherever_they_come_from() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Owner).await;
    let password = || Zeroizing::new(PASSWORD.to_owned());
    let wrong = || Zeroizing::new("000000x".to_owned());
    for n in 0..10 {
        let refused = authority.service.sign_in("jane", password(), wrong(), address(n), now()).await;
        assert!(matches!(refused, Err(Failure::SignInRefused)), "{n}");
    }
    let refused = authority.service.sign_in("jane", password(), wrong(), address(99), now()).await;
    assert!(matches!(refused, Err(Failure::PeerMustWait(_))));
}

#[tokio::test]
async fn a_session_ends_when_idle_when_it_is_old_and_when_its_account_changes() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Support).await;
    let (service, start) = (&authority.service, now());
    let is_valid = async |token: &str, at| service.authenticate(token, address(1), at).await.is_ok();
    let mut at = start;
    let sign_in = async |at| {
        let code = code_at(&secret_of(&authority, "jane").await, at);
        try_to_sign_in(&authority, "jane", PASSWORD, &code, at).await.unwrap().token
    };
    let token = sign_in(at).await;
    at = plus(at, 29 * 60);
    assert!(is_valid(&token, at).await);
    // It was used, so it is not idle since the beginning.
    assert!(is_valid(&token, plus(at, 29 * 60)).await);
    assert!(!is_valid(&token, plus(at, 60 * 60)).await);
    // However busy, it ends.
    let busy = sign_in(at).await;
    for minutes in (20..12 * 60).step_by(20) {
        assert!(is_valid(&busy, plus(at, minutes * 60)).await, "{minutes}");
    }
    assert!(!is_valid(&busy, plus(at, 12 * 60 * 60)).await);
    let database = service.database();
    for change in [
        AccountChange::Role(Role::Auditor),
        AccountChange::Password(Zeroizing::new(PASSWORD.to_owned())),
        AccountChange::Disabled(true),
    ] {
        at = plus(at, 60);
        let token = sign_in(at).await;
        assert!(is_valid(&token, at).await);
        assert!(change_account(database, "jane", change, &vendor()).await.unwrap());
        assert!(!is_valid(&token, at).await);
    }
    at = plus(at, 60);
    let code = code_at(&secret_of(&authority, "jane").await, at);
    assert!(try_to_sign_in(&authority, "jane", PASSWORD, &code, at).await.is_err(), "it is disabled");
    change_account(database, "jane", AccountChange::Disabled(false), &vendor()).await.unwrap();
    let token = sign_in(plus(at, 60)).await;
    let occasion = service.authenticate(&token, address(1), plus(at, 60)).await.unwrap();
    service.sign_out(&token, &occasion).await.unwrap();
    assert!(!is_valid(&token, plus(at, 60)).await);
    let token = sign_in(plus(at, 120)).await;
    new_second_factor(database, service.vault(), "jane", |_| Ok(()), &vendor()).await.unwrap();
    assert!(!is_valid(&token, plus(at, 120)).await);
}

#[tokio::test]
async fn a_second_factor_is_of_no_use_without_the_vault_or_in_another_account() {
    let authority = Authority::new().await;
    let recovery = account(&authority, "jane", Role::Owner).await;
    account(&authority, "john", Role::Owner).await;
    let (database, at) = (authority.service.database(), now());
    let password = || Zeroizing::new(PASSWORD.to_owned());
    let refused = new_account(database, None, ("joe", Role::Owner, password()), |_| Ok(()), &vendor()).await;
    assert_eq!(refused.err().unwrap().name(), "no-vault");
    // A copy of the ledger has no key that opens it; a code of an empty secret is none either.
    let elsewhere = authority.restarted(true).await;
    for code in [code_at(&secret_of(&authority, "jane").await, at), code_at("", at)] {
        let refused = elsewhere.sign_in("jane", password(), Zeroizing::new(code), address(1), at).await;
        assert_eq!(refused.err().unwrap().name(), "sign-in-refused");
    }
    let recovered = Zeroizing::new(recovery[0].clone());
    elsewhere.sign_in("jane", password(), recovered, address(1), at).await.unwrap();
    // Whoever may write to the ledger puts their own second factor into another account.
    let mut tx = database.write().await.unwrap();
    let of_john = store::account_to_change(&mut tx, "john").await.unwrap().unwrap().totp;
    let jane = store::account_to_change(&mut tx, "jane").await.unwrap().unwrap();
    store::set_account(&mut tx, &Account { totp: of_john, ..jane }).await.unwrap();
    tx.commit().await.unwrap();
    let code = code_at(&secret_of(&authority, "john").await, at);
    assert!(try_to_sign_in(&authority, "jane", PASSWORD, &code, at).await.is_err());
}

#[tokio::test]
async fn a_token_is_nobodys_once_it_is_revoked_or_over_and_guesses_are_counted_and_noted() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let new = NewCredential::Token {
        name: "shop".into(),
        scopes: vec![Scope::LicensesRead],
        product: None,
        expires: Some(plus(now(), 1000)),
    };
    let (id, text) = new_credential(database, new, |_, _| Ok(()), &vendor()).await.unwrap();
    assert!(text.starts_with("nlt_"));
    let is_valid = async |at| service.authenticate(&text, address(1), at).await.is_ok();
    assert!(is_valid(now()).await);
    assert!(!is_valid(plus(now(), 1000)).await);
    assert!(revoke(database, (CredentialKind::Token, &id), &vendor()).await.unwrap());
    assert!(!revoke(database, (CredentialKind::Token, &id), &vendor()).await.unwrap());
    assert!(!is_valid(now()).await);
    let gone = revoke(database, (CredentialKind::Token, "nobodys"), &vendor()).await;
    assert!(matches!(gone, Err(Failure::UnknownCredential(_))));

    let (_, valid) = token(&authority, &[Scope::LicensesRead], None).await;
    let guess = async |n| service.authenticate("nlt_guess", address(n), now()).await.unwrap_err();
    for _ in 0..20 {
        assert!(matches!(guess(7).await, Failure::Unauthenticated));
    }
    assert!(matches!(guess(7).await, Failure::PeerMustWait(_)));
    assert!(matches!(guess(8).await, Failure::Unauthenticated));
    assert_eq!(refusals(&authority).await, 1, "the audit tells it once");
    assert!(matches!(valid.actor, Actor::Bearer(_)));
}

#[tokio::test]
async fn when_a_token_was_used_last_is_noted_once_a_minute_at_most() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let new = || NewCredential::Token {
        name: "shop".into(),
        scopes: vec![Scope::LicensesRead],
        product: None,
        expires: None,
    };
    let (_, text) = new_credential(database, new(), |_, _| Ok(()), &vendor()).await.unwrap();
    let start = now();
    let mut noted = Vec::new();
    for seconds in [0, 30, 59, 60, 61] {
        service.authenticate(&text, address(1), plus(start, seconds)).await.unwrap();
        let rows = store::credentials(&mut database.read().await.unwrap()).await.unwrap();
        noted.push(rows[0].seen.unwrap().since(start).as_secs());
    }
    assert_eq!(noted, [0, 0, 0, 60, 60]);
}

#[tokio::test]
async fn a_reseller_deals_with_what_it_sold_and_with_nothing_else() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Reseller).await;
    account(&authority, "john", Role::Reseller).await;
    let database = authority.service.database();
    let (jane, john) = (signed_in(&authority, "jane").await, signed_in(&authority, "john").await);
    let by_jane = sold_by(&authority, &jane).await.unwrap();
    let by_john = sold_by(&authority, &john).await.unwrap();
    let by_vendor = sold_by(&authority, &vendor()).await.unwrap();
    set_suspended(database, by_jane, (true, Changing::default()), |_| Ok(()), &jane).await.unwrap();
    let (mut said, how) = (Said::default(), Changing::default());
    said.say("seats", 4.into());
    edit(database, by_jane, (&said, None), how, |_| Ok(()), &jane).await.unwrap();
    let before = refusals(&authority).await;
    for of_others in [by_john, by_vendor, LicenseId::generate(&SystemRandom).unwrap()] {
        let refused = set_suspended(database, of_others, (true, Changing::default()), |_| Ok(()), &jane)
            .await
            .unwrap_err();
        // As if it were not there.
        assert_eq!(refused.name(), "unknown-license");
        let of_license = Filter::all(List::Seats).and("license", &of_others.to_string());
        seats(database, of_license, &jane, |_| panic!("it has a seat of another seller's")).await.unwrap();
    }
    // Each act once: the others are counted.
    assert_eq!(refusals(&authority).await, before + 1);
    let mut listed = Vec::new();
    let note = |row: Result<crate::domain::LicenseRow>| row.map(|row| listed.push(row.license.terms.id));
    licenses(database, Filter::all(List::Licenses), &jane, note).await.unwrap();
    assert_eq!(listed, [by_jane]);
}

#[tokio::test]
async fn a_token_of_one_product_reaches_no_license_of_another() {
    let authority = Authority::new().await;
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let (_, ours) = token(&authority, &[Scope::LicensesWrite], Some(PRODUCT)).await;
    let database = authority.service.database();
    assert!(
        set_suspended(database, license, (true, Changing::default()), |_| Ok(()), &ours)
            .await
            .unwrap()
            .changes
    );
    // As if the ledger had another product, whose token this is.
    let bearer = Bearer::new(
        Who::Token { id: "x".into(), scopes: vec![Scope::LicensesWrite], product: Some("Other".into()) },
        address(1),
        Arc::default(),
    );
    let theirs = Occasion { time: now(), actor: Actor::Bearer(Arc::new(bearer)) };
    let refused = set_suspended(database, license, (false, Changing::default()), |_| Ok(()), &theirs)
        .await
        .unwrap_err();
    assert_eq!(refused.name(), "unknown-license");
    assert_eq!(sold_by(&authority, &theirs).await.unwrap_err().name(), "forbidden");
    assert_eq!(refusals(&authority).await, 2);
}

#[tokio::test]
async fn a_token_of_one_product_answers_its_devices_and_no_others() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let keys = authority.path("keys");
    let new = ("Other", None);
    super::super::new_product(database, &keys, new, &Said::default(), Keys::New, &vendor()).await.unwrap();
    let service = &authority.restarted(true).await;
    let (_, ours) = token(&authority, &[Scope::SeatsWrite], Some(PRODUCT)).await;
    let (_, theirs) = token(&authority, &[Scope::SeatsWrite], Some("Other")).await;
    let key = authority.sell(3).await;
    let device = authority.activated(&key).await;
    let check_in = CheckInClaim::read(&device.check_in_offline().unwrap().to_bytes()).unwrap();
    let refused = service.check_in(&check_in, &theirs).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::Rule(error) if error.kind() == ErrorKind::UnknownSeat),
        "{refused:?}"
    );
    assert!(matches!(service.check_in(&check_in, &ours).await, Ok(CheckedIn::Renewed(_))));

    let proof = device.deactivate_offline(Reason::Moved).unwrap();
    let by_code = authority.activated(&key).await.deactivate_offline(Reason::Moved).unwrap();
    let (proof, code) = (claim(proof.proof()), TypedCode::read(&by_code.code().to_string()).unwrap());
    let refused = service.redeem_proof(&proof, &theirs).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::Rule(error) if error.kind() == ErrorKind::UnknownSeat),
        "{refused:?}"
    );
    assert!(service.redeem_code(&code, &theirs).await.is_err());
    assert_eq!(service.redeem_proof(&proof, &ours).await.unwrap().outcome(), "freed");
    assert_eq!(service.redeem_code(&code, &ours).await.unwrap().0.outcome(), "freed");
    // What nobody has is nobody's of that product either, and what names another one is not taken in.
    let unseen = authority.device();
    unseen.begin(&*key).unwrap();
    let cancelled = unseen.cancel().unwrap();
    let (alone, whole) = (claim(cancelled.proof()), claim(&cancelled.to_bytes()));
    assert_eq!(service.redeem_proof(&alone, &ours).await.unwrap_err().name(), "unknown-seat");
    assert_eq!(service.redeem_proof(&whole, &theirs).await.unwrap_err().name(), "forbidden");
    service.redeem_proof(&whole, &ours).await.unwrap();
    let handle = proof.handle();
    let of_theirs = [format!("check-in of seat {}", check_in.handle()), format!("redeem of seat {handle}")];
    let of_ours = format!("redeem of seat {}", alone.handle());
    let noted = [&of_theirs[..], &[of_ours]].concat();
    assert_eq!(refused_as(&authority).await, noted, "each act of each token once within an hour");
}

#[tokio::test]
async fn what_is_refused_again_and_again_is_noted_once_and_counted() {
    let authority = Authority::new().await;
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let database = authority.service.database();
    let (_, reads) = token(&authority, &[Scope::LicensesRead], None).await;
    for _ in 0..50 {
        assert_eq!(
            set_suspended(database, license, (true, Changing::default()), |_| Ok(()), &reads)
                .await
                .unwrap_err()
                .name(),
            "forbidden"
        );
        assert_eq!(sold_by(&authority, &reads).await.unwrap_err().name(), "forbidden");
    }
    let first = [format!("suspend of license {license}"), format!("sell of product {PRODUCT}")];
    assert_eq!(refused_as(&authority).await, first);
    // Their hour is not over.
    authority.service.note_refusals(false).await.unwrap();
    assert_eq!(refusals(&authority).await, 2);
    authority.service.note_refusals(true).await.unwrap();
    let mut more = refused_as(&authority).await.split_off(2);
    more.sort();
    assert_eq!(more, ["sell, 49 times more", "suspend, 49 times more"]);
    // A quota is used up only within the act.
    account(&authority, "jane", Role::Support).await;
    let jane = signed_in(&authority, "jane").await;
    let edit: Said = serde_json::from_value(serde_json::json!({ "expires_days": 1 })).unwrap();
    super::super::edit(database, license, (&edit, None), Changing::default(), |_| Ok(()), &vendor())
        .await
        .unwrap();
    let extend = async || {
        super::super::extend(database, license, Extension::Days(1), Changing::default(), |_| Ok(()), &jane)
            .await
    };
    for _ in 0..20 {
        extend().await.unwrap();
    }
    for _ in 0..2 {
        assert!(matches!(extend().await, Err(Failure::QuotaUsedUp { .. })));
    }
    assert_eq!(refused_as(&authority).await.split_off(4), ["extend: quota-used-up"]);
}

#[tokio::test]
async fn an_account_has_a_quota_of_its_own_until_its_role_changes() {
    let authority = Authority::new().await;
    let database = authority.service.database();
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let edit: Said = serde_json::from_value(serde_json::json!({ "expires_days": 1 })).unwrap();
    super::super::edit(database, license, (&edit, None), Changing::default(), |_| Ok(()), &vendor())
        .await
        .unwrap();
    account(&authority, "jane", Role::Support).await;
    let jane = signed_in(&authority, "jane").await;
    let extend = async || {
        let how = Changing::default();
        super::super::extend(database, license, Extension::Days(1), how, |_| Ok(()), &jane).await
    };
    let set = async |most| {
        let change = AccountChange::Quota(Act::Extend, most);
        super::super::change_account(database, "jane", change, &vendor()).await
    };
    let quota = async || {
        let accounts = super::super::accounts(database, &vendor()).await.unwrap();
        accounts.iter().find(|account| account.name == "jane").unwrap().quota(Act::Extend)
    };
    let is_sound = async || {
        let verified = super::super::verify(database, &authority.path("keys"), &vendor()).await.unwrap();
        assert_eq!(verified.found, 0, "{:?}", verified.findings);
    };
    assert!(set(Some(2)).await.unwrap() && !set(Some(2)).await.unwrap());
    for _ in 0..2 {
        extend().await.unwrap();
    }
    assert!(matches!(extend().await, Err(Failure::QuotaUsedUp { most: 2, .. })));
    // What was done counts for the new one, and she is signed in still.
    assert!(set(Some(3)).await.unwrap());
    extend().await.unwrap();
    assert!(matches!(extend().await, Err(Failure::QuotaUsedUp { most: 3, .. })));
    assert!(matches!(set(Some(1_001)).await, Err(Failure::Usage(_))));
    let of_none = AccountChange::Quota(Act::Sell, Some(1));
    let refused = super::super::change_account(database, "jane", of_none, &vendor()).await;
    assert!(matches!(refused, Err(Failure::Usage(text)) if text.contains("reset-counters, extend")));
    is_sound().await;
    assert!(set(None).await.unwrap());
    assert_eq!(quota().await, Some(20));
    assert!(set(Some(5)).await.unwrap());
    for (role, expected) in [(Role::Vendor, None), (Role::Support, Some(20))] {
        let change = AccountChange::Role(role);
        super::super::change_account(database, "jane", change, &vendor()).await.unwrap();
        assert_eq!(quota().await, expected);
    }
    is_sound().await;
}

#[tokio::test]
async fn whoever_deals_with_one_product_names_none_and_hears_of_no_other() {
    let authority = Authority::new().await;
    let (database, keys) = (authority.service.database(), authority.path("keys"));
    let new = ("Viewer", None);
    super::super::new_product(database, &keys, new, &Said::default(), Keys::New, &vendor()).await.unwrap();
    let (_, ours) = token(&authority, &[Scope::LicensesWrite], Some("Viewer")).await;
    let within = async |named: Option<&str>, by: &Occasion| {
        let named = named.map(ProductId::of_name);
        product_within_reach(database, named.as_ref(), Act::Sell, by).await.map(|product| product.name)
    };
    assert_eq!(within(None, &ours).await.unwrap(), "Viewer");
    assert_eq!(within(Some("Viewer"), &ours).await.unwrap(), "Viewer");
    assert!(matches!(within(Some(PRODUCT), &ours).await, Err(Failure::UnknownProduct(_))));
    assert!(matches!(within(None, &vendor()).await, Err(Failure::Usage(_))));
    assert_eq!(within(Some(PRODUCT), &vendor()).await.unwrap(), PRODUCT);
    // No server has its keys yet, so nothing is decided of it, and not of the first product in its place.
    let (_, ours) = token(&authority, &[Scope::SeatsWrite], Some("Viewer")).await;
    let device = nodelock::Client::builder("Viewer", authority.service.roots());
    let device = device.store(nodelock::Store::in_memory()).build().unwrap();
    device.begin(nodelock::ActivationRequestOptions::default()).unwrap();
    let cancelled = claim(&device.cancel().unwrap().to_bytes());
    let refused = authority.service.redeem_proof(&cancelled, &ours).await.unwrap_err();
    assert!(matches!(&refused, Failure::UnknownProduct(name) if name == "Viewer"), "{refused:?}");
    assert!(authority.seats().await.is_empty());
}

#[tokio::test]
async fn a_quota_is_kept_in_the_ledger_for_each_act_and_thirty_days() {
    let authority = Authority::new().await;
    account(&authority, "jane", Role::Support).await;
    let (database, jane) = (authority.service.database(), signed_in(&authority, "jane").await);
    let act = async |act, at| {
        let occasion = Occasion { time: at, ..jane.clone() };
        let permit = permit::permit(database, &occasion, act, On::Whole).await?;
        let mut tx = database.write().await?;
        // An act that notes two things counts once.
        for _ in 0..2 {
            AuditLine { action: "refused", license: None, detail: "" }.write(&mut tx, &permit).await?;
        }
        tx.commit().await
    };
    let start = now();
    for n in 0..20 {
        act(Act::ResetCounters, plus(start, n * 60)).await.unwrap();
    }
    let used_up = act(Act::ResetCounters, plus(start, 2000)).await.unwrap_err();
    assert_eq!(used_up.name(), "quota-used-up");
    act(Act::Extend, plus(start, 2000)).await.unwrap();
    // Thirty days after the first there is one again.
    act(Act::ResetCounters, plus(start, 30 * 24 * 60 * 60)).await.unwrap();
    let used_up = act(Act::ResetCounters, plus(start, 30 * 24 * 60 * 60)).await.unwrap_err();
    assert_eq!(used_up.name(), "quota-used-up");
}

#[tokio::test]
async fn a_deployment_key_takes_as_many_seats_as_it_is_good_for_and_does_nothing_else() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let new = NewCredential::DeploymentKey { name: "CI".into(), license, most: 2, expires: None };
    let (_, text) = new_credential(database, new, |_, _| Ok(()), &vendor()).await.unwrap();
    assert!(text.starts_with("nld_"));
    let machine = service.authenticate(&text, address(1), now()).await.unwrap();
    let activate = async |request: Vec<u8>| {
        let occasion = service.authenticate(&text, address(1), now()).await.unwrap();
        let file = nodelock::authority::ActivationFile::read(&request).unwrap();
        service.activate(file, Some(license), &occasion).await.and_then(|activated| activated.license)
    };
    let request = || {
        let device = authority.device();
        device.begin(nodelock::ActivationRequestOptions::default()).unwrap().to_bytes()
    };
    let (first, second) = (request(), request());
    let license_of_first = activate(first.clone()).await.unwrap();
    // Asked once more, the answer is the same, and counts once.
    assert_eq!(activate(first).await.unwrap().handle, license_of_first.handle);
    activate(second).await.unwrap();
    for _ in 0..3 {
        assert_eq!(activate(request()).await.unwrap_err().name(), "deployment-key-used-up");
    }
    assert_eq!(refused_as(&authority).await, ["activate: deployment-key-used-up"]);
    assert_eq!(authority.seats().await.len(), 2);
    // Another license is out of its reach, and so is everything else.
    let other = sold_by(&authority, &vendor()).await.unwrap();
    let file = nodelock::authority::ActivationFile::read(&request()).unwrap();
    let refused = service.activate(file, Some(other), &machine).await.unwrap_err();
    assert_eq!(refused.name(), "unknown-license");
    let refused = set_suspended(database, license, (true, Changing::default()), |_| Ok(()), &machine)
        .await
        .unwrap_err();
    assert_eq!(refused.name(), "forbidden");
}

#[tokio::test]
async fn a_deployment_key_is_nobodys_once_it_is_over_or_revoked() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let made = async |expires| {
        let new = NewCredential::DeploymentKey { name: "CI".into(), license, most: 9, expires };
        new_credential(database, new, |_, _| Ok(()), &vendor()).await.unwrap()
    };
    let ((_, ending), (id, endless)) = (made(Some(plus(now(), 1000))).await, made(None).await);
    let activates = async |text: &str, at| {
        let Ok(occasion) = service.authenticate(text, address(1), at).await else { return false };
        let request = authority.device().begin(nodelock::ActivationRequestOptions::default()).unwrap();
        let file = nodelock::authority::ActivationFile::read(&request.to_bytes()).unwrap();
        service.activate(file, Some(license), &occasion).await.unwrap().license.is_ok()
    };
    assert!(activates(&ending, now()).await && activates(&endless, plus(now(), 1000)).await);
    assert!(!activates(&ending, plus(now(), 1000)).await);
    assert!(revoke(database, (CredentialKind::DeploymentKey, &id), &vendor()).await.unwrap());
    assert!(!activates(&endless, now()).await && activates(&ending, now()).await);
    assert_eq!(authority.seats().await.len(), 3);
}

#[tokio::test]
async fn a_deployment_key_counts_seats_and_neither_what_waits_nor_what_came_along() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let said: Said = serde_json::from_value(serde_json::json!({ "approval": "required" })).unwrap();
    edit(database, license, (&said, None), Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
    let new = NewCredential::DeploymentKey { name: "CI".into(), license, most: 2, expires: None };
    let (_, text) = new_credential(database, new, |_, _| Ok(()), &vendor()).await.unwrap();
    let used = async || {
        let rows = credentials(database, CredentialKind::DeploymentKey, &vendor()).await.unwrap();
        let Credential::DeploymentKey(key) = &rows[0].credential else { panic!() };
        key.used
    };
    let activate = async |request: &[u8]| {
        let occasion = service.authenticate(&text, address(1), now()).await.unwrap();
        let file = nodelock::authority::ActivationFile::read(request).unwrap();
        service.activate(file, Some(license), &occasion).await.unwrap()
    };
    let approve = async |request: &nodelock::PendingRequest| {
        let choice = SeatChoice { handle: request.request().handle, device: None };
        service.rule(choice, Word::Approve, &vendor()).await.unwrap();
    };
    let device = authority.device();
    for seats in 1..=2 {
        // What the device had before comes along.
        let pending = device.begin(nodelock::ActivationRequestOptions::default()).unwrap();
        let waits = activate(&pending.to_bytes()).await;
        assert_eq!(waits.license.unwrap_err().name(), "approval-wanted");
        assert_eq!((waits.receipts.len(), used().await), (seats - 1, u32::try_from(seats).unwrap() - 1));
        approve(&pending).await;
        for _ in 0..2 {
            let license = activate(&pending.to_bytes()).await.license.unwrap();
            device.accept(license.as_bytes()).unwrap();
            assert_eq!(used().await, u32::try_from(seats).unwrap());
        }
        device.deactivate_offline(Reason::Moved).unwrap();
    }
    let pending = device.begin(nodelock::ActivationRequestOptions::default()).unwrap();
    let refused = activate(&pending.to_bytes()).await;
    assert_eq!(refused.license.unwrap_err().name(), "deployment-key-used-up", "it does not begin to wait");
    // The device took no receipt, so it hands both in.
    assert_eq!((refused.receipts.len(), used().await), (2, 2));
}

#[tokio::test]
async fn a_device_is_told_what_is_wrong_with_its_deployment_key_and_others_are_not() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let end = plus(now(), 60 * 60);
    let new = |expires| NewCredential::DeploymentKey { name: "CI".into(), license, most: 2, expires };
    let (_, ending) = new_credential(database, new(Some(end)), |_, _| Ok(()), &vendor()).await.unwrap();
    let (id, revoked) = new_credential(database, new(None), |_, _| Ok(()), &vendor()).await.unwrap();
    revoke(database, (CredentialKind::DeploymentKey, &id), &vendor()).await.unwrap();
    let last = Timestamp::from_unix_seconds(end.unix_seconds() - 1);
    assert!(service.authenticate_device(&ending, address(1), last).await.is_ok());
    for (secret, why) in [
        (ending.as_str(), format!("the deployment key ended at {end}")),
        (revoked.as_str(), "the deployment key was revoked at 2".to_owned()),
        ("nld_nobodys", "nobody has that deployment key".to_owned()),
        ("", "nobody has that deployment key".to_owned()),
    ] {
        let refused = service.authenticate_device(secret, address(1), end).await.err().unwrap();
        assert_eq!(refused.name(), "deployment-key-refused", "{why}");
        assert!(refused.message().starts_with(&why), "{}", refused.message());
        let elsewhere = service.authenticate(secret, address(1), end).await.err().unwrap();
        assert!(matches!(elsewhere, Failure::Unauthenticated), "{why}");
    }
    // Each of them counts as a guess.
    let limited = loop {
        match service.authenticate_device("nld_nobodys", address(1), end).await.err().unwrap() {
            Failure::Rule(_) => {}
            limited => break limited,
        }
    };
    assert!(matches!(limited, Failure::PeerMustWait(_)));
    assert!(
        service.authenticate_device(&ending, address(1), last).await.is_ok(),
        "a right one is not kept waiting"
    );
}

/// Functions that are for nobody in particular, each with the reason.
const UNASKED: [(&str, &str); 27] = [
    ("may", "it asks for whatever act it is told"),
    ("product_within_reach", "it asks for whatever act it is told"),
    ("products", "what the authority sells, which every message says"),
    ("product", "what the authority sells, which every message says"),
    ("policies", "what every sale is on that does not say otherwise"),
    ("mail_policies", "what customers are mailed of, which is no secret"),
    ("sample", "a mail about nobody"),
    ("retention", "how long what is personal is kept, which is no secret"),
    ("is_prune_due", "when the authority last deleted what was too old"),
    ("terms_of_sale", "nothing is sold yet"),
    ("load", "the authority's own keys"),
    ("count_by_state", "for the operator's metrics"),
    ("read", "reads what came; nothing is looked up"),
    ("make_way", "lets others write"),
    ("hand_in", "it asks for each proof"),
    ("authenticate", "it is what finds out who asks"),
    ("authenticate_device", "it is what finds out who asks"),
    ("page", "the authority's own notes"),
    ("stop", "the authority's own notes"),
    ("note_refusals", "whoever was refused asked"),
    ("note_stranger", "it notes that somebody was refused"),
    ("vault", "the authority's own keys"),
    ("stop_alone", "the authority's own notes"),
    ("seal", "the authority's own notes"),
    ("seal_audit", "the authority's own notes"),
    ("set_up", "it asks once there is a ledger to ask for"),
    ("restore", "it asks once the copy is open"),
];

#[test]
fn each_service_asks_for_a_permit_or_is_listed_with_the_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.extend(["verify/mod.rs", "mail/mod.rs"].map(|file| folder.join(file)));
    let (mut asking, mut unasked) = (Vec::new(), Vec::new());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if ["fixture", "tests"].contains(&name) {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        for function in text.split("pub(crate) async fn ").skip(1) {
            let name: String = function.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // To its end, which the next function at the same depth begins after.
            let body = function.split("\nfn ").next().unwrap().split("\nasync fn ").next().unwrap();
            let body = body.split("    pub(super)").next().unwrap();
            let asks = body.contains("permit(") && body.contains("Act::");
            if asks { asking.push(name) } else { unasked.push(name) }
        }
    }
    unasked.sort();
    let mut listed: Vec<&str> = UNASKED.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(unasked, listed, "neither asks for a permit nor is listed");
    assert!(asking.len() > 20, "{asking:?}");
}

/// It is in an image that anybody may read, so it opens no limit for strangers.
#[tokio::test]
async fn a_machine_with_a_deployment_key_has_the_limits_of_its_address() {
    let authority = Authority::new().await;
    let (service, database) = (&authority.service, authority.service.database());
    let license = sold_by(&authority, &vendor()).await.unwrap();
    let key = NewCredential::DeploymentKey { name: "CI".into(), license, most: 2, expires: None };
    let scopes = vec![Scope::SeatsWrite];
    let token = NewCredential::Token { name: "shop".into(), scopes, product: None, expires: None };
    let mut limited = Vec::new();
    for new in [key, token] {
        let (_, text) = new_credential(database, new, |_, _| Ok(()), &vendor()).await.unwrap();
        limited.push(service.authenticate(&text, address(1), now()).await.unwrap().limited_peer());
    }
    assert_eq!(limited, [Some(address(1)), None]);
    assert_eq!(vendor().limited_peer(), None);
}

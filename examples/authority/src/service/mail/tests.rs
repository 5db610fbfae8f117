//! Mails: what is mailed and what is not, programs that fail, and texts from the catalogue.

use std::{sync::Mutex, time::Duration};

use nodelock::{Reason, SystemRandom};

use super::{
    super::{
        Buyer, InPlaceOf, Offer, edit, edit_customer, erase_customer,
        fixture::{Authority, PRODUCT, claim, now, vendor},
        new_customer, note_expiring, offers, rekey, sell, verify,
    },
    *,
};
use crate::{
    domain::{CustomerDetails, Said, SeatChoice},
    keys::Vault,
    service::{Changing, deliveries::after},
};

/// Takes mails as it is told, and keeps what came.
#[derive(Default)]
struct Program {
    /// How it ends; with 0 where it is told nothing.
    ends: Mutex<Vec<Sent>>,
    came: Mutex<Vec<String>>,
}

impl Mailer for Program {
    async fn send(&self, mail: Zeroizing<Vec<u8>>) -> Sent {
        self.came.lock().unwrap().push(String::from_utf8(mail.to_vec()).unwrap());
        self.ends.lock().unwrap().pop().unwrap_or(Sent::Ended(0))
    }
}

impl Program {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.came.lock().unwrap())
    }

    fn end_with(&self, sent: Sent, times: usize) {
        *self.ends.lock().unwrap() = vec![sent; times];
    }
}

struct World {
    authority: Authority,
    program: Arc<Program>,
    customer: CustomerId,
}

const ALL: &[Mailed] = Mailed::ALL;

impl World {
    /// An authority that mails of those events.
    async fn new(events: &[Mailed]) -> Self {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let change = MailPolicyChange {
            from: Some("Example <sales@example.com>".parse().unwrap()),
            events: Some(events.to_vec()),
            ..MailPolicyChange::default()
        };
        edit_mail_policy(database, None, &change, |_| Ok(()), &vendor()).await.unwrap();
        let details = CustomerDetails {
            name: "Jane Doe".into(),
            email: "jane@example.com".into(),
            ..CustomerDetails::default()
        };
        let customer = new_customer(database, details, |_| Ok(()), &vendor()).await.unwrap().id;
        Self { authority, program: Arc::default(), customer }
    }

    fn service(&self) -> &Service {
        &self.authority.service
    }

    fn database(&self) -> &Database {
        self.service().database()
    }

    async fn sell_with(&self, change: impl Fn(&mut LicenseTerms), mails: bool) -> Result<Offer> {
        let mut terms = LicenseTerms::new(LicenseId::generate(&SystemRandom).unwrap(), PRODUCT, 3, now());
        change(&mut terms);
        let mut offers = offers(&terms, 1).unwrap();
        let buyer = Buyer { order: None, customer: Some(self.customer), mails };
        sell(self.database(), self.service().vault(), &offers, buyer, || Ok(()), &vendor()).await?;
        Ok(offers.remove(0))
    }

    async fn sold(&self) -> Offer {
        self.sell_with(|_| (), false).await.unwrap()
    }

    /// Sends all that is due then.
    async fn mail(&self, time: Timestamp) -> Vec<String> {
        while self.service().mail(&self.program, &Occasion { time, ..vendor() }).await.unwrap() > 0 {}
        self.program.take()
    }

    async fn release(&self, device: &nodelock::Client, reason: &str) {
        let handle = device.check().unwrap().license().unwrap().handle;
        let choice = SeatChoice { handle, device: None };
        self.service().release(choice, reason, &vendor()).await.unwrap();
    }

    async fn states(&self) -> Vec<(String, u32, Option<u32>, Option<String>)> {
        let rows = mails_after(self.database(), (None, ""), 1000, &vendor()).await.unwrap();
        rows.into_iter().map(|row| (row.state, row.attempts, row.status, row.said)).collect()
    }

    async fn is_sound(&self) {
        let verified = verify(self.database(), &self.authority.path("keys"), &vendor()).await.unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    }
}

/// The lines of a mail's head, each whole.
fn head(mail: &str) -> Vec<String> {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

fn header<'a>(head: &'a [String], name: &str) -> &'a str {
    let of = |line: &'a String| line.strip_prefix(name)?.strip_prefix(": ");
    head.iter().find_map(of).unwrap_or_else(|| panic!("no {name}: {head:?}"))
}

/// The text of a mail that is written plainly or in quoted-printable.
fn text(mail: &str) -> String {
    let body = mail.split_once("\r\n\r\n").unwrap().1.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'=', [a, b, more @ ..]) => {
                let hex = String::from_utf8(vec![*a, *b]).unwrap();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                rest = more;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn mail_of(about: About, language: Language) -> Mail {
    Mail {
        id: "0123".into(),
        at: now(),
        from: "Example <sales@example.com>".parse().unwrap(),
        to: ("Jane Doe".into(), "jane@example.com".into()),
        language,
        product: PRODUCT.into(),
        license: LicenseId::from_bytes([1; 8]),
        hint: "H5J2Q".into(),
        about,
    }
}

#[test]
fn each_text_is_used_by_a_mail_in_each_language_and_has_the_same_gaps() {
    let gaps = |text: &str| {
        let mut gaps: Vec<String> =
            text.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
        gaps.sort();
        gaps
    };
    let all = |language| texts::texts(language).all();
    for (english, german) in all(Language::English).into_iter().zip(all(Language::German)) {
        assert!(!english.1.trim().is_empty() && !german.1.trim().is_empty(), "{english:?} {german:?}");
        assert_eq!((english.0, gaps(english.1)), (german.0, gaps(german.1)));
        assert!(english.1 != german.1 || english.0 == "computer", "{english:?} is not translated");
    }
    for language in Language::ALL {
        let mut said = String::new();
        for event in ALL {
            let (subject, body) = mail_of(sample_about(*event, now()), *language).words();
            said += &(subject + "\n" + &body);
        }
        assert!(!said.contains(['{', '}']), "a gap is not filled: {said}");
        for (name, text) in all(*language).into_iter().filter(|(name, _)| *name != "date") {
            // Between its gaps, a text stands in a mail as it is.
            let parts = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, part)| part));
            assert!(parts.into_iter().all(|part| said.contains(part)), "no mail says {name}: {text}");
        }
    }
    let (subject, _) =
        mail_of(About::Expiring("2027-03-01T00:00:00Z".parse().unwrap()), Language::German).words();
    assert_eq!(subject, "Example: Ihre Lizenz endet am 01.03.2027");
}

#[test]
fn whatever_somebody_typed_is_in_no_header_but_its_own() {
    let pieces = [
        "\r\nBcc: evil@example.com",
        "\n",
        "\r",
        ",",
        ";",
        "<evil@example.com>",
        "\"",
        "\\",
        "(",
        ")",
        ":",
        "=?utf-8?B?",
        "?=",
        "ä",
        "編集",
        "\u{202e}",
        "\u{2028}",
        "\0",
        "\u{7f}",
        "{key}",
        "{name",
        " ",
        "\t",
        "x",
        "Jane",
        "\r\n\r\nbody",
        "@",
        "a very long name that goes on and on ",
        "\r\n.\r\n",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    let mut typed = || -> String { (0..=random(6)).map(|_| pieces[random(pieces.len())]).collect() };
    for _ in 0..500 {
        let mut mail = mail_of(sample_about(Mailed::Released, now()), Language::German);
        (mail.to.0, mail.product) = (typed(), typed());
        let (computer, reason) = (typed(), typed());
        mail.about = About::Seat { event: Mailed::Released, computer, reason, available: Some((1, 2)) };
        let bytes = mail.to_bytes();
        let written = std::str::from_utf8(&bytes).unwrap();
        assert!(
            written.is_ascii() && !written.replace("\r\n", "").contains(['\r', '\n', '\0']),
            "{written:?}"
        );
        let head = head(written);
        let names: Vec<&str> = head.iter().map(|line| line.split_once(':').unwrap().0).collect();
        let expected = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "Content-Language",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        assert_eq!(names, expected, "{written}");
        // One address, behind one name in quotes or in encoded words.
        let (name, address) = header(&head, "To").rsplit_once('<').unwrap();
        assert_eq!(address, "jane@example.com>", "{written}");
        let name = name.trim();
        let is_quoted = name.starts_with('"')
            && name.ends_with('"')
            && !name[1..name.len() - 1].replace("\\\"", "").contains('"');
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || " !*+-/=_?".contains(letter);
        assert!(name.is_empty() || is_quoted || name.chars().all(is_word), "{name:?}");
    }
}

#[tokio::test]
async fn a_user_hears_that_a_seat_is_available_again() {
    let world = World::new(&[Mailed::Released, Mailed::Returned]).await;
    let license = world.sold().await;
    let device = world.authority.device();
    world.authority.take_named_seat(&device, &license.key, "reception").await;
    world.release(&device, "reported as stolen").await;
    let mails = world.mail(now()).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    let head = head(&mails[0]);
    assert_eq!(header(&head, "From"), "\"Example\" <sales@example.com>");
    assert_eq!(header(&head, "To"), "\"Jane Doe\" <jane@example.com>");
    assert_eq!(header(&head, "Subject"), "Example: a seat is free again");
    let events = service_events(&world).await;
    let released = events.iter().find(|event| event.kind == "seat.released").unwrap();
    assert_eq!(header(&head, "Message-ID"), format!("<{}@example.com>", released.id));
    let said = text(&mails[0]);
    for part in
        ["Hello Jane Doe,", "Computer: reception", "Reason: reported as stolen", "3 of 3 seats are free"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // In the language of the customer, and of the customer's own doing, too.
    let german = |details: &mut CustomerDetails| details.language = "de".into();
    edit_customer(world.database(), world.customer, (german, None), |_| Ok(()), &vendor()).await.unwrap();
    let other = world.authority.activated(&license.key).await;
    let proof = other.deactivate_offline(Reason::Moved).unwrap();
    world.service().redeem_proof(&claim(proof.proof()), &vendor()).await.unwrap();
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && text(&mails[0]).contains("Guten Tag Jane Doe,"), "{mails:?}");
    assert!(world.mail(now().plus_days(30)).await.is_empty());
    world.is_sound().await;
}

async fn service_events(world: &World) -> Vec<EventRow> {
    super::super::events_after(world.database(), None, "", 1000, &vendor()).await.unwrap().whole().unwrap()
}

#[tokio::test]
async fn nobody_is_invited_to_what_the_application_would_refuse() {
    let world = World::new(ALL).await;
    let license = world.sell_with(|terms| terms.activations = Some(1), false).await.unwrap();
    let device = world.authority.activated(&license.key).await;
    world.release(&device, "").await;
    let said = text(&world.mail(now()).await[0]);
    assert!(
        said.contains("The seat is free again.") && !said.contains("activates another computer"),
        "{said}"
    );
    assert!(!said.contains("Reason:") && !said.contains("Computer:"), "{said}");
}

#[tokio::test]
async fn nothing_is_mailed_until_the_vendor_says_so_and_a_product_says_so_for_itself() {
    let world = World::new(&[]).await;
    let license = world.sold().await;
    world.release(&world.authority.activated(&license.key).await, "lost").await;
    assert!(world.mail(now()).await.is_empty());
    let id = super::super::product(world.database(), None).await.unwrap().id;
    let change = MailPolicyChange {
        language: Some(Language::German),
        events: Some(vec![Mailed::Released]),
        ..MailPolicyChange::default()
    };
    edit_mail_policy(world.database(), Some(&id), &change, |_| Ok(()), &vendor()).await.unwrap();
    world.release(&world.authority.activated(&license.key).await, "lost").await;
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && header(&head(&mails[0]), "Content-Language") == "de", "{mails:?}");
    // Mails are from somebody.
    let nobody =
        MailPolicyChange { unset: vec![crate::domain::MailTerm::From], ..MailPolicyChange::default() };
    let of_all = edit_mail_policy(world.database(), None, &nobody, |_| Ok(()), &vendor()).await;
    let Err(Failure::Usage(text)) = of_all else { panic!("the product has no sender of its own") };
    assert!(text.starts_with("product example has mails sent"), "{text}");
    let own =
        MailPolicyChange { from: Some("shop@example.com".parse().unwrap()), ..MailPolicyChange::default() };
    edit_mail_policy(world.database(), Some(&id), &own, |_| Ok(()), &vendor()).await.unwrap();
    edit_mail_policy(world.database(), None, &nobody, |_| Ok(()), &vendor()).await.unwrap();
    let refused = edit_mail_policy(world.database(), Some(&id), &nobody, |_| Ok(()), &vendor()).await;
    assert!(matches!(refused, Err(Failure::Usage(_))));
    world.is_sound().await;
}

#[tokio::test]
async fn a_license_that_is_deactivated_is_told_of_in_one_mail() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    for _ in 0..2 {
        world.authority.activated(&license.key).await;
    }
    world.service().deactivate(license.terms.id, "moved", |_| Ok(()), &vendor()).await.unwrap();
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && text(&mails[0]).contains("all seats of your license"), "{mails:?}");
    // Where no seat was released there is nothing to tell.
    let how = (true, Changing::default());
    let (database, id) = (world.database(), license.terms.id);
    super::super::set_suspended(database, id, how, |_| Ok(()), &vendor()).await.unwrap();
    let request = world.authority.device().begin(license.key.as_str()).unwrap().to_bytes();
    assert!(world.authority.activate(&request, &vendor()).await.unwrap().license.is_err());
    let done = world.service().deactivate(id, "moved", |_| Ok(()), &vendor()).await.unwrap();
    assert_eq!((done.seats.len(), done.refusals), (0, 1));
    assert_eq!(world.mail(now()).await, [""; 0]);
}

#[tokio::test]
async fn a_mail_that_waited_for_too_long_is_set_aside_and_goes_when_it_is_replayed() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    let id = license.terms.id;
    world.release(&world.authority.activated(&license.key).await, "lost").await;
    world.release(&world.authority.activated(&license.key).await, "stolen").await;
    assert_eq!(world.mail(now().plus_days(8)).await, [""; 0]);
    let aside = ("aside".to_owned(), 1, None, Some("it waited for more than 7 days".to_owned()));
    assert_eq!(world.states().await, [aside.clone(), aside], "the one behind it, too");
    replay_mails(world.database(), &Replay::Aside, &vendor()).await.unwrap();
    assert_eq!(world.mail(now().plus_days(6)).await.len(), 2);
    let change = MailPolicyChange { wait_days: Some(30), ..MailPolicyChange::default() };
    edit_mail_policy(world.database(), None, &change, |_| Ok(()), &vendor()).await.unwrap();
    send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
    assert_eq!(world.mail(now().plus_days(29)).await.len(), 1);
    for days in [0, 366] {
        let change = MailPolicyChange { wait_days: Some(days), ..MailPolicyChange::default() };
        let refused = edit_mail_policy(world.database(), None, &change, |_| Ok(()), &vendor()).await;
        assert!(matches!(refused, Err(Failure::Usage(_))), "{days}");
    }
}

#[tokio::test]
async fn a_license_is_said_to_expire_as_many_days_before_as_the_policy_says() {
    let world = World::new(ALL).await;
    let near = |terms: &mut LicenseTerms| terms.expires = Some(now().plus_days(40));
    world.sell_with(near, false).await.unwrap();
    assert_eq!(note_expiring(world.database(), &vendor()).await.unwrap(), 0);
    let change = MailPolicyChange { expiring_days: Some(45), ..MailPolicyChange::default() };
    let id = super::super::product(world.database(), None).await.unwrap().id;
    let of_product = edit_mail_policy(world.database(), Some(&id), &change, |_| Ok(()), &vendor()).await;
    assert!(matches!(of_product, Err(Failure::Usage(_))));
    edit_mail_policy(world.database(), None, &change, |_| Ok(()), &vendor()).await.unwrap();
    assert_eq!(note_expiring(world.database(), &vendor()).await.unwrap(), 1);
    assert_eq!(note_expiring(world.database(), &vendor()).await.unwrap(), 0, "once");
    assert_eq!(world.mail(now()).await.len(), 1);
    world.is_sound().await;
}

#[tokio::test]
async fn a_key_is_in_the_mail_that_sends_it_and_nowhere_else() {
    let world = World::new(ALL).await;
    let license = world.sell_with(|_| (), true).await.unwrap();
    let mails = world.mail(now()).await;
    assert!(
        mails.len() == 1 && text(&mails[0]).contains(&format!("    {}\r\n", license.key.as_str())),
        "{mails:?}"
    );
    // Every other kind of mail, and what is noted.
    let sent = send_key(world.database(), license.terms.id, None, |_| Ok(()), &vendor()).await.unwrap();
    assert!(license.key.ends_with(&sent.key_hint));
    assert_eq!(world.mail(now()).await.len(), 1);
    let device = world.authority.activated(&license.key).await;
    world.release(&device, "lost").await;
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && !text(&mails[0]).contains(license.key.as_str()), "{mails:?}");
    let files = ["authority.db", "authority.db-wal"];
    let ledger: Vec<u8> =
        files.iter().flat_map(|file| std::fs::read(world.authority.path(file)).unwrap_or_default()).collect();
    let has = |text: &str| ledger.windows(text.len()).any(|part| part == text.as_bytes());
    // On PostgreSQL the ledger is no file.
    assert!(crate::store::tests::is_postgres() || has("jane@example.com"));
    assert!(!has(license.key.as_str()));
    world.is_sound().await;
}

#[tokio::test]
async fn a_key_is_sent_to_nobody_without_an_address_a_sender_or_a_copy() {
    let world = World::new(&[]).await;
    let license = world.sold().await;
    let id = license.terms.id;
    let send = async || send_key(world.database(), id, None, |_| Ok(()), &vendor()).await;
    let set_email = async |email: &str| {
        let change = |details: &mut CustomerDetails| details.email = email.to_owned();
        edit_customer(world.database(), world.customer, (change, None), |_| Ok(()), &vendor()).await.unwrap();
    };
    for email in ["", "jane@example.com>,<evil@example.com", "j\u{e4}ne@example.com"] {
        set_email(email).await;
        assert!(matches!(send().await, Err(Failure::NotMailed(_))), "{email}");
        let sold = world.sell_with(|_| (), true).await.map(drop);
        assert!(matches!(sold, Err(Failure::NotMailed(_))), "{email}");
    }
    set_email("jane@example.com").await;
    let nobody =
        MailPolicyChange { unset: vec![crate::domain::MailTerm::From], ..MailPolicyChange::default() };
    edit_mail_policy(world.database(), None, &nobody, |_| Ok(()), &vendor()).await.unwrap();
    assert!(matches!(send().await, Err(Failure::NotMailed(_))));
    let kept = super::super::edit_product;
    let edit = super::super::ProductEdit { keeps_keys: Some(false), ..Default::default() };
    kept(world.database(), None, (&edit, None), |_| Ok(()), &vendor()).await.unwrap();
    assert!(matches!(send().await, Err(Failure::KeyNotKept)));
    assert!(matches!(world.sell_with(|_| (), true).await.map(drop), Err(Failure::KeyNotKept)));
    assert!(world.mail(now()).await.is_empty());
}

#[tokio::test]
async fn what_is_not_so_any_more_is_not_mailed() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    let id = license.terms.id;
    // The key was replaced, and the release taken back, before the mail went out.
    send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
    let device = world.authority.activated(&license.key).await;
    let handle = device.check().unwrap().license().unwrap().handle;
    world.release(&device, "lost").await;
    world.service().unrelease(SeatChoice { handle, device: None }, &vendor()).await.unwrap();
    rekey(world.database(), world.service().vault(), id, (None, InPlaceOf::All), |_| Ok(()), &vendor())
        .await
        .unwrap();
    assert!(world.mail(now()).await.is_empty());
    let said: Vec<_> =
        world.states().await.into_iter().map(|(state, _, _, said)| (state, said.unwrap())).collect();
    let aside = |why: &str| ("aside".to_owned(), why.to_owned());
    assert_eq!(said, [aside("the key activates nothing any more"), aside("the seat is in use again")]);
    // It belongs to somebody else, who hears nothing of what was before.
    world.release(&device, "lost").await;
    let details =
        CustomerDetails { name: "Joe".into(), email: "joe@example.com".into(), ..CustomerDetails::default() };
    let joe = new_customer(world.database(), details, |_| Ok(()), &vendor()).await.unwrap().id;
    let given = (&Said::default(), Some(joe));
    edit(world.database(), id, given, Changing::default(), |_| Ok(()), &vendor()).await.unwrap();
    assert!(world.mail(now()).await.is_empty());
    send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && mails[0].contains("<joe@example.com>"), "{mails:?}");
    // Nor does a customer who was erased.
    send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
    erase_customer(world.database(), joe, &vendor()).await.unwrap();
    assert!(world.mail(now()).await.is_empty());
    let last = world.states().await.pop().unwrap();
    assert_eq!((&*last.0, last.3.as_deref()), ("aside", Some("its customer has no address any more")));
    world.is_sound().await;
}

#[tokio::test]
async fn an_end_that_is_near_is_mailed_once_unless_it_moves() {
    let world = World::new(ALL).await;
    let near = |terms: &mut LicenseTerms| terms.expires = Some(now().plus_days(7));
    let (one, other) =
        (world.sell_with(near, false).await.unwrap(), world.sell_with(near, false).await.unwrap());
    assert_eq!(note_expiring(world.database(), &vendor()).await.unwrap(), 2);
    let by = super::super::Extension::Days(100);
    let (id, how) = (other.terms.id, Changing::default());
    super::super::extend(world.database(), id, by, how, |_| Ok(()), &vendor()).await.unwrap();
    let mails = world.mail(now()).await;
    assert!(mails.len() == 1 && text(&mails[0]).contains(&one.terms.id.to_string()), "{mails:?}");
    assert!(header(&head(&mails[0]), "Subject").starts_with("Example: your license ends on "));
}

#[tokio::test]
async fn a_program_that_fails_for_a_day_gets_everything_in_order() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    send_key(world.database(), license.terms.id, None, |_| Ok(()), &vendor()).await.unwrap();
    world.release(&world.authority.activated(&license.key).await, "lost").await;
    let failed = "the program did not end within 30 seconds";
    world.program.end_with(Sent::Failed(failed.into()), 7);
    let (start, mut attempts) = (now(), Vec::new());
    for step in 0..144 {
        attempts.extend(world.mail(after(start, Duration::from_secs(step * 10 * 60))).await);
    }
    let states = world.states().await;
    assert_eq!(states[0], ("due".into(), 7, None, Some(failed.into())));
    assert_eq!((&*states[1].0, states[1].1), ("queued", 0));
    // Each attempt is the same mail, which its id tells.
    assert!(attempts.len() == 7 && attempts.iter().all(|mail| *mail == attempts[0]));
    let mails = world.mail(start.plus_days(2)).await;
    assert!(mails[0] == attempts[0] && mails.len() == 2 && text(&mails[1]).contains("lost"), "{mails:?}");
}

#[tokio::test]
async fn what_cannot_be_mailed_is_set_aside_at_once_or_after_three_days_until_it_is_replayed() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    let id = license.terms.id;
    for (code, why) in [(67, "there is no such mailbox"), (65, "the mail is in a wrong form")] {
        send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
        world.program.end_with(Sent::Ended(code), 1);
        assert_eq!(world.mail(now()).await.len(), 1);
        let last = world.states().await.pop().unwrap();
        let said = format!("the program ended with {code}: {why}");
        assert_eq!(last, ("aside".into(), 1, Some(code.try_into().unwrap()), Some(said)));
    }
    send_key(world.database(), id, None, |_| Ok(()), &vendor()).await.unwrap();
    world.program.end_with(Sent::Ended(75), 10);
    let (start, mut tried) = (now(), 0);
    for hours in 0..=80 {
        tried += world.mail(after(start, Duration::from_secs(hours * 60 * 60))).await.len();
    }
    assert_eq!((tried, &*world.states().await[2].0), (10, "aside"));
    let later = start.plus_days(4);
    assert_eq!(replay_mails(world.database(), &Replay::Aside, &vendor()).await.unwrap(), 3);
    assert_eq!(world.mail(later).await.len(), 3);
    // What was mailed can be mailed again, and nothing that was not to be.
    assert_eq!(replay_mails(world.database(), &Replay::Since(Timestamp::MIN), &vendor()).await.unwrap(), 3);
    assert_eq!(world.mail(later).await.len(), 3);
    let events = service_events(&world).await;
    for (kind, mails) in [("license.created", 0), ("license.key-sent", 1)] {
        let event = events.iter().find(|event| event.kind == kind).unwrap();
        let put = replay_mails(world.database(), &Replay::Event(event.id.clone()), &vendor()).await.unwrap();
        assert_eq!((put, world.mail(later).await.len()), (mails, usize::try_from(mails).unwrap()));
    }
}

#[tokio::test]
async fn a_mail_whose_server_ended_is_sent_again_under_its_id() {
    let world = World::new(ALL).await;
    let license = world.sold().await;
    send_key(world.database(), license.terms.id, None, |_| Ok(()), &vendor()).await.unwrap();
    // It ends after the program took the mail, and before that could be noted.
    let start = now();
    let (claim, _) = world.service().claim(MAIL, AT_A_TIME, start).await.unwrap();
    let Composed::Mail(lost) = world.service().composed(&claim.claimed[0], start).await.unwrap() else {
        panic!()
    };
    assert!(world.mail(after(start, Duration::from_secs(59))).await.is_empty(), "it is somebody else's");
    let mails = world.mail(after(start, Duration::from_secs(60))).await;
    assert!(mails.len() == 1 && mails[0].as_bytes() == &**lost.to_bytes(), "{mails:?}");
}

#[tokio::test]
async fn without_the_vault_a_key_waits_and_other_mails_go_out() {
    let world = World::new(ALL).await;
    let (one, other) = (world.sold().await, world.sold().await);
    send_key(world.database(), one.terms.id, None, |_| Ok(()), &vendor()).await.unwrap();
    world.release(&world.authority.activated(&other.key).await, "lost").await;
    let blind = world.authority.restarted(true).await;
    while blind.mail(&world.program, &vendor()).await.unwrap() > 0 {}
    let mails = world.program.take();
    assert!(mails.len() == 1 && text(&mails[0]).contains("lost"), "{mails:?}");
    let vault = Vault::open(&world.authority.path("keys")).unwrap();
    let later = Occasion { time: after(now(), Duration::from_secs(10)), ..vendor() };
    let sighted = world.authority.restarted(true).await.with_vault(vault);
    sighted.mail(&world.program, &later).await.unwrap();
    assert!(text(&world.program.take()[0]).contains(one.key.as_str()));
}

#[tokio::test]
async fn a_customer_hears_that_somebody_with_the_key_gave_up_a_seat() {
    let world = World::new(ALL).await;
    let license = world.sell_with(|terms| (terms.seats, terms.replace) = (1, Some(5)), false).await.unwrap();
    let device = world.authority.activated(&license.key).await;
    let handle = device.check().unwrap().license().unwrap().handle;
    let later = now().plus_days(8);
    let customer = Occasion { time: later, ..super::super::fixture::stranger(7) };
    world.service().customer_release(license.terms.id, handle, &customer).await.unwrap();
    let mails = world.mail(later).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(header(&head(&mails[0]), "Subject"), "Example: a seat was replaced");
    assert!(text(&mails[0]).contains("somebody who has your license key"), "{mails:?}");
}

//! What mail programs, phones and editors do to the text of a message (docs/FORMAT.md, Bundles, text forms and links).

use crate::{
    support::forms::{REFUSED, TAKEN},
    vectors::{Story, story_of},
};
use nodelock::{
    ActivationRequest, Certificate, CheckInRequest, DeactivationProof, DeactivationReceipt, ErrorKind,
    License, PreflightRequest, Result, Revocation, Roots, Signed,
    authority::{ActivationFile, ReleaseClaim},
};
use std::time::{Duration, Instant};

/// The licensees that the licenses are for: with accents, with all that text programs change, and long.
fn licensees() -> [String; 3] {
    [
        "Jörg Müller & Söhne, Łódź, Ἀθῆναι, 株式会社".to_owned(),
        "O'Brien \"The Pub\" <office@example.com> - 50% + more = 100; a/b?".to_owned(),
        "Société générale d'études ".repeat(8).chars().take(199).chain(['.']).collect(),
    ]
}

/// What reads a text of one kind and gives back the envelope.
type Reader<'s> = Box<dyn Fn(&[u8]) -> Result<Vec<u8>> + 's>;

/// A message as text, and the reader of its kind.
struct Message<'s> {
    name: &'static str,
    text: String,
    envelope: Vec<u8>,
    read: Reader<'s>,
}

fn message<'s, T: nodelock::Body>(
    name: &'static str,
    signed: &Signed<T>,
    read: impl Fn(&[u8]) -> Result<Signed<T>> + 's,
) -> Message<'s> {
    Message {
        name,
        text: signed.to_text(),
        envelope: signed.as_bytes().to_vec(),
        read: Box::new(move |input| read(input).map(|read| read.as_bytes().to_vec())),
    }
}

fn messages<'s>(stories: &'s [Story], roots: &'s Roots) -> Vec<Message<'s>> {
    let [first, second, third] = stories else { panic!("three stories") };
    let device = first.license.device_key;
    let proof = DeactivationProof::verify(first.deactivation.proof(), &device).unwrap();
    vec![
        message("a license, accents", &first.license, |input| License::verify(input, roots)),
        message("a license, quotes", &second.license, |input| License::verify(input, roots)),
        message("a license, 200 characters", &third.license, |input| License::verify(input, roots)),
        message("a request", first.request.request(), ActivationRequest::verify),
        message("a proof", &proof, move |input| DeactivationProof::verify(input, &device)),
        message("a receipt", &first.proof_receipt, |input| DeactivationReceipt::verify(input, roots)),
        message("a revocation", &first.revocation, |input| Revocation::verify(input, roots)),
        message("a certificate", &first.certificate, |input| Certificate::verify(input, roots)),
        message("a check-in", &first.check_in, move |input| CheckInRequest::verify(input, &device)),
        message("a preflight", &first.preflight, move |input| PreflightRequest::verify(input, &device)),
    ]
}

/// Three stories, each with another licensee, and the vendor's roots.
fn stories() -> ([Story; 3], Roots) {
    let stories = licensees().map(|licensee| story_of(&licensee));
    let roots = Roots::new([stories[0].root.public_key()]);
    (stories, roots)
}

/// The forms that change what a header says, or make that impossible to tell.
const CHANGING: [&str; 8] = [
    "a link of mark-down",
    "quoted-printable, then quoted",
    "headers in bold",
    "read as Windows-1252, written as UTF-8",
    "Windows-1252",
    "Windows-1252 with its dashes",
    "a string of JSON",
    "smart quotes in headers",
];

/// The forms that leave no header that can be read, and so no line that its check could tell of.
const WITHOUT_HEADERS: [&str; 17] = [
    "no headers",
    "headers in capitals",
    "base64url",
    "base64url with a line end",
    "base64url, wrapped",
    "base64url, quoted",
    "base64url, bold",
    "base64url, in words",
    "base64url, a line of words behind",
    "base64url, UTF-16",
    "base64 as one line",
    "base64 as one line, in words",
    "base64, wrapped, without a block",
    "a link",
    "a link in words",
    "a link in angle brackets",
    "a link of HTML to click",
];

#[test]
fn every_form_of_a_text_is_taken_or_is_on_the_list_with_its_reason() {
    let (stories, roots) = stories();
    let messages = messages(&stories, &roots);
    assert!(messages.len() >= 8 && TAKEN.len() >= 100);
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for Message { name, text, envelope, read } in &messages {
        for (form, make) in TAKEN {
            match read(&make(text)) {
                Ok(read) if read == *envelope => taken += 1,
                Ok(_) => wrong.push(format!("{name}, {form}: another message")),
                Err(error) => wrong.push(format!("{name}, {form}: {error}")),
            }
        }
        for (form, make, why) in REFUSED {
            if read(&make(text)).is_ok() {
                wrong.push(format!("{name}, {form}: taken, although {why}"));
            }
        }
    }
    println!(
        "{taken} of {} forms taken; {} are on the list of what is refused",
        TAKEN.len() * messages.len(),
        REFUSED.len() * messages.len()
    );
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_form_that_changes_no_header_brings_no_warning_and_a_changed_header_is_named_with_its_signed_value() {
    let (stories, roots) = stories();
    let mut warned = Vec::new();
    for story in &stories {
        let text = story.license.to_text();
        for (form, make) in TAKEN {
            let license = License::verify(&make(&text), &roots).unwrap();
            if !license.changed_headers().is_empty() {
                warned.push((*form, license.changed_headers()[0].to_string()));
            }
        }
        let more = text.replacen("Licensee: ", "Licensee: 100 seats for ", 1);
        let later = text.replacen("Lease-Until: 2", "Lease-Until: 3", 1);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned() + "\n";
        let (licensee, lease) = (line("Licensee: "), line("Lease-Until: "));
        let mallory = "Licensee: Mallory\n";
        let moved = text.replacen(&licensee, "", 1).replacen("Product: ", &format!("{mallory}Product: "), 1);
        let on_top = text.replacen("Product: ", &format!("{mallory}Product: "), 1);
        let second = text.replacen(&licensee, &format!("{licensee}{mallory}"), 1);
        let wrong_lease = lease.replacen(": 2", ": 3", 1);
        let earlier = text.replacen(&lease, "", 1).replacen("Issued: ", &format!("{wrong_lease}Issued: "), 1);
        let right = text.replacen(&licensee, "", 1).replacen("Product: ", &format!("{licensee}Product: "), 1);
        assert_eq!(License::verify(right.as_bytes(), &roots).unwrap().changed_headers(), []);
        for (edited, name) in [
            (more, "Licensee"),
            (later, "Lease-Until"),
            (moved, "Licensee"),
            (on_top, "Licensee"),
            (second, "Licensee"),
            (earlier, "Lease-Until"),
        ] {
            for (form, make) in TAKEN {
                let license = License::verify(&make(&edited), &roots).unwrap();
                let changed = license.changed_headers();
                let names: Vec<_> = changed.iter().map(|header| header.name()).collect();
                match form {
                    form if WITHOUT_HEADERS.contains(form) => assert!(names.is_empty(), "{form}: {names:?}"),
                    form if CHANGING.contains(form) => assert!(names.contains(&name), "{form}: {names:?}"),
                    _ => assert_eq!(names, [name], "{form}"),
                }
                // What is said of a header is its signed value.
                let is_said =
                    changed.iter().filter(|of| of.name() == name).all(|of| text.contains(&of.to_string()));
                assert!(is_said, "{form}: {changed:?}");
            }
        }
    }
    warned.retain(|(form, _)| !CHANGING.contains(form));
    assert!(warned.is_empty(), "{warned:#?}");
}

#[test]
fn a_flipped_symbol_is_refused_in_every_form_and_its_line_is_named() {
    /// So many symbols say that a message begins, of which kind, and whose key signed it: that is read first.
    const BEGIN: usize = 16;
    let (stories, roots) = stories();
    let (mut refused, mut named) = (0, 0);
    for (nth, Message { name, text, read, .. }) in messages(&stories, &roots).iter().enumerate() {
        let start = text.find("\n\n").unwrap() + 2;
        let end = text.find("-----END").unwrap() - 3;
        for at in (start + nth..end).step_by(71).filter(|at| text.as_bytes()[*at] != b'\n') {
            let line = text[start..at].matches('\n').count() + 1;
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut flipped = text.clone();
            flipped.replace_range(at..=at, other);
            for (form, make) in TAKEN {
                let Err(error) = read(&make(&flipped)) else { panic!("{name}, {form}, {at}: taken") };
                let is_named = error.to_string().contains(&format!("line {line} of"));
                let is_told = !WITHOUT_HEADERS.contains(form);
                assert!(at - start < BEGIN || is_named == is_told, "{name}, {form}, {at}: {error}");
                refused += 1;
                named += usize::from(is_named);
            }
        }
    }
    println!("{refused} flipped texts refused, {named} with the line");
    assert!(refused > 10_000 && named > 8_000, "{named} of {refused}");
}

#[test]
fn of_a_text_with_other_messages_the_right_one_is_taken() {
    let (stories, roots) = stories();
    let story = &stories[0];
    let request = story.request.to_text();
    let license = story.license.to_text();
    let receipt = story.proof_receipt.to_text();
    let quoted = |text: &str| text.lines().map(|line| format!("> {line}\n")).collect::<String>();
    let damaged = quoted(&request).replacen("> -----END", "> -----BEGIN", 1);
    for mail in [
        format!("{request}\n{license}"),
        format!("{license}\nYou wrote:\n{}", quoted(&request)),
        format!("{license}\nYou wrote:\n{damaged}"),
        format!("{receipt}\n{license}\n{}", quoted(&story.renewal.to_text())),
    ] {
        assert_eq!(License::verify(mail.as_bytes(), &roots).unwrap(), story.license, "{mail}");
    }
    let asks = ActivationFile::read(format!("{}\n{request}", quoted(&license)).as_bytes()).unwrap();
    assert_eq!(asks.request(), story.request.request());
    // The second is the newer one, of the same device.
    let both = format!("{request}\n{}", story.second_request.to_text());
    let newest = ActivationFile::read(both.as_bytes()).unwrap();
    assert_eq!(newest.request(), story.second_request.request());

    // What the device gave up comes along with the newest, also where mail has it twice.
    let device = story.license.device_key;
    let proof = DeactivationProof::verify(story.deactivation.proof(), &device).unwrap().to_text();
    let second = story.second_request.to_text();
    for mail in [
        format!("{request}\n{proof}\n{second}\n{proof}"),
        format!("{second}\n{proof}\n{request}\n{proof}"),
        format!("{request}\n{proof}\n{second}\n{second}\n{proof}\n{proof}"),
    ] {
        let newest = ActivationFile::read(mail.as_bytes()).unwrap();
        assert_eq!(newest.request(), story.second_request.request());
        let seats: Vec<_> = newest.releases().iter().map(|claim| claim.handle()).collect();
        assert_eq!(seats, [story.deactivation.handle()], "{mail}");
    }
    let twice = ReleaseClaim::read_all(format!("{proof}\n{proof}").as_bytes()).unwrap();
    assert_eq!(twice.len(), 1);

    let two = format!("{license}\n{}", story.renewal.to_text());
    assert_eq!(License::verify(two.as_bytes(), &roots).unwrap_err().kind(), ErrorKind::SeveralMessages);
    let none = License::verify(request.as_bytes(), &roots).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::WrongType);
    let joined = license.replacen("-----END", "-----BEGIN", 1);
    assert_eq!(License::verify(joined.as_bytes(), &roots).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn the_largest_hostile_texts_are_refused_in_linear_time() {
    let roots = stories().1;
    for unit in [
        "-----BEGIN NODELOCK LICENSE-----\n",
        "BEGIN NODELOCK Tkw",
        "<a",
        "&amp;",
        "&amp;amp;",
        "=3D",
        "=\n",
        "Tkw",
        "9S60",
        "\\n",
        "> ",
        "%41",
        "<p ",
        "BEGINNODELOCKTkwBENDNODELOCK",
        "Tkw \n\n",
        "#",
        "\u{feff}",
        "&#",
        "\0<",
    ] {
        let input = unit.repeat(512 * 1024 / unit.len());
        let started = Instant::now();
        let half = License::verify(&input.as_bytes()[..input.len() / 2 / unit.len() * unit.len()], &roots);
        assert!(half.is_err());
        assert!(License::verify(input.as_bytes(), &roots).is_err());
        // Hundredths of a second; what grows with the square takes minutes.
        assert!(started.elapsed() < Duration::from_secs(20), "{unit:?}: {:?}", started.elapsed());
    }
    let longer = vec![b'A'; 512 * 1024 + 1];
    assert_eq!(License::verify(&longer, &roots).unwrap_err().kind(), ErrorKind::TooLarge);
}

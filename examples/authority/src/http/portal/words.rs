//! What each refusal means for a customer, and what to do next.

use std::time::Duration;

use axum::http::StatusCode;
use nodelock::{ErrorKind, ListedSeat, SeatList};

use super::{
    notice::{Choice, Notice, Tone},
    page,
};
use crate::http::problem::Problem;

#[cfg(test)]
mod kinds;

/// What the customer was about to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Task {
    Seats,
    Redeem,
    Activate,
    Renew,
    Release,
    Download,
    /// To send a form, of which nothing is understood yet.
    Form,
}

/// A refusal in words.
pub(super) fn refusal(problem: &Problem, task: Task) -> Notice {
    use ErrorKind as Kind;
    let say = |title: &str| Notice::new(Tone::Bad, title);
    let notice = match (problem.kind(), task) {
        (Some(Kind::TooManyAttempts), _) => {
            let wait = problem.retry_after().unwrap_or_default();
            let notice = say("Too many attempts").text(format!("Please try again in about {}.", duration(wait)));
            match task {
                Task::Redeem => notice
                    .text("The deactivation file and the QR code are not limited: they can be handed in at once."),
                _ => notice,
            }
        }
        (Some(Kind::TooLarge), _) => say("This is too large")
            .text("It was not read, and nothing has changed. Such files are a few kilobytes; this may be another file."),
        (Some(Kind::UnsupportedVersion | Kind::CriticalExtension), _) => {
            say("This was made by a newer version of the application")
                .text("It cannot be read here yet, and nothing has changed. Please ask the vendor.")
        }
        (Some(Kind::BadSignature | Kind::WeakKey), Task::Redeem) => {
            say("This was changed on the way, or belongs to another computer")
                .text("Its signature does not fit the seat that it names, so no seat was given back.")
                .text("Hand over the very file that the application wrote, as an attachment and not edited.")
        }
        (Some(Kind::BadSignature | Kind::WeakKey), _) => say("This was changed on the way")
            .text("Its signature does not fit, so nothing was done.")
            .text("Hand over the very file that the application wrote, as an attachment and not edited."),
        (Some(Kind::SeveralMessages), Task::Redeem) => say("These are several deactivations")
            .text("One seat is given back at a time, so nothing was done. Hand them in one after the other."),
        (Some(Kind::SeveralMessages), _) => say("There are several of them in this text")
            .text("They are of different computers or activations, so nothing was done. Hand in one at a time."),
        (Some(Kind::WrongRequest), Task::Redeem) => say("This belongs to another activation of that seat")
            .text("No seat was given back. Hand over what the application on that computer shows now."),
        (Some(Kind::WrongCode), _) => say("This code does not fit its seat")
            .text("It is a complete code, but not the one of the seat that it names. No seat was given back.")
            .text("Compare it with what the computer shows. If it is the same, hand in the deactivation file instead."),
        (Some(Kind::WrongType), Task::Redeem) => say("This is no deactivation")
            .text("A deactivation code or file gives one seat back. The application shows it when it gives its license up."),
        (Some(Kind::WrongType), Task::Activate) => say("This is neither an activation request nor a check-in")
            .text("The application writes a request when you enter the license key and have no network."),
        (Some(Kind::WrongMachine), Task::Renew) => say("This was written on another computer")
            .text("The license is bound to the computer that was activated, and too much of that one has changed.")
            .text("Nothing was renewed. On the computer, make a new request with the license key, or ask the vendor."),
        (Some(Kind::WrongMachine), Task::Activate) => say("This was written on another computer")
            .text("It wants to recover the license of a computer that was activated, and that was another one, or too much of it has changed.")
            .text("No seat was given. On the computer, cancel the request and make a new one with the license key, or ask the vendor."),
        (Some(Kind::Outdated), Task::Renew) => say("A later check-in came before this one")
            .text("Nothing was renewed. Let the application write a new check-in, and hand that in."),
        (Some(Kind::Outdated), Task::Activate) => say("This request is too old")
            .text("Set the clock of the computer, let the application write a new request, and hand that in."),
        (Some(Kind::UnknownSeat), Task::Renew) => say("No seat of this computer is known here")
            .text("Nothing was renewed. Perhaps the license is of another vendor; ask the one it came from."),
        (Some(Kind::LicenseWanted), _) => say("The whole check-in file is needed")
            .text("The vendor's records were restored from a backup, and yours must be completed from your license.")
            .text("Hand in the file that the application wrote, not the QR code."),
        (Some(Kind::TrialUsed), _) => say("The trial on this computer is over")
            .text("A computer has one trial of a product, whoever uses it there and however often it is installed.")
            .text("With a license that you buy it goes on: on the computer, enter the new license key, and hand in the new request. The vendor can also let the trial last longer."),
        (Some(Kind::LicenseEnded), Task::Renew) => say("The license has ended or is suspended")
            .text("It is not renewed now. Ask the vendor. Then hand this same check-in in once more."),
        (Some(Kind::NoFreeSeat), Task::Renew) => say("The seat of this computer is taken")
            .text("The license was not renewed for so long that its seat counted no more, and no seat is free now.")
            .text("Nothing was renewed. Give a seat back on another computer, or ask the vendor for more seats. Then hand this same check-in in once more.")
            .link("/seats", "See which computers have a seat"),
        (Some(Kind::NoActivationLeft), _) => say("No activation is left")
            .text("This license was activated as often as it may be, so there is no license for this computer yet. Computers that are activated stay so.")
            .text("Ask the vendor for more activations. Then hand this same request in once more.")
            .link("/seats", "See your license"),
        (Some(Kind::ApprovalWanted), _) => say("The vendor approves each computer of this license")
            .text("Your request was handed on and waits, so there is no license for this computer yet.")
            .text("When the vendor has approved it, hand this same request in once more."),
        (Some(Kind::RequestRefused), _) => say("The vendor refused this request")
            .text("There is no license for this computer. On the computer, cancel the request. Ask the vendor why."),
        (Some(Kind::NoFreeSeat), _) => no_free_seat(problem.seats())
            .link("/seats", "See which computers have a seat")
            .link("/redeem", "Give a seat back"),
        (Some(Kind::UnknownLicense), Task::Activate) => say("No license has the key in this request")
            .text("On the computer, cancel the request, enter the license key as the vendor wrote it, and hand in the new request.")
            .text("If the request was made without a license key, send it to the vendor."),
        (Some(Kind::LicenseEnded), _) => say("The license has ended or is suspended")
            .text("Nothing can be activated with it now. Seats can still be given back.")
            .text("Ask the vendor to renew it. Then hand this same request in once more."),
        (Some(Kind::RequestCancelled), _) => say("This request was cancelled")
            .text("The computer took it back before it arrived here, so it takes no seat. Make a new request there."),
        (Some(Kind::GivenUp), _) => say("The seat of this request was given back")
            .text("A seat that was given back does not come back with its old request. Make a new request on the computer."),
        (Some(Kind::Revoked), _) => say("The vendor released the seat of this request")
            .text("Make a new request on the computer, or ask the vendor."),
        (Some(Kind::WrongProduct), _) => say("This request is for another product")
            .text("Its license key belongs to a license of this vendor, but not for that application."),
        (Some(Kind::CrowdedHandle), _) => say("Too many requests came under the same name")
            .text("On the computer, cancel the request and make a new one."),
        (Some(Kind::WrongRequest), _) => say("Another request came before this one under the same name")
            .text("On the computer, cancel the request and make a new one."),
        (Some(Kind::UnknownSeat), Task::Activate) => say("No seat of this computer is known here")
            .text("The request wants to recover a lost license, but this computer has none here.")
            .text("On the computer, cancel it and make a new request with the license key, or ask the vendor."),
        (Some(Kind::ServerBusy), _) => say("There is too much to do right now")
            .text("Nothing has changed. Please try again in a few seconds; doing it twice does no harm."),
        (Some(Kind::ServerFailed), _) => say("Something went wrong here")
            .text("It is not your fault, and nothing is lost. Please try again later; doing it twice does no harm.")
            .text("If it says so again, ask the vendor."),
        (Some(Kind::Malformed), Task::Download) => say("There is nothing to download")
            .text("Only what this page has shown can be downloaded. Hand in the request, code or file once more."),
        (Some(Kind::DeactivationNotAllowed), Task::Release) => say("This seat cannot be freed here now")
            .text("Its computer was heard of within the last seven days, or too many seats of this license were replaced within a year.")
            .text("Give it back on that computer, or ask the vendor."),
        (Some(Kind::UnknownSeat), Task::Release) => {
            say("This license has no such seat").text("Nothing has changed. Look at your seats once more.")
        }
        (Some(Kind::Malformed | Kind::UnreadableCode | Kind::WrongType), _) => unreadable(task),
        (Some(kind), _) => other(kind),
        (None, _) => plain(problem.status()),
    };
    Notice { status: problem.status(), kind: problem.kind(), retry_after: problem.retry_after(), ..notice }
}

/// That something was read as nothing that the task is about.
fn unreadable(task: Task) -> Notice {
    let notice = Notice::new(Tone::Bad, "This cannot be read");
    match task {
        Task::Redeem => notice
            .text("It is neither a deactivation code of 25 characters nor a deactivation file; perhaps a part is missing.")
            .text("Copy all of it, or choose the file that the application wrote."),
        Task::Activate | Task::Renew => notice
            .text("It is neither an activation request nor a check-in, or a part of it is missing.")
            .text("Copy all of it, from the first line of dashes to the last, or choose the file that the application wrote."),
        Task::Seats | Task::Release | Task::Download | Task::Form => notice.text("Nothing has changed."),
    }
}

/// What nobody expects in that task. It was read, so the reason is said as the library has it.
fn other(kind: ErrorKind) -> Notice {
    let notice = Notice::new(Tone::Bad, "This was refused").text(format!("The reason: {}.", kind.text()));
    kind.advice().into_iter().fold(notice, Notice::text)
}

/// What went wrong before anything was read.
fn plain(status: StatusCode) -> Notice {
    let say = |title: &str| Notice::new(Tone::Bad, title);
    match status {
        StatusCode::NOT_FOUND => {
            say("There is no such page").text("Perhaps the address was not copied whole.")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            say("This page is reached through a form").text("Nothing has changed. Begin on the start page.")
        }
        StatusCode::FORBIDDEN => say("This form was sent from another website")
            .text("Nothing has changed. If you did mean to send it, open the page here and fill it in."),
        StatusCode::REQUEST_TIMEOUT => say("This took too long to arrive")
            .text("Nothing has changed. Please try again, with a better connection."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => say("This is not how the form is sent")
            .text("Nothing has changed. Open the page here and fill it in."),
        _ => say("The form arrived incomplete")
            .text("Nothing has changed. Please go back and send it once more."),
    }
}

/// That no seat is free, and what may be done: wait for the next one, give one back, or take the place of a computer
/// that is not used any more.
fn no_free_seat(seats: Option<&SeatList>) -> Notice {
    let notice = Notice::new(Tone::Bad, "No seat is free")
        .text("Every seat of this license is taken, so there is no license for this computer yet.")
        .text("Give a seat back on another computer, or ask the vendor for more seats. Then hand this same request in once more.");
    let Some(seats) = seats else { return notice };
    let notice = match seats.next_lapse {
        Some(lapse) => notice.text(format!(
            "If nothing is heard of them, the next seat becomes free on {}.",
            page::time(lapse)
        )),
        None => notice,
    };
    let (choices, others): (Vec<_>, Vec<_>) = seats.seats.iter().partition(|seat| seat.replaceable);
    let notice = match choices.is_empty() {
        true => notice,
        false => {
            notice.text("Or choose a computer below that is not used any more: this one takes its place.")
        }
    };
    let notice = others.into_iter().fold(notice, |notice, seat| {
        notice.text(format!("{}: {}, {}", seat.handle, computer(&seat.label), about(seat)))
    });
    let choices = choices.into_iter().map(|seat| Choice {
        handle: seat.handle.to_string(),
        computer: computer(&seat.label).to_owned(),
        about: about(seat),
    });
    Notice { choices: choices.collect(), ..notice }
}

fn computer(label: &str) -> &str {
    if label.is_empty() { "a computer" } else { label }
}

/// What is told of a seat in a list. Of the last contact that is the day alone.
fn about(seat: &ListedSeat) -> String {
    let lapses = seat.lapses.map_or_else(String::new, |lapse| format!(", free on {}", page::time(lapse)));
    format!("last heard of on {}{lapses}", page::day(seat.last_contact))
}

/// A time to wait, rounded up.
fn duration(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ ..90 => format!("{} seconds", seconds.max(1)),
        seconds @ ..5400 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [Task; 7] =
        [Task::Seats, Task::Redeem, Task::Activate, Task::Renew, Task::Release, Task::Download, Task::Form];

    fn told() -> impl Iterator<Item = ErrorKind> {
        ErrorKind::ALL
            .iter()
            .copied()
            .filter(|kind| *kind == ErrorKind::ServerFailed || kind.http_status() != 500)
    }

    #[test]
    fn what_is_said_is_said_in_sentences_and_in_no_jargon() {
        let statuses = [400, 403, 404, 405, 408, 415].map(|status| StatusCode::from_u16(status).unwrap());
        let mut titles = std::collections::BTreeSet::new();
        let plain = statuses.map(|status| (Problem::http(status), Task::Download));
        let refused = TASKS.into_iter().flat_map(|task| told().map(move |kind| (Problem::of(kind), task)));
        for (problem, task) in plain.into_iter().chain(refused) {
            let notice = refusal(&problem, task);
            assert_eq!((notice.status, notice.kind), (problem.status(), problem.kind()));
            assert!(!notice.text.is_empty() && !notice.title.ends_with('.'), "{}", notice.title);
            for text in notice.text.iter().chain([&notice.title]) {
                assert!(*text == notice.title || text.ends_with('.'), "{text}");
                let code = problem.kind().map(ErrorKind::code).filter(|code| code.contains('-'));
                assert!(code.is_none_or(|code| !text.contains(code)), "{text}");
            }
            if problem.kind().is_none() {
                assert!(titles.insert(notice.title), "two statuses are called the same");
            }
        }
    }

    #[test]
    fn a_wait_is_rounded_up() {
        for (seconds, words) in [
            (0, "1 seconds"),
            (89, "89 seconds"),
            (90, "2 minutes"),
            (900, "15 minutes"),
            (901, "16 minutes"),
            (5400, "2 hours"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), words);
        }
    }
}

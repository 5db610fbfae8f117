//! Each refusal that can come up on a page has words that are right for it, and each is described by some call.

use std::collections::BTreeSet;

use nodelock::{Error, ErrorKind};
use serde_json::Value;

use super::{Task, refusal};
use crate::http::{portal::notice::Notice, problem::Problem};

const TASKS: [Task; 7] =
    [Task::Seats, Task::Redeem, Task::Activate, Task::Renew, Task::Release, Task::Download, Task::Form];

/// Which call does the same as which page.
const CALLS: [(&str, Task); 3] =
    [("activate", Task::Activate), ("check_in", Task::Renew), ("deactivate", Task::Redeem)];

/// What the page of a task says in another way, since it is no refusal there: what is handed in is kept.
const KEPT: [(Task, ErrorKind); 1] = [(Task::Redeem, ErrorKind::UnknownSeat)];

/// What comes up on no page: a deployment key goes with a call of its device alone.
const ON_NO_PAGE: [ErrorKind; 2] = [ErrorKind::DeploymentKeyRefused, ErrorKind::DeploymentKeyUsedUp];

/// Whose refusal the portal's own page is alone in.
const OF_NO_CALL: [ErrorKind; 1] = [ErrorKind::DeactivationNotAllowed];

fn said(kind: ErrorKind, task: Task) -> Notice {
    refusal(&Problem::from(Error::new(kind, "the seat, the key and the time")), task)
}

fn described(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn devices() -> Value {
    described(include_str!("../../../../openapi.json"))
}

/// What stands behind "Codes:" in a description.
fn codes(description: &str) -> impl Iterator<Item = &str> {
    let list = description.split_once("Codes:").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2)
}

/// The kinds that a call refuses with, as its description has them.
fn refusals(api: &Value, operation: &str) -> BTreeSet<&'static str> {
    let paths = api["paths"].as_object().unwrap().values();
    let mut calls = paths.flat_map(|path| path.as_object().unwrap().values());
    let call = calls.find(|call| call["operationId"] == operation).unwrap();
    let mut found = BTreeSet::new();
    for (status, answer) in call["responses"].as_object().unwrap() {
        let answer = match answer["$ref"].as_str() {
            Some(name) => api.pointer(name.trim_start_matches('#')).unwrap(),
            None => answer,
        };
        if status.parse::<u16>().unwrap() >= 400 {
            let listed = codes(answer["description"].as_str().unwrap());
            found.extend(listed.filter_map(ErrorKind::from_code).map(ErrorKind::code));
        }
    }
    found
}

#[test]
fn only_what_was_not_read_is_said_to_be_unreadable() {
    let unread = [ErrorKind::Malformed, ErrorKind::UnreadableCode, ErrorKind::WrongType];
    let mut told = BTreeSet::new();
    for task in TASKS {
        for kind in ErrorKind::ALL {
            let notice = said(*kind, task);
            let text = format!("{}\n{}", notice.title, notice.text.join("\n"));
            assert!(!notice.text.is_empty(), "{task:?}, {kind:?}: {text}");
            match notice.title.as_str() {
                "This cannot be read" => {
                    assert!(unread.contains(kind), "{task:?}, {kind:?}: {text}");
                    told.insert(kind.code());
                }
                "There is nothing to download" => {
                    assert!(task == Task::Download, "{task:?}, {kind:?}: {text}")
                }
                _ => {}
            }
        }
    }
    assert_eq!(told.len(), unread.len());
}

#[test]
fn each_refusal_of_a_call_has_words_of_its_own_on_the_page_that_does_the_same() {
    let api = devices();
    for (operation, task) in CALLS {
        let refusals = refusals(&api, operation);
        assert!(refusals.len() > 10, "{operation}: {refusals:?}");
        for code in refusals {
            let kind = ErrorKind::from_code(code).unwrap();
            let is_none = KEPT.contains(&(task, kind)) || ON_NO_PAGE.contains(&kind);
            assert_eq!(said(kind, task).title == "This was refused", is_none, "{task:?}, {kind:?}");
        }
    }
}

#[test]
fn each_kind_that_an_authority_refuses_with_is_a_code_of_a_call() {
    let listed: BTreeSet<&str> =
        CALLS.iter().flat_map(|(operation, _)| refusals(&devices(), operation)).collect();
    let refused = ErrorKind::ALL.iter().filter(|kind| (400..500).contains(&kind.http_status()));
    for kind in refused {
        assert_eq!(listed.contains(kind.code()), !OF_NO_CALL.contains(kind), "{kind:?}");
    }
}

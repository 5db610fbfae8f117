//! Events are told at least once, in order and with one id each, wherever the server is killed.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, SystemTime},
};

use nodelock::Timestamp;
use serde_json::Value;

use super::waiting::{CLAIM, wait};
use crate::support::{
    responder::{Received, Responder, http},
    server::{Authority, PRODUCT},
};

/// Where the server is killed.
#[derive(Clone, Copy)]
enum Kill {
    /// Before it has heard of the event.
    Before,
    /// While the receiver has the message and has not answered.
    Unanswered,
    /// Once the receiver has answered, whether that is noted or not.
    Answered,
}

/// The id and the number of an event that came.
fn told(received: &Received) -> (String, u64) {
    let id = received.head.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap();
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    (id.to_owned(), body["data"]["sequence"].as_u64().unwrap())
}

#[test]
fn an_event_is_told_at_least_once_and_in_order_wherever_the_server_is_killed() {
    let _up = crate::database_stays();
    let mut now = Timestamp::from(SystemTime::now()).unix_seconds();
    let options = ["--webhook-allow", "127.0.0.1"];
    let Some(authority) = Authority::over_time_with(PRODUCT, now, &options) else { return };
    let receiver = Responder::saying(http("200 OK", "", b""));
    let webhook = authority.vendor(&["webhook", "add", &receiver.url()])["id"].as_str().unwrap().to_owned();
    let sold = authority.vendor(&["license", "new", "--licensee", "Jane Doe", "--seats", "1"]);
    let license = sold["license"].as_str().unwrap().to_owned();
    let mut came = Vec::new();
    for (kill, act) in [
        (Kill::Before, "suspend"),
        (Kill::Unanswered, "resume"),
        (Kill::Answered, "suspend"),
        (Kill::Unanswered, "resume"),
        (Kill::Before, "suspend"),
        (Kill::Answered, "resume"),
    ] {
        if let Kill::Before = kill {
            authority.kill();
        } else {
            // What was on its way comes first, so that the next message is of what happens next.
            wait("all before", &authority, &mut now, || {
                let deliveries = authority.vendor(&["webhook", "deliveries", &webhook]);
                deliveries["deliveries"].as_array().unwrap().iter().all(|row| row["state"] == "delivered")
            });
            came.extend(receiver.take_received());
        }
        if let Kill::Unanswered = kill {
            receiver.answer(|_, _| thread::sleep(Duration::from_secs(30)));
        }
        authority.vendor(&["license", act, &license]);
        if !matches!(kill, Kill::Before) {
            let before = came.len();
            wait("the message", &authority, &mut now, || {
                came.extend(receiver.take_received());
                came.len() > before
            });
            authority.kill();
        }
        receiver.answer(|_, stream| {
            let _ = std::io::Write::write_all(stream, &http("200 OK", "", b""));
        });
        now += CLAIM;
        authority.clock().set(now);
        authority.restart();
    }
    wait("the end", &authority, &mut now, || {
        came.extend(receiver.take_received());
        came.last().is_some_and(|last| told(last).1 == 7)
    });
    let told: Vec<(String, u64)> = came.iter().map(told).collect();
    assert!(told.is_sorted_by_key(|(_, number)| *number), "out of order: {told:?}");
    let ids: BTreeMap<u64, &str> = told.iter().map(|(id, number)| (*number, &**id)).collect();
    assert_eq!(ids.keys().copied().collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    assert!(told.iter().all(|(id, number)| ids[number] == id), "an event has two ids: {told:?}");
    assert!(told.len() >= 9, "what was not answered was told again: {told:?}");
    authority.vendor(&["verify"]);
}

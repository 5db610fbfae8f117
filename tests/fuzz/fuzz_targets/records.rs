//! The records that a host hands to the C interface, and the decisions on them.
//!
//! An input is an act's number and JSON records, a line each with a letter in front: `L`icense, `S`eat, `E`vidence,
//! `C`heck-in, `A`ttempts, `N`umber of times, `H`istory, `P`age, `R`equest. Each query gets all lines of its letter.
#![no_main]
#![allow(unsafe_code, reason = "a caller of the C interface")]

use std::{
    ffi::{CStr, CString, c_char},
    ptr,
};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use nodelock::{
    authority::{Allowances, Approval, Attempts, Count, History, LicenseRecord, LicenseTerms, Seat},
    ffi::*,
};
use nodelock_fuzz::{NOW, mutate_text, planted, world};
use serde::{Serialize, de::DeserializeOwned};

/// The letters of the queries, by their number from 1 on.
const LETTERS: [u8; 15] = *b"LLSSECANSSSHPSR";
const OK: nodelock_status = nodelock_status::NODELOCK_OK;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_text(data, size, max_size, 1, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

fuzz_target!(|data: &[u8]| {
    let Some((act, rest)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(rest) else { return };
    let lines: Vec<&str> = text.lines().filter(|line| line.is_char_boundary(1) && !line.is_empty()).collect();
    for line in &lines {
        let json = &line[1..];
        same::<Seat>(json);
        same::<LicenseRecord>(json);
        same::<LicenseTerms>(json);
        same::<Attempts>(json);
        same::<History>(json);
        same::<Count>(json);
        same::<Approval>(json);
    }
    let records: Vec<(u8, CString)> =
        lines.iter().filter_map(|line| Some((line.as_bytes()[0], CString::new(&line[1..]).ok()?))).collect();
    // SAFETY: `decide` hands over pointers to what it holds, and frees each object once.
    unsafe { decide(*act, &records) };
});

/// A record that is read is written in a form that is read as the same.
fn same<T: Serialize + DeserializeOwned + PartialEq>(json: &str) {
    if let Ok(record) = serde_json::from_str::<T>(json) {
        let written = serde_json::to_string(&record).expect("records can be written");
        assert!(serde_json::from_str::<T>(&written).is_ok_and(|again| again == record), "{written}");
    }
}

unsafe fn decide(act: u8, found: &[(u8, CString)]) {
    let mut records = ptr::null_mut();
    let mut key = ptr::null_mut();
    let mut issuer = ptr::null_mut();
    let none = ptr::null_mut();
    let secret = world().root.to_bytes();
    // SAFETY: bytes and texts that live, places for the results; what is made is freed once.
    unsafe {
        assert!(nodelock_key_read(secret.as_ptr(), secret.len(), &mut key, none) == OK);
        assert!(nodelock_issuer_new(key, ptr::null(), 0, ptr::null(), &mut issuer, none) == OK);
        assert!(nodelock_records_new(issuer, c"0909090909090909".as_ptr(), &mut records, none) == OK);
        nodelock_issuer_free(issuer);
        nodelock_key_free(key);
    }
    for _ in 0..16 {
        // SAFETY: records that live.
        let Some(decision) = (unsafe { begin(act, records) }) else { break };
        // SAFETY: objects that live.
        let goes_on = unsafe { answer(decision, records, found) };
        // SAFETY: nobody uses it any more.
        unsafe { nodelock_decision_free(decision) };
        if !goes_on {
            break;
        }
    }
    // SAFETY: nobody uses them any more.
    unsafe { nodelock_records_free(records) };
}

/// Calls the decision of an act on a genuine message.
unsafe fn begin(act: u8, records: *const nodelock_records) -> Option<*mut nodelock_decision> {
    let world = world();
    let message =
        |name: &str| &world.messages.iter().find(|m| m.name == name).expect("there is one").envelope[..];
    let text = |text: &str| CString::new(text).expect("no NUL");
    let seat = text(&world.ledgers[1].seats.values().next().expect("a seat").name().to_string());
    let (mut decision, mut activation, mut release) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let none = ptr::null_mut();
    // SAFETY: pointers to what lives until the end of this function, with their sizes; places for the results; what is
    // made here is freed here.
    let status = unsafe {
        match act % 14 {
            0 | 1 => {
                let request = message("request");
                assert!(
                    nodelock_activation_read(request.as_ptr(), request.len(), &mut activation, none) == OK
                );
                let license = text(&world.ledgers[0].terms[0].id.to_string());
                let license = if act % 14 == 0 { ptr::null() } else { license.as_ptr() };
                nodelock_decide_activation(activation, license, records, NOW, &mut decision, none)
            }
            2 => {
                let proof = message("proof");
                assert!(nodelock_release_read(proof.as_ptr(), proof.len(), &mut release, none) == OK);
                nodelock_decide_release(release, records, NOW, &mut decision, none)
            }
            3 => nodelock_decide_code(text(&world.code).as_ptr(), records, NOW, &mut decision, none),
            4 => {
                let data = message("check-in");
                nodelock_decide_check_in(data.as_ptr(), data.len(), records, NOW, &mut decision, none)
            }
            5 => {
                let data = message("preflight");
                nodelock_decide_preflight(data.as_ptr(), data.len(), records, NOW, &mut decision, none)
            }
            6 => nodelock_decide_renewal(seat.as_ptr(), records, NOW, &mut decision, none),
            7 => {
                let notice = text("lost");
                let notice = notice.as_ptr();
                nodelock_decide_forced_release(seat.as_ptr(), notice, records, NOW, &mut decision, none)
            }
            11 => nodelock_decide_unrelease(seat.as_ptr(), records, NOW, &mut decision, none),
            12 => nodelock_decide_trial(seat.as_ptr(), NOW, records, NOW, &mut decision, none),
            13 => {
                let reason = if act < 128 { ptr::null() } else { c"another computer".as_ptr() };
                nodelock_decide_approval(seat.as_ptr(), reason, records, NOW, &mut decision, none)
            }
            8 => nodelock_decide_return(seat.as_ptr(), records, NOW, &mut decision, none),
            9 => {
                let license = world.ledgers[0].terms[0].id;
                let extra = if act < 128 { "null" } else { "1" };
                let allow =
                    format!(r#"{{"license":"{license}","allowance":"deactivations","extra":{extra}}}"#);
                nodelock_decide_allowance(text(&allow).as_ptr(), records, NOW, &mut decision, none)
            }
            _ => {
                let note = text(r#"{"outside": "0808080808080808"}"#);
                nodelock_decide_note(note.as_ptr(), records, NOW, &mut decision, none)
            }
        }
    };
    // SAFETY: NULL, or made above.
    unsafe {
        nodelock_activation_free(activation);
        nodelock_release_free(release);
    }
    assert_eq!(status == OK, !decision.is_null(), "a result if and only if it went well");
    (status == OK).then_some(decision)
}

/// Answers what a decision needs; looks at all that a made one has. Returns whether there is more to decide.
unsafe fn answer(
    decision: *const nodelock_decision,
    records: *mut nodelock_records,
    found: &[(u8, CString)],
) -> bool {
    // SAFETY: objects that live, and texts lent by them.
    unsafe {
        for query in 0..nodelock_decision_query_count(decision) {
            let kind = nodelock_decision_query_kind(decision, query);
            let value = nodelock_decision_query_value(decision, query);
            let letter = LETTERS[kind as usize - 1];
            let of_letter = found.iter().filter(|(l, _)| *l == letter);
            let texts: Vec<*const c_char> = of_letter.map(|(_, text)| text.as_ptr()).collect();
            let status =
                nodelock_records_answer(records, kind, value, texts.as_ptr(), texts.len(), ptr::null_mut());
            if status == OK && letter == b'S' {
                planted(texts.len(), 2);
            }
            if status != OK {
                // So that one wrong record does not hide what the others come to.
                let nothing = nodelock_records_answer(records, kind, value, ptr::null(), 0, ptr::null_mut());
                assert!(nothing == OK, "nothing is an answer to every query");
            }
        }
        if nodelock_decision_has_slow_verifications(decision) {
            return false;
        }
        if nodelock_decision_has_verifications(decision) {
            assert!(nodelock_records_verify(records, decision, ptr::null_mut()) == OK);
        }
        if nodelock_decision_outcome(decision) == NODELOCK_DECISION_NEEDS {
            return true;
        }
        for change in 0..nodelock_decision_change_count(decision) {
            let record = nodelock_decision_change_record(decision, change);
            let name = nodelock_decision_change_name(decision, change);
            assert!(!name.is_null());
            if record.is_null() {
                continue;
            }
            let record = CStr::from_ptr(record).to_str().expect("records are UTF-8");
            match nodelock_decision_change_kind(decision, change) {
                NODELOCK_CHANGE_INSERT_SEAT | NODELOCK_CHANGE_UPDATE_SEAT => {
                    serde_json::from_str::<Seat>(record).map(drop).expect("a seat that can be read again");
                }
                NODELOCK_CHANGE_ATTEMPTS => {
                    serde_json::from_str::<Attempts>(record).map(drop).expect("it can be read again");
                }
                NODELOCK_CHANGE_APPROVAL => {
                    serde_json::from_str::<Approval>(record).map(drop).expect("it can be read again");
                }
                NODELOCK_CHANGE_COUNT => {
                    serde_json::from_str::<Count>(record).map(drop).expect("it can be read again");
                }
                NODELOCK_CHANGE_ALLOWANCES => {
                    serde_json::from_str::<Allowances>(record).map(drop).expect("it can be read again");
                }
                _ => {}
            }
        }
        for event in 0..nodelock_decision_event_count(decision) {
            assert!(!nodelock_decision_event_name(decision, event).is_null());
            assert!(!nodelock_decision_event_detail(decision, event).is_null());
        }
        let _ = nodelock_decision_is_allowed(decision);
        false
    }
}

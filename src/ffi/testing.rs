//! A vendor in memory for the tests of a host, feature `testing`.

use std::{
    ffi::{CString, c_char},
    ptr,
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    boundary::{Out, Result, c_string, fallible, free, look, object, object_mut, optional_text, slice, text},
    bytes::nodelock_bytes,
    config::nodelock_config,
    error::nodelock_error,
    status::nodelock_status,
};
use crate::{
    Clock as _, Error, ErrorKind,
    authority::{HandedIn, LicenseTerms},
    code::Handle,
    error::shown,
    testing::{Fault, Machine, TestAuthority},
};

/// No fault: calls arrive and are answered.
pub const NODELOCK_TEST_FAULT_NONE: u32 = 0;
/// Nobody can be reached: NODELOCK_UNREACHABLE. Nothing arrives.
pub const NODELOCK_TEST_FAULT_DOWN: u32 = 1;
/// Nothing arrives and nothing is said, until the time of the exchange is up or it is cancelled.
pub const NODELOCK_TEST_FAULT_SILENT: u32 = 2;
/// Nothing arrives: NODELOCK_TIMED_OUT at once, for a test that need not wait.
pub const NODELOCK_TEST_FAULT_TIMED_OUT: u32 = 3;
/// The authority decides and stores, and its answer gets lost: NODELOCK_UNREACHABLE.
pub const NODELOCK_TEST_FAULT_ANSWER_LOST: u32 = 4;
/// The same, and half of the answer comes as if it were all of it: NODELOCK_BAD_REPLY.
pub const NODELOCK_TEST_FAULT_ANSWER_CUT: u32 = 5;
/// Something else answers: NODELOCK_BAD_REPLY.
pub const NODELOCK_TEST_FAULT_STRANGER: u32 = 6;
/// The authority has no time: NODELOCK_SERVER_BUSY.
pub const NODELOCK_TEST_FAULT_BUSY: u32 = 7;
/// The authority fails: NODELOCK_SERVER_FAILED.
pub const NODELOCK_TEST_FAULT_FAILED: u32 = 8;
/// The server's certificate is from nobody who is trusted: NODELOCK_TLS_UNTRUSTED.
pub const NODELOCK_TEST_FAULT_TLS_UNTRUSTED: u32 = 9;
/// The server's certificate is for another host: NODELOCK_TLS_WRONG_HOST.
pub const NODELOCK_TEST_FAULT_TLS_WRONG_HOST: u32 = 10;
/// The server's certificate has expired: NODELOCK_TLS_EXPIRED.
pub const NODELOCK_TEST_FAULT_TLS_EXPIRED: u32 = 11;

/// A physical computer. The same name is the same computer.
pub const NODELOCK_TEST_MACHINE_SAME: u32 = 0;
/// The same with another network card. It still matches.
pub const NODELOCK_TEST_MACHINE_CHANGED_A_LITTLE: u32 = 1;
/// The same with its system installed anew and another network card: it gets the days of grace.
pub const NODELOCK_TEST_MACHINE_CHANGED_MUCH: u32 = 2;
/// With another disk, too: another machine, as far as can be told.
pub const NODELOCK_TEST_MACHINE_CHANGED_TOO_MUCH: u32 = 3;
/// The same from inside a sandbox that shows no more than model and processor.
pub const NODELOCK_TEST_MACHINE_HIDDEN: u32 = 4;
/// A virtual machine of that name.
pub const NODELOCK_TEST_MACHINE_VIRTUAL: u32 = 5;

/// A vendor in memory that answers the online calls of any number of clients, by the rules that an authority has, with
/// a clock of its own. Belongs to the caller; may be used from any number of threads at a time. Clients that were set
/// up for it go on when it is freed.
pub struct nodelock_test_authority {
    authority: TestAuthority,
    root: CString,
}

fn invalid(about: &'static str) -> super::error::CallError {
    Error::new(ErrorKind::InvalidInput, about).into()
}

/// The fault of that number; none for NODELOCK_TEST_FAULT_NONE.
fn fault(number: u32) -> Result<Option<Fault>> {
    Ok(Some(match number {
        NODELOCK_TEST_FAULT_NONE => return Ok(None),
        NODELOCK_TEST_FAULT_DOWN => Fault::Down,
        NODELOCK_TEST_FAULT_SILENT => Fault::Silent,
        NODELOCK_TEST_FAULT_TIMED_OUT => Fault::TimedOut,
        NODELOCK_TEST_FAULT_ANSWER_LOST => Fault::AnswerLost,
        NODELOCK_TEST_FAULT_ANSWER_CUT => Fault::AnswerCut,
        NODELOCK_TEST_FAULT_STRANGER => Fault::Stranger,
        NODELOCK_TEST_FAULT_BUSY => Fault::Busy { retry_after: None },
        NODELOCK_TEST_FAULT_FAILED => Fault::Failed,
        NODELOCK_TEST_FAULT_TLS_UNTRUSTED => Fault::TlsUntrusted,
        NODELOCK_TEST_FAULT_TLS_WRONG_HOST => Fault::TlsWrongHost,
        NODELOCK_TEST_FAULT_TLS_EXPIRED => Fault::TlsExpired,
        _ => return Err(invalid("fault: one of NODELOCK_TEST_FAULT_*")),
    }))
}

/// Changes terms by the members of a JSON object. Which license it is, and of which product, stays.
fn change(terms: &mut LicenseTerms, members: Option<&str>) -> crate::Result<()> {
    let wrong = |about: String| Error::new(ErrorKind::InvalidInput, about);
    let no_object = |cause: serde_json::Error| wrong(format!("the terms are no JSON object: {cause}"));
    let Some(members) = members else { return Ok(()) };
    let members: Map<String, Value> = serde_json::from_str(members).map_err(no_object)?;
    if ["id", "product"].iter().any(|fixed| members.contains_key(*fixed)) {
        return Err(wrong("id and product of a license cannot be changed".to_owned()));
    }
    let mut changed = terms.clone();
    // One at a time, so that an error names the member.
    for (name, value) in members {
        let of_the_member =
            |cause: serde_json::Error| wrong(format!("the member {} of the terms: {cause}", shown(&name)));
        let mut record = serde_json::to_value(&changed).map_err(of_the_member)?;
        record[&name] = value;
        changed = serde_json::from_value(record).map_err(of_the_member)?;
    }
    changed.validate()?;
    *terms = changed;
    Ok(())
}

/// A vendor of a product, whose name is 1 to 64 bytes on one line. Its keys are the same in every run, and its clock
/// stands at 1,800,000,000 until it is moved.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_new(
    product: *const c_char,
    authority: *mut *mut nodelock_test_authority,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let out = Out::new(authority)?;
            let product = text(product, "product")?;
            crate::message::check_product(product)?;
            let authority = TestAuthority::new(product);
            let root = c_string(authority.vendor().root().to_string());
            out.set(nodelock_test_authority { authority, root });
            Ok(())
        })
    }
}

/// The root key that its licenses are trusted by. Lent until the authority is freed. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_test_authority_root(
    authority: *const nodelock_test_authority,
) -> *const c_char {
    // SAFETY: NULL or an authority that lives.
    unsafe { look(authority, ptr::null(), |authority| authority.root.as_ptr()) }
}

/// Sells a license and returns its key, as text. `other_terms` are the terms that differ from the defaults, as a JSON
/// object with members as nodelock_terms_check() has them: `{"seats": 2, "expires": 1800086400}`. By default it has one
/// seat, starts now, never expires and has a lease of 90 days. NULL is fine. `id` and `product` cannot be named.
///
/// NODELOCK_INVALID_INPUT: no such members, or terms that cannot be. Nothing is sold then.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_sell(
    authority: *const nodelock_test_authority,
    other_terms: *const c_char,
    license_key: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let license_key = Out::<nodelock_bytes>::new(license_key)?;
            let authority = &object(authority, "authority")?.authority;
            let members = optional_text(other_terms, "other_terms")?;
            license_key.set(authority.vendor().sell_if(1, |terms| change(terms, members))?);
            Ok(())
        })
    }
}

/// Makes a deployment key that so many machines may take a seat of a license with
/// (nodelock_config_set_deployment_key()), as text. No clock ends it.
///
/// NODELOCK_UNKNOWN_LICENSE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_new_deployment_key(
    authority: *const nodelock_test_authority,
    license_key: *const c_char,
    most: u32,
    deployment_key: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let deployment_key = Out::<nodelock_bytes>::new(deployment_key)?;
            let authority = &object(authority, "authority")?.authority;
            let license_key = text(license_key, "license_key")?;
            deployment_key.set(authority.vendor().new_deployment_key(license_key, most)?);
            Ok(())
        })
    }
}

/// Revokes a deployment key: the next request with it is refused. The seats that were taken with it stay.
///
/// NODELOCK_DEPLOYMENT_KEY_REFUSED: nobody has that one.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_revoke_deployment_key(
    authority: *const nodelock_test_authority,
    deployment_key: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or text; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let authority = &object(authority, "authority")?.authority;
            Ok(authority.vendor().revoke_deployment_key(text(deployment_key, "deployment_key")?)?)
        })
    }
}

/// Changes the terms of a license by the members of a JSON object, such as `{"suspended": true}`. What devices hold
/// says so after their next renewal.
///
/// NODELOCK_UNKNOWN_LICENSE. NODELOCK_INVALID_INPUT as for a sale: the terms stay what they were.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_change_terms(
    authority: *const nodelock_test_authority,
    license_key: *const c_char,
    members: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or texts; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let authority = &object(authority, "authority")?.authority;
            let license_key = text(license_key, "license_key")?;
            let members = text(members, "members")?;
            Ok(change(authority.vendor().terms(license_key)?, Some(members))?)
        })
    }
}

/// How many seats of a license are taken. 0 for NULL and for a key that nobody was sold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_test_authority_taken(
    authority: *const nodelock_test_authority,
    license_key: *const c_char,
) -> u32 {
    // SAFETY: NULL or an authority that lives; NULL or text.
    unsafe {
        look(authority, 0, |authority| {
            let usage = text(license_key, "license_key").ok().map(|key| authority.authority.usage(key));
            usage.and_then(crate::Result::ok).map_or(0, |usage| usage.taken)
        })
    }
}

/// Releases the seat of a device that is lost, by its name (nodelock_license_seat()). The device hears of it, and of
/// the notice, when it next checks in.
///
/// NODELOCK_UNREADABLE_CODE, NODELOCK_TOO_LARGE: not a seat's name. NODELOCK_UNKNOWN_SEAT, NODELOCK_GIVEN_UP.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_release(
    authority: *const nodelock_test_authority,
    seat: *const c_char,
    notice: *const c_char,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or texts; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let authority = &object(authority, "authority")?.authority;
            let (seat, notice) = (text(seat, "seat")?, optional_text(notice, "notice")?);
            Ok(authority.release(seat.parse::<Handle>()?, notice.unwrap_or_default())?)
        })
    }
}

/// What the clock of the authority and of its clients shows: seconds since 1970. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_test_authority_now(authority: *const nodelock_test_authority) -> u64 {
    // SAFETY: NULL or an authority that lives.
    unsafe { look(authority, 0, |authority| authority.authority.clock().now().unix_seconds()) }
}

/// Sets that clock. It stands still until it is set again or moved on.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_set_time(
    authority: *const nodelock_test_authority,
    time: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            object(authority, "authority")?.authority.clock().set(time);
            Ok(())
        })
    }
}

/// Lets that many seconds pass, up to the end of the year 9999. A day has 86,400.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_advance(
    authority: *const nodelock_test_authority,
    seconds: u64,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            object(authority, "authority")?.authority.clock().advance(Duration::from_secs(seconds));
            Ok(())
        })
    }
}

/// Lets every exchange meet a fault from now on: one of NODELOCK_TEST_FAULT_*. NODELOCK_TEST_FAULT_NONE ends that.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_fail(
    authority: *const nodelock_test_authority,
    fault: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let authority = &object(authority, "authority")?.authority;
            authority.fail(self::fault(fault)?);
            Ok(())
        })
    }
}

/// Lets the next exchange meet a fault, or the one after those that are waiting to be met. With
/// NODELOCK_TEST_FAULT_NONE that exchange meets none, whatever nodelock_test_authority_fail() says. A call may be
/// several exchanges: a deactivation asks whether it may, then sends its proof.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_fail_next(
    authority: *const nodelock_test_authority,
    fault: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let authority = &object(authority, "authority")?.authority;
            authority.fail_next(self::fault(fault)?);
            Ok(())
        })
    }
}

/// Answers a file that is carried to the authority by hand, in any form: an activation file, a check-in file, or a
/// deactivation proof. The answer is a file for nodelock_client_accept().
///
/// What the authority refuses, and the codes of a message.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_answer(
    authority: *const nodelock_test_authority,
    data: *const u8,
    size: usize,
    answer: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; as many bytes as said; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let answer = Out::<nodelock_bytes>::new(answer)?;
            let authority = &object(authority, "authority")?.authority;
            let input = slice(data, size, "data")?;
            let mut vendor = authority.vendor();
            answer.set(match HandedIn::read(input, &vendor.roots)? {
                HandedIn::Activation(_) => vendor.activate(input)?.to_bytes(),
                HandedIn::CheckIn(_) => vendor.check_in(input)?.to_bytes(),
                HandedIn::Releases(_) => vendor.redeem(input)?.as_bytes().to_vec(),
                HandedIn::Issued(_) => {
                    return Err(Error::new(
                        ErrorKind::WrongType,
                        "this is what an authority issued, and not what a device hands in",
                    )
                    .into());
                }
            });
            Ok(())
        })
    }
}

/// Redeems a deactivation code as somebody typed it. The receipt is a file for nodelock_client_accept().
///
/// NODELOCK_UNREADABLE_CODE, NODELOCK_WRONG_CODE, NODELOCK_UNKNOWN_SEAT, NODELOCK_TOO_MANY_ATTEMPTS.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_test_authority_redeem_code(
    authority: *const nodelock_test_authority,
    typed: *const c_char,
    receipt: *mut *mut nodelock_bytes,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or an authority that lives; NULL or text; NULL or places for the results.
    unsafe {
        fallible(error, &mut || {
            let receipt = Out::<nodelock_bytes>::new(receipt)?;
            let authority = &object(authority, "authority")?.authority;
            let redeemed = authority.vendor().redeem_code(text(typed, "typed")?)?;
            receipt.set(redeemed.as_bytes().to_vec());
            Ok(())
        })
    }
}

/// Frees an authority. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nodelock_test_authority_free(authority: *mut nodelock_test_authority) {
    // SAFETY: NULL or an authority that nobody uses any more.
    unsafe { free(authority) }
}

/// Sets clients up for an authority in memory: they trust its root, go by its clock, and send to it what they would
/// send over a network. Roots, an authority, a transport, a clock and a proxy that are set beside it are passed
/// over, so that an application sets up what it always does; without `online`, too. Each exchange is tried once, unless
/// nodelock_config_set_patience() says otherwise, so that a fault is what the application gets to see.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_test_authority(
    config: *mut nodelock_config,
    authority: *const nodelock_test_authority,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or an authority that lives; NULL or a place for
    // the error.
    unsafe {
        fallible(error, &mut || {
            let config = object_mut(config, "config")?;
            config.test_authority = Some(object(authority, "authority")?.authority.clone());
            Ok(())
        })
    }
}

/// Has clients believe that they are on the machine of that name: `kind` is one of NODELOCK_TEST_MACHINE_*. Components
/// that are set beside it are passed over. A client looks at its machine once, so for a changed one make a new client
/// over the same store.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nodelock_config_set_test_machine(
    config: *mut nodelock_config,
    name: *const c_char,
    kind: u32,
    error: *mut *mut nodelock_error,
) -> nodelock_status {
    // SAFETY: NULL or a config that nobody else uses meanwhile; NULL or text; NULL or a place for the error.
    unsafe {
        fallible(error, &mut || {
            let config = object_mut(config, "config")?;
            let name = text(name, "name")?;
            let machine = Machine::new(name);
            config.test_machine = Some(match kind {
                NODELOCK_TEST_MACHINE_SAME => machine,
                NODELOCK_TEST_MACHINE_CHANGED_A_LITTLE => machine.changed_a_little(),
                NODELOCK_TEST_MACHINE_CHANGED_MUCH => machine.changed_much(),
                NODELOCK_TEST_MACHINE_CHANGED_TOO_MUCH => machine.changed_too_much(),
                NODELOCK_TEST_MACHINE_HIDDEN => machine.hidden(),
                NODELOCK_TEST_MACHINE_VIRTUAL => Machine::virtual_machine(name),
                _ => return Err(invalid("kind: one of NODELOCK_TEST_MACHINE_*")),
            });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cannot_be_are_neither_sold_nor_changed() {
        let authority = TestAuthority::new("Example Editor");
        let sold = authority.sell(1).unwrap();
        let id = authority.vendor().terms(&sold).unwrap().id;
        let (key, authority) =
            (CString::new(sold).unwrap(), nodelock_test_authority { authority, root: CString::default() });
        for terms in [
            c"[]",
            c"{\"seat\": 2}",
            c"{\"margin_days\": 0}",
            c"{\"seats\": 2, \"id\": \"00000000000000000000000000000000\"}",
            c"{\"product\": \"Another\"}",
        ] {
            let (mut made, error) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: an authority that lives, texts, a place for the key, none for the error.
            let (sale, edit) = unsafe {
                (
                    nodelock_test_authority_sell(&authority, terms.as_ptr(), &mut made, error),
                    nodelock_test_authority_change_terms(&authority, key.as_ptr(), terms.as_ptr(), error),
                )
            };
            assert_eq!((sale, edit), (nodelock_status::NODELOCK_INVALID_INPUT, sale), "{terms:?}");
            let vendor = authority.authority.vendor();
            let [kept] = &vendor.ledger.terms[..] else { panic!("something was sold on {terms:?}") };
            assert_eq!((kept.id, &*kept.product, kept.seats), (id, "Example Editor", 1), "{terms:?}");
        }
    }
}

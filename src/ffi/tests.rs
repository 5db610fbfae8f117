//! Panics behind the boundary: from C there is no way to cause one.

use std::{
    ffi::{CStr, c_char, c_void},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use super::*;
use crate::{
    CancelToken, Client, Clock, Post, Roots, SigningKey, Store, SystemRandom, Timestamp, Transport as _,
};

/// A clock that panics when it is told to.
struct Panicking(Arc<AtomicBool>);

impl Clock for Panicking {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::Relaxed), "this panic is meant to be");
        Timestamp::from_unix_seconds(1_800_000_000)
    }
}

fn client(
    store: &Store,
    panics: &Arc<AtomicBool>,
    log: Option<Arc<callback::LogCallback>>,
) -> *mut nodelock_client {
    let roots = Roots::new([SigningKey::generate(&SystemRandom).unwrap().public_key()]);
    let client = Client::builder("Example", roots).store(store.clone()).clock(Panicking(Arc::clone(panics)));
    boundary::give(nodelock_client::new(client.build().unwrap(), log))
}

unsafe extern "C" fn count(
    data: *mut c_void,
    _: u32,
    _: *const c_char,
    _: u32,
    status: u32,
    _: *const c_char,
) {
    // SAFETY: the test's own counter.
    let count = unsafe { &*data.cast::<AtomicU32>() };
    count.fetch_add(u32::from(status == nodelock_status::NODELOCK_INTERNAL as u32), Ordering::Relaxed);
}

#[test]
fn a_panic_is_a_status_and_the_end_of_that_client_alone() {
    let (store, panics, counted) = (Store::in_memory(), Arc::new(AtomicBool::new(false)), AtomicU32::new(0));
    let mut owner = callback::Owner::new((&raw const counted).cast_mut().cast(), None);
    let log = callback::Callback::new(Some(count as unsafe extern "C" fn(_, _, _, _, _, _)), &mut owner);
    let (poisoned, sound) = (client(&store, &panics, log.ok().map(Arc::new)), client(&store, &panics, None));
    let (mut license, mut request, mut error) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the objects live until they are freed at the end, each once, and every place is one.
    unsafe {
        assert_eq!(nodelock_client_check(poisoned, &mut license, &mut error), nodelock_status::NODELOCK_OK);
        nodelock_license_free(license);
        panics.store(true, Ordering::Relaxed);
        license = ptr::dangling_mut();
        let status = nodelock_client_check(poisoned, &mut license, &mut error);
        assert_eq!(status, nodelock_status::NODELOCK_INTERNAL);
        assert!(license.is_null() && nodelock_client_is_poisoned(poisoned));
        assert_eq!(nodelock_error_status(error), nodelock_status::NODELOCK_INTERNAL);
        assert_eq!(CStr::from_ptr(nodelock_error_kind(error)).to_str(), Ok("internal"));
        assert!(!CStr::from_ptr(nodelock_error_message(error)).to_str().unwrap().contains("meant to be"));
        nodelock_error_free(error);
        panics.store(false, Ordering::Relaxed);

        // It stays so, also for calls that would go well, and from other threads.
        let shared = poisoned as usize;
        let elsewhere = thread::spawn(move || {
            let mut request = ptr::null_mut();
            let client = shared as *const nodelock_client;
            nodelock_client_begin(client, ptr::null(), ptr::null(), &mut request, ptr::null_mut())
        });
        assert_eq!(elsewhere.join().unwrap(), nodelock_status::NODELOCK_INTERNAL);
        assert_eq!(counted.load(Ordering::Relaxed), 2);

        // Another client goes on, with the same store: what was locked when it panicked is not any more.
        let begun = nodelock_client_begin(sound, ptr::null(), ptr::null(), &mut request, ptr::null_mut());
        assert_eq!(begun, nodelock_status::NODELOCK_OK);
        assert!(!nodelock_client_is_poisoned(sound));
        nodelock_request_free(request);
        nodelock_client_free(poisoned);
        nodelock_client_free(sound);
    }
}

#[test]
fn a_panic_while_something_is_looked_at_or_freed_is_kept_inside() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("this panic is meant to be");
        }
    }
    // SAFETY: the object is freed once, after it was looked at.
    unsafe {
        let bomb = boundary::give(Bomb);
        assert_eq!(boundary::look(bomb, 7, |_| -> u32 { panic!("this panic is meant to be") }), 7);
        boundary::free(bomb);
    }
}

/// What no C program can be made to prove: that a failure never leaves something behind for the caller to free.
#[test]
fn a_failure_leaves_no_result() {
    let mut error: *mut nodelock_error = ptr::dangling_mut();
    let mut bytes: *mut nodelock_bytes = ptr::dangling_mut();
    // SAFETY: both places are ones.
    unsafe {
        let status = boundary::fallible(&mut error, &mut || {
            let _out = boundary::Out::new(&mut bytes)?;
            panic!("this panic is meant to be")
        });
        assert_eq!(status, nodelock_status::NODELOCK_INTERNAL);
        assert!(bytes.is_null() && !error.is_null());
        nodelock_error_free(error);
    }
}

unsafe extern "C" fn tell_timeout(
    data: *mut c_void,
    post: *const nodelock_post,
    answer: *mut nodelock_answer,
) -> u32 {
    // SAFETY: the test's own number, and what the library lends.
    unsafe {
        data.cast::<u64>().write(nodelock_post_timeout(post));
        nodelock_answer_set(answer, 200, ptr::null(), 0, ptr::null_mut()) as u32
    }
}

/// From C, no call can be timed so well that less than a millisecond is left of it.
#[test]
fn a_host_is_never_told_that_no_time_is_no_limit() {
    let mut told = u64::MAX;
    for (timeout, milliseconds) in [
        (Duration::ZERO, 1),
        (Duration::from_nanos(1), 1),
        (Duration::from_micros(999), 1),
        (Duration::from_millis(5), 5),
        (Duration::from_micros(5_001), 6),
        (Duration::MAX, u64::MAX),
    ] {
        let mut owner = callback::Owner::new((&raw mut told).cast(), None);
        let function = tell_timeout as unsafe extern "C" fn(_, _, _) -> _;
        let callback = callback::Callback::new(Some(function), &mut owner).ok().unwrap();
        let cancel = CancelToken::default();
        let post = Post { limit: 1, ..Post::new("", b"{}", timeout, &cancel) };
        assert_eq!(transport::HostTransport(Arc::new(callback)).post(&post).unwrap().status, 200);
        assert_eq!(told, milliseconds, "{timeout:?}");
    }
}

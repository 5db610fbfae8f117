//! The calls as futures on tokio (docs/guides/tokio.md).

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use nodelock::{
    Answer, AsyncClient, Client, Clock, Error, ErrorKind, HttpOptions, Post, Random, Reason, Renewal, Result,
    Store, SystemRandom, Timestamp, Transport, Verdict,
    testing::{Fault, Machine, TestAuthority, TestClock},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::responder::{Responder, http as answer};

/// A test that waits longer than this has failed, however slow the machine is.
const FOREVER: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Everything that a client does, as its seams see it: on which thread, and with a stop before each.
#[derive(Clone)]
struct Watch {
    authority: TestAuthority,
    threads: Arc<Mutex<Vec<ThreadId>>>,
    /// Asks the executor for a tick and waits for it.
    ticks: Arc<Mutex<(Sender<()>, Receiver<()>)>>,
}

impl Watch {
    /// Fails if the executor does not go on meanwhile.
    fn pass(&self) {
        self.threads.lock().unwrap().push(thread::current().id());
        let ticks = self.ticks.lock().unwrap();
        ticks.0.send(()).unwrap();
        ticks.1.recv_timeout(FOREVER).expect("the executor goes on while a call is at work");
    }
}

impl Transport for Watch {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        self.pass();
        self.authority.post(post)
    }
}

impl Random for Watch {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.pass();
        SystemRandom.fill(bytes)
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        self.threads.lock().unwrap().push(thread::current().id());
        self.authority.clock().now()
    }
}

#[test]
fn a_call_computes_and_waits_on_no_thread_of_the_executor() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let (asked, asks) = channel();
    let (tick, ticked) = channel();
    let watch = Watch {
        authority: authority.clone(),
        threads: Arc::default(),
        ticks: Arc::new(Mutex::new((asked, ticked))),
    };
    let client = authority
        .client(&Machine::new("desk"))
        .authority(nodelock::Authority::new(TestAuthority::URL, watch.clone()))
        .random(watch.clone())
        .clock(watch.clone());
    let client = AsyncClient::new(client.build().unwrap());
    let ticks = runtime().block_on(async {
        // The timer of an application: it answers each ask, as long as it is polled.
        let timer = async move {
            let mut ticks = 0;
            while let Ok(()) | Err(std::sync::mpsc::TryRecvError::Empty) = asks.try_recv().inspect(|()| {
                ticks += 1;
                tick.send(()).unwrap();
            }) {
                tokio::task::yield_now().await;
            }
            ticks
        };
        let timer = tokio::spawn(timer);
        // The draws of the key, the secret and the handle stand right before and after the derivation, on its thread.
        assert!(
            client
                .activate(nodelock::ActivationRequestOptions::of_key(&key).metadata("computer", "desk"))
                .await
                .unwrap()
                .is_usable()
        );
        assert!(client.check_in().await.unwrap().is_usable());
        drop((client, watch.ticks));
        timer.await.unwrap()
    });
    let threads = watch.threads.lock().unwrap();
    assert!(ticks >= 5 && threads.len() > ticks, "{ticks} ticks, {} looks", threads.len());
    assert!(!threads.contains(&thread::current().id()), "something ran on the executor");
}

#[test]
fn every_call_is_there_as_a_future() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let store = Store::in_memory();
    let client = authority.client(&Machine::new("desk")).store(store).replace_license(true).build().unwrap();
    let client = AsyncClient::new(client);
    runtime().block_on(async {
        let start = || client.start(Duration::from_secs(3));
        assert!(matches!(start().await.unwrap().renewal(), Renewal::NotDue));
        assert!(client.activate(&key).await.unwrap().is_usable());
        authority.clock().advance_days(50);
        assert!(matches!(start().await.unwrap().renewal(), Renewal::Done));
        assert_eq!(client.recover().await.unwrap_err().kind(), ErrorKind::AlreadyActive);
        let receipt = client.deactivate(Reason::Moved).await.unwrap();
        assert_eq!(client.client().check().unwrap().verdict(), &Verdict::Deactivated);
        assert!(client.activate(&key).await.unwrap().is_usable());
        let given_up = client.run(|client| client.deactivate_offline(Reason::Moved)).await.unwrap();
        assert_ne!(given_up.handle(), receipt.handle);
        assert_eq!(client.hand_in().await.unwrap()[0].handle, given_up.handle());
        assert_eq!(authority.usage(&key).unwrap().taken, 0);

        authority.fail(Fault::Down);
        let error = client.deactivate(Reason::Moved).await.unwrap_err();
        assert_eq!(error.into_error().kind(), ErrorKind::NotActive);
        let wrong = client
            .activate(nodelock::ActivationRequestOptions::of_key(&key).instead_of(receipt.handle))
            .await
            .unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Unreachable);
        assert!(client.run(|client| client.pending()).await.unwrap().unwrap().request().replaces().is_some());
    });
}

/// Says when a call has come, and lets it wait for ever.
#[derive(Clone)]
struct Silent(Sender<()>);

impl Transport for Silent {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        self.0.send(()).unwrap();
        let end = Instant::now() + FOREVER;
        while !post.cancel.is_cancelled() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        Err(Error::new(ErrorKind::Cancelled, ""))
    }
}

/// Polls once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_that_is_dropped_ends_its_call_and_loses_nothing() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let (folder, machine) = (tempfile::tempdir().unwrap(), Machine::new("desk"));
    let store = Store::in_directory(folder.path().join("store"), None);
    let (called, calls) = channel();
    let silent = authority.client(&machine).store(store.clone()).authority(
        nodelock::Authority::new(TestAuthority::URL, Silent(called))
            .timeout(Duration::from_secs(3600))
            .attempts(1),
    );
    let silent = Arc::new(silent.build().unwrap());
    let client = AsyncClient::new(Arc::clone(&silent));
    let again = AsyncClient::new(authority.client(&machine).store(store).build().unwrap());
    let dropped = |future: &mut dyn FnMut()| {
        future();
        // The call holds the client for as long as it runs.
        let end = Instant::now() + FOREVER;
        while Arc::strong_count(&silent) > 2 {
            assert!(Instant::now() < end, "the call goes on");
            thread::sleep(Duration::from_millis(1));
        }
    };
    let runtime = runtime();
    let _inside = runtime.enter();

    dropped(&mut || {
        let mut activation = pin!(client.activate(&key));
        assert!(poll(activation.as_mut()).is_pending());
        calls.recv_timeout(FOREVER).unwrap();
    });
    // The request that was on its way is still pending, and the next call goes on with it.
    let pending = silent.pending().unwrap().unwrap().request().handle;
    let status = runtime.block_on(again.activate(&key)).unwrap();
    assert_eq!((status.is_usable(), status.license().unwrap().handle), (true, pending));

    dropped(&mut || {
        let mut deactivation = pin!(client.deactivate(Reason::Moved));
        assert!(poll(deactivation.as_mut()).is_pending());
        calls.recv_timeout(FOREVER).unwrap();
    });
    // It was still asking whether it may.
    assert!(silent.check().unwrap().is_usable());
    assert_eq!(runtime.block_on(again.deactivate(Reason::Moved)).unwrap().handle, pending);
    assert_eq!(authority.usage(&key).unwrap().taken, 0);

    // One that was never polled has begun nothing.
    drop(client.activate(&key));
    assert!(silent.pending().unwrap().is_none());
}

/// The library's own HTTP needs no thread of its own there.
#[test]
fn the_librarys_own_http_works_on_the_threads_of_the_pool() {
    let responder = Responder::saying(answer("503 Busy", "", "{}"));
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    for runtime in [runtime(), Builder::new_multi_thread().worker_threads(1).build().unwrap()] {
        let http = HttpOptions::default().no_proxy().build().unwrap();
        let client = authority.client(&Machine::new("desk")).authority(
            nodelock::Authority::new(responder.url(), http).timeout(Duration::from_secs(60)).attempts(1),
        );
        let client = AsyncClient::new(client.build().unwrap());
        let refused = runtime.block_on(client.activate(&key)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ServerBusy);
        assert_eq!(responder.take_received().len(), 1);
    }
}

#[test]
fn a_panic_inside_of_a_call_comes_out_of_its_future() {
    let authority = TestAuthority::new("Example Editor");
    let client = AsyncClient::new(authority.client(&Machine::new("desk")).build().unwrap());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime().block_on(client.run(|_: &Client| -> Result<()> { panic!("as planned") }))
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"as planned"));
    let clock: TestClock = authority.clock();
    assert!(client.client().check().unwrap().licensing_time() >= clock.now());
}

//! The calls as futures on tokio (docs/guides/tokio.md).

use std::{
    fs::File,
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
    Answer, AsyncClient, Authority, CancelToken, Client, Clock, Error, ErrorKind, HttpOptions, HttpTransport,
    Post, Random, Reason, Renewal, Result, Started, Store, SystemRandom, Timestamp, Transport, Verdict,
    testing::{Fault, Machine, TestAuthority, TestClock},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};

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
        .authority(Authority::new(TestAuthority::URL, watch.clone()))
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

/// A way to the authority that stops at one path, or at every one: it says so, and goes on when the call is cancelled.
struct Stops {
    authority: TestAuthority,
    at: &'static str,
    called: Sender<()>,
    /// Whether it takes no notice of that: what it was given arrives and is answered.
    is_deaf: bool,
}

impl Transport for Stops {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        if post.url.ends_with(self.at) {
            self.called.send(()).unwrap();
            let end = Instant::now() + FOREVER;
            while !post.cancel.is_cancelled() && Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
            if !self.is_deaf {
                return Err(Error::new(ErrorKind::Cancelled, ""));
            }
        }
        let cancel = CancelToken::new();
        let mut uncancelled = post.clone();
        uncancelled.cancel = &cancel;
        self.authority.post(&uncancelled)
    }
}

/// An application whose calls are dropped.
struct Dropped {
    authority: TestAuthority,
    key: String,
    client: AsyncClient,
    blocking: Arc<Client>,
    calls: Receiver<()>,
    /// The same with a way that stops nowhere, over the same store.
    again: Client,
    runtime: Runtime,
    folder: TempDir,
}

impl Dropped {
    fn at(at: &'static str, is_deaf: bool) -> Self {
        let authority = TestAuthority::new("Example Editor");
        let (folder, machine) = (tempfile::tempdir().unwrap(), Machine::new("desk"));
        let store = Store::in_directory(folder.path().join("store"), None);
        let (called, calls) = channel();
        let stops = Stops { authority: authority.clone(), at, called, is_deaf };
        let way = Authority::new(TestAuthority::URL, stops).timeout(Duration::from_secs(3600)).attempts(1);
        let stops = authority.client(&machine).store(store.clone()).authority(way);
        let blocking = Arc::new(stops.build().unwrap());
        Self {
            key: authority.sell(1).unwrap(),
            client: AsyncClient::new(Arc::clone(&blocking)),
            blocking,
            calls,
            again: authority.client(&machine).store(store).build().unwrap(),
            runtime: runtime(),
            authority,
            folder,
        }
    }

    /// The same with an active license.
    fn licensed_at(at: &'static str, is_deaf: bool) -> Self {
        let dropped = Self::at(at, is_deaf);
        assert!(dropped.again.activate(&dropped.key).unwrap().is_usable());
        dropped.authority.take_calls();
        dropped
    }

    /// Drops a call where its way stops, and returns when it has ended.
    fn drop(&self, call: impl Future<Output = impl Sized>) {
        {
            let _inside = self.runtime.enter();
            let mut call = pin!(call);
            assert!(poll(call.as_mut()).is_pending());
            self.calls.recv_timeout(FOREVER).unwrap();
        }
        self.wait();
    }

    /// Waits until no call is at work. It holds the client for as long as it is.
    fn wait(&self) {
        let end = Instant::now() + FOREVER;
        while Arc::strong_count(&self.blocking) > 2 {
            assert!(Instant::now() < end, "the call goes on");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Polls once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_that_is_dropped_ends_its_call_and_loses_nothing() {
    let app = Dropped::at("", false);
    // One that was never polled has begun nothing.
    drop(app.client.activate(&app.key));
    assert!(app.again.pending().unwrap().is_none());

    app.drop(app.client.activate(&app.key));
    // The request that was on its way is still pending, and the next call goes on with it.
    let pending = app.again.pending().unwrap().unwrap().request().handle;
    let status = app.again.activate(&app.key).unwrap();
    assert_eq!((status.is_usable(), status.license().unwrap().handle), (true, pending));

    app.drop(app.client.check_in());
    app.drop(app.client.deactivate(Reason::Moved));
    // It was still asking whether it may.
    assert!(app.again.check_in().unwrap().is_usable());
    assert_eq!(app.again.deactivate_offline(Reason::Moved).unwrap().handle(), pending);
    app.drop(app.client.hand_in());
    assert_eq!(app.again.check().unwrap().outstanding(), 1);
    assert_eq!(app.again.online().hand_in().unwrap()[0].handle, pending);
    assert_eq!(app.authority.usage(&app.key).unwrap().taken, 0);
}

#[test]
fn a_deactivation_that_is_dropped_before_it_may_keeps_the_license() {
    // The authority says that it may, and the call that hears this was dropped.
    let app = Dropped::licensed_at("/preflight", true);
    app.drop(app.client.deactivate(Reason::Moved));
    assert_eq!(app.authority.take_calls(), ["/v1/deactivations/preflight"]);
    assert!(app.again.check().unwrap().is_usable());
    assert_eq!(app.authority.usage(&app.key).unwrap().taken, 1);
}

#[test]
fn a_deactivation_that_is_dropped_before_its_receipt_is_handed_in_by_the_next_start() {
    let app = Dropped::licensed_at("/deactivations", false);
    app.drop(app.client.deactivate(Reason::Moved));
    let status = app.again.check().unwrap();
    assert_eq!((status.verdict(), status.outstanding()), (&Verdict::Deactivated, 1));
    assert_eq!(app.authority.usage(&app.key).unwrap().taken, 1);
    assert!(matches!(app.again.start(Duration::from_secs(3)).unwrap().renewal(), Renewal::Done));
    assert_eq!(app.again.check().unwrap().outstanding(), 0);
    assert_eq!(app.authority.usage(&app.key).unwrap().taken, 0);
}

#[test]
fn a_start_that_is_dropped_keeps_the_next_one_from_nothing() {
    let app = Dropped::licensed_at("", false);
    app.authority.clock().advance_days(50);
    app.drop(app.client.start(Duration::from_secs(3600)));
    assert!(matches!(app.again.start(Duration::from_secs(3)).unwrap().renewal(), Renewal::Done));

    // A pause after a start that failed lasts as long as it would have.
    app.authority.clock().advance_days(50);
    app.authority.fail(Fault::Down);
    let kind = |started: &Started| match started.renewal() {
        Renewal::Due(why) => why.kind(),
        renewal => panic!("{renewal:?}"),
    };
    let start = || app.again.start(Duration::from_secs(3)).unwrap();
    assert_eq!(kind(&start()), ErrorKind::Unreachable);
    app.authority.fail(None);
    app.authority.clock().advance(Duration::from_secs(61));
    app.drop(app.client.start(Duration::from_secs(3600)));
    app.authority.fail(Fault::Failed);
    assert_eq!(kind(&start()), ErrorKind::ServerFailed);
    app.authority.fail(None);
    app.authority.clock().advance(Duration::from_secs(119));
    assert_eq!(kind(&start()), ErrorKind::ServerFailed, "the pause of two that failed");
    app.authority.clock().advance(Duration::from_secs(1));
    assert!(matches!(start().renewal(), Renewal::Done));
}

/// Random bytes that are drawn once the test says so.
struct Held {
    asked: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Random for Held {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.asked.send(()).unwrap();
        // An end of the test lets it go on, too.
        let _ = self.go_on.lock().unwrap().recv();
        SystemRandom.fill(bytes)
    }
}

#[test]
fn a_call_that_is_dropped_before_it_sends_sends_nothing() {
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let ((asked, asks), (go_on, goes_on)) = (channel(), channel());
    let held = Held { asked, go_on: Mutex::new(goes_on) };
    // One that sends whatever it is given, also for a call that was cancelled.
    let way = Stops { authority: authority.clone(), at: "nowhere", called: channel().0, is_deaf: true };
    let client = authority.client(&Machine::new("desk")).authority(Authority::new(TestAuthority::URL, way));
    let blocking = Arc::new(client.random(held).build().unwrap());
    let client = AsyncClient::new(Arc::clone(&blocking));
    let runtime = runtime();
    let _inside = runtime.enter();
    {
        let mut activation = pin!(client.activate(&key));
        assert!(poll(activation.as_mut()).is_pending());
        asks.recv_timeout(FOREVER).unwrap();
    }
    drop(go_on);
    let end = Instant::now() + FOREVER;
    while Arc::strong_count(&blocking) > 2 {
        assert!(Instant::now() < end, "the call goes on");
        thread::sleep(Duration::from_millis(1));
    }
    // The change of the store that had begun came to its end.
    assert!(blocking.check().unwrap().pending().is_some());
    assert!(authority.take_calls().is_empty());
}

#[test]
fn a_call_that_waits_for_a_thread_is_never_begun_when_it_is_dropped_or_the_runtime_ends() {
    let authority = TestAuthority::new("Example Editor");
    let client = AsyncClient::new(authority.client(&Machine::new("desk")).build().unwrap());
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let inside = runtime.enter();
    let (go_on, goes_on) = channel::<()>();
    let (said, says) = channel();
    let mut first = pin!(client.run(move |_| {
        goes_on.recv_timeout(FOREVER).unwrap();
        Ok::<_, Error>(())
    }));
    assert!(poll(first.as_mut()).is_pending());
    let saying = |what: &'static str| {
        let said = said.clone();
        client.run(move |_| said.send(what).map_err(|_| Error::new(ErrorKind::Cancelled, "test")))
    };
    {
        let mut dropped = pin!(saying("dropped"));
        assert!(poll(dropped.as_mut()).is_pending());
    }
    let mut kept = pin!(saying("kept"));
    assert!(poll(kept.as_mut()).is_pending());
    go_on.send(()).unwrap();
    runtime.block_on(first).unwrap();
    runtime.block_on(kept).unwrap();
    assert_eq!(says.try_iter().collect::<Vec<_>>(), ["kept"]);

    let handle = runtime.handle().clone();
    drop(inside);
    runtime.shutdown_background();
    let _inside = handle.enter();
    let mut late = pin!(saying("late"));
    match poll(late.as_mut()) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Cancelled),
        polled => panic!("{polled:?}"),
    }
    assert!(says.try_recv().is_err());
}

#[test]
fn what_waits_for_the_stores_lock_waits_on_no_thread_of_the_executor() {
    let app = Dropped::licensed_at("nowhere", false);
    let lock = File::open(app.folder.path().join("store/lock")).unwrap();
    lock.lock().unwrap();
    let _inside = app.runtime.enter();
    let mut observation = pin!(app.client.run(|client| client.outstanding()));
    let mut check_in = pin!(app.client.check_in());
    // On this thread they would wait for 5 seconds, and then say that the store is busy.
    assert!(poll(observation.as_mut()).is_pending());
    assert!(poll(check_in.as_mut()).is_pending());
    lock.unlock().unwrap();
    assert!(app.runtime.block_on(observation).unwrap().is_empty());
    assert!(app.runtime.block_on(check_in).unwrap().is_usable());
}

#[test]
fn the_librarys_own_http_works_in_calls_of_either_runtime() {
    let responder = Responder::saying(answer("503 Busy", "", "{}"));
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    for runtime in [runtime(), Builder::new_multi_thread().worker_threads(1).build().unwrap()] {
        let http = HttpOptions::default().no_proxy().build().unwrap();
        let client = authority
            .client(&Machine::new("desk"))
            .authority(Authority::new(responder.url(), http).timeout(Duration::from_secs(60)).attempts(1));
        let client = AsyncClient::new(client.build().unwrap());
        let refused = runtime.block_on(client.activate(&key)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ServerBusy);
        assert_eq!(responder.take_received().len(), 1);
    }
}

/// Hands calls on from inside of a runtime.
struct Inside(HttpTransport);

impl Transport for Inside {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        Handle::current().block_on(async { self.0.post(post) })
    }
}

/// A thread of its own would enter a runtime without trouble.
#[test]
fn the_librarys_own_http_works_on_the_thread_of_its_call_and_keeps_its_panics() {
    let responder = Responder::saying(answer("503 Busy", "", "{}"));
    let authority = TestAuthority::new("Example Editor");
    let key = authority.sell(1).unwrap();
    let inside = Inside(HttpOptions::default().no_proxy().build().unwrap());
    let way = Authority::new(responder.url(), inside).timeout(Duration::from_secs(60)).attempts(1);
    let client = authority.client(&Machine::new("desk")).authority(way).build().unwrap();
    let client = AsyncClient::new(client);
    let runtime = runtime();
    let refused = runtime.block_on(client.activate(&key)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    assert!(responder.take_received().is_empty());
    let key = key.clone();
    let blocking = client.run(move |client| client.activate(&key));
    assert_eq!(runtime.block_on(blocking).unwrap_err().kind(), ErrorKind::ServerBusy);
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

//! Pages are noted in time, and where their place outside fails, and when requests are cut off.

use std::{
    fs,
    path::Path,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

use tokio::task::JoinSet;

use super::{
    super::fixture::{Authority, stranger, vendor},
    *,
};
use crate::{http::log::tests::Log, keys::TestDisk};

async fn history(authority: &Authority) -> History {
    let mut tx = authority.service.database().read().await.unwrap();
    match store::find(&mut tx, &Query::History).await.unwrap() {
        Found::History(Some(history)) => *history,
        found => panic!("{found:?}"),
    }
}

/// As if nothing had been noted for so long.
async fn silent_for(authority: &Authority, seconds: u64) {
    let mut record = serde_json::to_value(history(authority).await).unwrap();
    record["noted"] = (record["noted"].as_u64().unwrap() - seconds).into();
    let mut tx = authority.service.database().write().await.unwrap();
    let change = decision::Change::History(serde_json::from_value(record).unwrap());
    store::apply(&mut tx, &change, &vendor()).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many pages were noted lately.
async fn pages(authority: &Authority) -> usize {
    let record = serde_json::to_value(history(authority).await).unwrap();
    record["recent"].as_array().unwrap().len()
}

/// Has an authority go on with its page in a file that is trusted, or beside the keys. Returns a running clock to
/// set.
async fn watched(authority: &mut Authority, disk: &Arc<TestDisk>, named: Option<&Path>) -> Arc<AtomicU64> {
    let keys = authority.path("keys");
    let mut service = authority.restarted_with(Outside::on(disk.clone(), named, &keys)).await;
    let seconds = clocked(&mut service);
    authority.service = service;
    seconds
}

/// Gives a service, which has noted nothing, a running clock to set.
fn clocked(service: &mut Service) -> Arc<AtomicU64> {
    let (seconds, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let clock = seconds.clone();
    Arc::get_mut(&mut service.notes).unwrap().clock =
        Arc::new(move || start + Duration::from_secs(clock.load(Ordering::Relaxed)));
    seconds
}

/// A disk that is held up before its write of that number: it says so, and goes on when it is told.
fn held_up(at: usize) -> (Arc<TestDisk>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let (held, writes) = (std::sync::Mutex::new((reached, goes_on)), AtomicUsize::new(0));
    let before_write: Box<dyn Fn() + Send + Sync> = Box::new(move || {
        if writes.fetch_add(1, Ordering::Relaxed) == at {
            let (reached, goes_on) = &*held.lock().unwrap();
            reached.send(()).unwrap();
            goes_on.recv().unwrap();
        }
    });
    (Arc::new(TestDisk { before_write: Some(before_write), ..TestDisk::default() }), is_reached, go_on)
}

async fn script(authority: &Authority, sql: &str) {
    let mut tx = authority.service.database().write().await.unwrap();
    store::run_script(&mut tx, sql).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn strangers_leave_no_page_where_the_place_outside_cannot_be_written() {
    type Break = fn(&Path);
    let breaks: [Break; 3] = [
        // A directory is in its place; a file is in the place of its directory; its directory is gone.
        |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        },
        |file| {
            fs::remove_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file.parent().unwrap(), "").unwrap();
        },
        |file| fs::remove_dir_all(file.parent().unwrap()).unwrap(),
    ];
    for breaks in breaks {
        let (mut authority, disk) = (Authority::new().await, Arc::<TestDisk>::default());
        let file = authority.path("elsewhere/page");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let clock = watched(&mut authority, &disk, Some(&file)).await;
        let key = authority.sell(1).await;
        let request = authority.device().begin(&key).unwrap().to_bytes();
        authority.service.page().await.unwrap();
        let authority = Arc::new(authority);
        breaks(&file);
        let reads = || disk.reads.load(Ordering::Relaxed);
        let before = reads();
        for attempts in 1..=3 {
            clock.fetch_add(if attempts == 1 { 60 } else { 5 }, Ordering::Relaxed);
            let requests: JoinSet<_> = (0..200)
                .map(|n| {
                    let (authority, request) = (authority.clone(), request.clone());
                    async move { authority.activate(&request, &stranger(n)).await }
                })
                .collect();
            for refused in requests.join_all().await {
                let Err(Failure::PageStuck { file: named, .. }) = &refused else { panic!("{refused:?}") };
                assert_eq!(Path::new(named), file);
            }
            assert_eq!((pages(&authority).await, reads() - before), (1, attempts));
            assert!(!authority.service.is_noted());
        }
        // It goes on by itself, once the place is left alone no longer.
        let _ = fs::remove_dir(&file);
        let _ = fs::remove_file(file.parent().unwrap());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        clock.fetch_add(4, Ordering::Relaxed);
        assert!(authority.activate(&request, &stranger(1)).await.is_err());
        clock.fetch_add(1, Ordering::Relaxed);
        assert!(authority.activate(&request, &stranger(1)).await.unwrap().license.is_ok());
        assert!(authority.service.is_noted());
        assert_eq!(pages(&authority).await, 2);
        assert_eq!(
            fs::read_to_string(&file).unwrap().trim(),
            history(&authority).await.last_page().to_string()
        );
    }
}

#[tokio::test]
async fn a_place_that_fails_after_it_was_tried_costs_one_page() {
    let mut authority = Authority::new().await;
    // The first note writes once, and the second one twice.
    let disk = Arc::new(TestDisk { read_only_after: Some(2), ..TestDisk::default() });
    let file = authority.path("page");
    let clock = watched(&mut authority, &disk, Some(&file)).await;
    authority.service.page().await.unwrap();
    let (log, _listening) = Log::listen();
    for _ in 0..10 {
        clock.fetch_add(60, Ordering::Relaxed);
        let failed = authority.service.page().await;
        assert!(matches!(failed, Err(Failure::PageStuck { .. })), "{failed:?}");
        assert_eq!(pages(&authority).await, 2);
    }
    assert_eq!(log.events().iter().filter(|event| event["event"] == "page-stuck").count(), 1);
}

#[tokio::test]
async fn a_note_goes_on_when_whoever_asked_is_gone() {
    let mut authority = Authority::new().await;
    // The ledger has the page when it is written outside.
    let (disk, is_reached, go_on) = held_up(0);
    let file = authority.path("page");
    watched(&mut authority, &disk, Some(&file)).await;
    let stranger = authority.service.page();
    let is_reached = tokio::task::spawn_blocking(move || is_reached.recv().unwrap());
    tokio::select! {
        noted = stranger => panic!("{noted:?} before it is outside"),
        reached = is_reached => reached.unwrap(),
    }
    go_on.send(()).unwrap();
    assert_eq!(authority.service.page().await.unwrap(), history(&authority).await.last_page());
    assert_eq!(pages(&authority).await, 1);
}

#[tokio::test]
async fn a_trusted_place_is_read_at_each_note() {
    // A process that is put back with its memory and its keys believes its own copy of the page.
    for (is_trusted, gaps) in [(true, 1), (false, 0)] {
        let mut authority = Authority::new().await;
        let named = authority.path("named");
        let file = if is_trusted { named.clone() } else { authority.path("keys/page") };
        let clock = watched(&mut authority, &Arc::default(), is_trusted.then_some(&*named)).await;
        authority.service.page().await.unwrap();
        let later = Page::generate(&SystemRandom).unwrap();
        fs::write(&file, later.to_string()).unwrap();
        authority.service.page().await.unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), later.to_string(), "the page lasts");
        clock.fetch_add(60, Ordering::Relaxed);
        authority.service.page().await.unwrap();
        assert_eq!(history(&authority).await.gaps().len(), gaps);
    }
}

#[tokio::test]
async fn keys_on_a_read_only_disk_serve_and_their_restart_is_taken_for_a_restore() {
    let mut authority = Authority::new().await;
    let read_only = || Arc::new(TestDisk { read_only_after: Some(0), ..TestDisk::default() });
    let clock = watched(&mut authority, &read_only(), None).await;
    let key = authority.sell(1).await;
    authority.activated(&key).await;
    clock.fetch_add(60, Ordering::Relaxed);
    authority.service.page().await.unwrap();
    assert!(authority.service.is_noted());
    assert_eq!((pages(&authority).await, history(&authority).await.gaps()), (2, &[][..]));
    silent_for(&authority, 3600).await;
    watched(&mut authority, &read_only(), None).await;
    authority.service.page().await.unwrap();
    assert_eq!(history(&authority).await.gaps().len(), 1);
}

#[tokio::test]
async fn a_page_lasts_and_an_ordinary_restart_loses_nothing() {
    let authority = Authority::new().await;
    let page = authority.service.page().await.unwrap();
    assert_eq!(authority.service.page().await.unwrap(), page);
    assert_eq!(history(&authority).await.last_page(), page);
    // The process was killed, and started again after an hour.
    silent_for(&authority, 3600).await;
    let again = authority.restarted(true).await;
    assert_ne!(again.page().await.unwrap(), page);
    assert_eq!(history(&authority).await.gaps(), []);
    assert_eq!(again.restored_until(vendor().time), None);
    assert!(again.is_noted());
}

#[tokio::test]
async fn a_silence_that_nothing_explains_may_hide_something_until_the_operator_vouches() {
    let authority = Authority::new().await;
    authority.service.page().await.unwrap();
    silent_for(&authority, 3600).await;
    let service = authority.restarted(false).await;
    service.page().await.unwrap();
    let found = history(&authority).await;
    assert_eq!(found.gaps().len(), 1);
    assert_eq!(service.restored_until(vendor().time), found.restored_until());
    assert!(found.restored_until().is_some());
    assert_eq!(service.vouch(&vendor()).await.unwrap().gaps(), []);
    assert_eq!(service.restored_until(vendor().time), None);
    assert!(authority.actions().await.contains(&"restored".to_owned()));
}

#[tokio::test]
async fn a_clean_stop_explains_a_day() {
    for (stops, hours, gaps) in [(true, 23, 0), (true, 25, 1), (false, 23, 1)] {
        let authority = Authority::new().await;
        authority.service.page().await.unwrap();
        if stops {
            authority.service.stop().await.unwrap();
        }
        silent_for(&authority, hours * 3600).await;
        authority.restarted(false).await.page().await.unwrap();
        assert_eq!(history(&authority).await.gaps().len(), gaps, "{stops} {hours}");
    }
    // What never began does not stop.
    let authority = Authority::new().await;
    authority.service.stop().await.unwrap();
    authority.service.page().await.unwrap();
    assert!(!history(&authority).await.is_stopped());
    // A command beside a server says nothing of it.
    let command = authority.restarted(true).await;
    command.page().await.unwrap();
    command.stop_alone().await.unwrap();
    assert!(!history(&authority).await.is_stopped());
    // It goes on where another server is at work.
    authority.restarted(false).await.page().await.unwrap();
    authority.service.stop().await.unwrap();
    assert!(!history(&authority).await.is_stopped());
}

#[tokio::test]
async fn two_processes_never_put_an_earlier_page_over_a_later_one() {
    // One is held up while it writes once more what is there, and while it puts its new page there.
    for at in [0, 1] {
        let authority = Authority::new().await;
        authority.service.page().await.unwrap();
        let (file, keys) = (authority.path("keys/page"), authority.path("keys"));
        let (disk, is_reached, go_on) = held_up(at);
        let slow = authority.restarted_with(Outside::on(disk, None, &keys)).await;
        let mut fast = authority.restarted_with(Outside::on(Arc::<TestDisk>::default(), None, &keys)).await;
        let clock = clocked(&mut fast);
        let slow = tokio::spawn(async move { slow.page().await });
        tokio::task::spawn_blocking(move || is_reached.recv().unwrap()).await.unwrap();
        let waits = fast.page().await;
        assert!(matches!(waits, Err(Failure::PageStuck { .. })), "{waits:?}");
        go_on.send(()).unwrap();
        let earlier = slow.await.unwrap().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), earlier.to_string());
        clock.fetch_add(5, Ordering::Relaxed);
        let later = fast.page().await.unwrap();
        assert_eq!(history(&authority).await.last_page(), later);
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), later.to_string());
    }
}

#[tokio::test]
async fn what_shows_that_history_is_missing_stays_until_that_is_in_the_ledger() {
    for is_full_later in [false, true] {
        let authority = Authority::new().await;
        authority.service.page().await.unwrap();
        let (file, keys) = (authority.path("keys/page"), authority.path("keys"));
        let unknown = Page::generate(&SystemRandom).unwrap().to_string();
        fs::write(&file, &unknown).unwrap();
        // A page can be written neither outside nor into the ledger.
        let on = |is_full: bool| {
            let disk = TestDisk { is_full: AtomicBool::new(is_full), ..TestDisk::default() };
            Outside::on(Arc::new(disk), None, &keys)
        };
        let (full, no_more) = match store::tests::is_postgres() {
            true => (
                "ALTER TABLE page ADD CONSTRAINT is_full CHECK (false) NOT VALID",
                "ALTER TABLE page DROP CONSTRAINT is_full",
            ),
            false => (
                "CREATE TRIGGER is_full BEFORE INSERT ON page BEGIN SELECT RAISE(ABORT, 'full'); END",
                "DROP TRIGGER is_full",
            ),
        };
        script(&authority, full).await;
        let failed = authority.restarted_with(on(true)).await.page().await;
        assert!(matches!(failed, Err(Failure::Database(_))), "{failed:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), unknown);
        script(&authority, no_more).await;
        // The next start finds it. A page that cannot be replaced goes once the ledger knows.
        let service = authority.restarted_with(on(is_full_later)).await;
        service.page().await.unwrap();
        assert_eq!(history(&authority).await.gaps().len(), 1);
        assert_eq!(file.exists(), !is_full_later);
        // It is evident, so nobody can say that it is not so.
        assert_eq!(service.vouch(&vendor()).await.unwrap().gaps().len(), 1);
    }
}

#[tokio::test]
async fn a_page_that_another_user_left_stops_no_server_that_knows_its_own() {
    for is_trusted in [false, true] {
        let (mut authority, disk) = (Authority::new().await, Arc::<TestDisk>::default());
        let named = authority.path("named");
        let file = if is_trusted { named.clone() } else { authority.path("keys/page") };
        let clock = watched(&mut authority, &disk, is_trusted.then_some(&*named)).await;
        authority.service.page().await.unwrap();
        clock.fetch_add(60, Ordering::Relaxed);
        disk.is_closed.store(true, Ordering::Relaxed);
        let noted = authority.service.page().await;
        if is_trusted {
            assert!(matches!(noted, Err(Failure::PageStuck { .. })), "{noted:?}");
            continue;
        }
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), noted.unwrap().to_string());
        assert_eq!(history(&authority).await.gaps(), []);
        // A start has to know what is there.
        disk.is_closed.store(true, Ordering::Relaxed);
        watched(&mut authority, &disk, None).await;
        let noted = authority.service.page().await;
        assert!(matches!(noted, Err(Failure::PageStuck { .. })), "{noted:?}");
    }
}

#[tokio::test]
async fn while_the_database_is_busy_nobody_waits_for_long_and_one_failure_does_for_all() {
    let (mut authority, disk) = (Authority::with_one_writer().await, Arc::<TestDisk>::default());
    let clock = watched(&mut authority, &disk, None).await;
    authority.service.page().await.unwrap();
    clock.fetch_add(60, Ordering::Relaxed);
    let authority = Arc::new(authority);
    let writer = authority.service.database().write().await.unwrap();
    let reads = || disk.reads.load(Ordering::Relaxed);
    let before = reads();
    // Time passes at once where everybody waits.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let requests: JoinSet<_> = (0..200)
        .map(|_| {
            let authority = authority.clone();
            async move { authority.service.page().await }
        })
        .collect();
    for busy in requests.join_all().await {
        assert!(busy.as_ref().is_err_and(Failure::is_busy), "{busy:?}");
    }
    assert!(start.elapsed() < 2 * PATIENCE, "{:?}", start.elapsed());
    // Until the pause is over nobody asks the database.
    let busy = authority.service.page().await;
    assert!(busy.is_err_and(|failure| failure.is_busy()));
    assert_eq!(reads() - before, 1);
    // A service stops in time, although somebody has the turn.
    let turn = authority.service.notes.turn.clone().lock_owned().await;
    for _ in 0..2 {
        let start = tokio::time::Instant::now();
        assert!(authority.service.stop().await.is_err_and(|failure| failure.is_busy()));
        assert!(start.elapsed() < 2 * PATIENCE, "{:?}", start.elapsed());
    }
    tokio::time::resume();
    drop((turn, writer));
    clock.fetch_add(5, Ordering::Relaxed);
    let page = authority.service.page().await.unwrap();
    assert_eq!((history(&authority).await.last_page(), reads() - before), (page, 2));
}

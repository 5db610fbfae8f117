//! Pages are noted in time, and where their place outside fails, and when requests are cut off.

use std::{
    fs,
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering},
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
    let (seconds, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let clock = seconds.clone();
    Arc::get_mut(&mut service.notes).unwrap().clock =
        Arc::new(move || start + Duration::from_secs(clock.load(Ordering::Relaxed)));
    authority.service = service;
    seconds
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
        let request = authority.device().begin(&key, &[]).unwrap().to_bytes();
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
    let (reached, is_reached) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let held = std::sync::Mutex::new((reached, goes_on));
    let before_write: Box<dyn Fn() + Send + Sync> = Box::new(move || {
        let (reached, goes_on) = &*held.lock().unwrap();
        reached.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    // The ledger has the page when it is written outside.
    let disk = Arc::new(TestDisk { before_write: Some(before_write), ..TestDisk::default() });
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

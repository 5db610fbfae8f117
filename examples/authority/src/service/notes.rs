//! The ledger's service is noted, so that a ledger that was restored to an earlier copy is noticed
//! (`docs/PROTOCOL.md`, The ledger was restored).
//!
//! A page is noted before anything is signed under it, and copied outside. One lasts for a minute of service. Whoever
//! needs one first notes it; a server notes one each minute also while nobody asks for anything.
//!
//! The ledger has a page before the place outside does: a page that is outside and not in the ledger proves that
//! history is missing. So that no page is noted in vain, the place is tried first, and after it failed not again for a
//! while.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use nodelock::{
    Page, SystemRandom, Timestamp,
    authority::{
        Found, History, Query, Records,
        decision::{self, Moment, Note, Ruling, SILENCE},
    },
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::{error, info, warn};

use super::{
    Database, Service,
    driver::{Considered, consider, moment, store},
    off_thread, unknown_ruling,
};
use crate::{
    domain::{Actor, Occasion},
    failure::{Failure, Result},
    keys::{Outside, Signer},
    store::{self, Locks, Tx},
};

/// How long a page lasts.
const LASTS: Duration = Duration::from_secs(60);

/// How long the place outside is left alone once it could not be read or written.
const PAUSE: Duration = Duration::from_secs(5);

/// What this process noted.
pub(super) struct Notes {
    outside: Outside,
    latest: RwLock<Option<Latest>>,
    /// Set while the place outside fails.
    stuck: RwLock<Option<Stuck>>,
    /// Whose turn it is to note.
    turn: Arc<Mutex<()>>,
    /// The running clock. A test sets it.
    clock: Clock,
}

type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Clone)]
struct Latest {
    page: Page,
    at: Instant,
    restored_until: Option<Timestamp>,
    /// Whether another process was at work when this one began.
    has_company: bool,
}

/// When the place outside was tried last, and why in vain.
#[derive(Clone)]
struct Stuck {
    at: Instant,
    file: String,
    reason: String,
}

impl Notes {
    pub(super) fn new(outside: Outside) -> Self {
        Self {
            outside,
            latest: RwLock::new(None),
            stuck: RwLock::new(None),
            turn: Arc::default(),
            clock: Arc::new(Instant::now),
        }
    }

    fn latest(&self) -> Option<Latest> {
        self.latest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stuck(&self) -> Option<Stuck> {
        self.stuck.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn elapsed(&self, since: Instant) -> Duration {
        (self.clock)().saturating_duration_since(since)
    }

    /// The page that lasts now, if one does.
    ///
    /// Fails with [`Failure::PageStuck`] while the place outside is left alone.
    fn page(&self) -> Result<Option<Page>> {
        if let Some(latest) = self.latest().filter(|latest| self.elapsed(latest.at) < LASTS) {
            return Ok(Some(latest.page));
        }
        match self.stuck().filter(|stuck| self.elapsed(stuck.at) < PAUSE) {
            Some(Stuck { file, reason, .. }) => Err(Failure::PageStuck { file, reason }),
            None => Ok(None),
        }
    }

    /// Remembers what became of the place outside. It is said once that it fails, and once that it works again.
    fn heard(&self, noted: &Result<History>) {
        let mut stuck = self.stuck.write().unwrap_or_else(PoisonError::into_inner);
        match noted {
            Ok(_) => {
                if let Some(was) = stuck.take() {
                    info!(event = "page-copied-again", file = was.file);
                }
            }
            Err(failure @ Failure::PageStuck { file, reason }) => {
                if stuck.is_none() {
                    error!(event = "page-stuck", error = failure.message());
                }
                let (file, reason) = (file.clone(), reason.clone());
                *stuck = Some(Stuck { at: (self.clock)(), file, reason });
            }
            Err(_) => {}
        }
    }
}

impl Service {
    /// The page that is signed under now. It is in the ledger, and outside.
    ///
    /// Fails when it cannot be noted, with [`Failure::PageStuck`] where the place outside is to blame.
    pub(crate) async fn page(&self) -> Result<Page> {
        if let Some(page) = self.notes.page()? {
            return Ok(page);
        }
        let turn = self.notes.turn.clone().lock_owned().await;
        match self.notes.page()? {
            Some(page) => Ok(page),
            None => Ok(self.note(turn, Note::default(), itself()).await?.last_page()),
        }
    }

    /// Notes the service although the last page still lasts; `vouched` says that the ledger was not restored.
    pub(crate) async fn vouch(&self, occasion: &Occasion) -> Result<History> {
        let turn = self.notes.turn.clone().lock_owned().await;
        self.note(turn, Note { vouched: true, ..Note::default() }, occasion.clone()).await
    }

    /// Notes that the service of this server stops, if it was noted that it is there.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.stop_if(|_| true).await
    }

    /// Notes that the service stops with a command, unless a server was at work when it began.
    pub(crate) async fn stop_alone(&self) -> Result<()> {
        self.stop_if(|latest| !latest.has_company).await
    }

    async fn stop_if(&self, stops: impl Fn(&Latest) -> bool) -> Result<()> {
        let turn = self.notes.turn.clone().lock_owned().await;
        if self.notes.latest().is_some_and(|latest| stops(&latest)) {
            self.note(turn, Note { stopping: true, ..Note::default() }, itself()).await?;
        }
        Ok(())
    }

    /// Until when licenses may be in use that this ledger has lost; none if it lost nothing, or that time is over.
    pub(crate) fn restored_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.notes.latest().and_then(|latest| latest.restored_until).filter(|until| *until > now)
    }

    /// Whether the service was noted lately, and can be. Nobody has to before the first note.
    pub(crate) fn is_noted(&self) -> bool {
        let is_late = |latest: Latest| self.notes.elapsed(latest.at) > SILENCE;
        self.notes.stuck().is_none() && !self.notes.latest().is_some_and(is_late)
    }

    /// Notes a new page, to its end: also when whoever asked is gone meanwhile, or the next one would note another.
    async fn note(&self, turn: OwnedMutexGuard<()>, wanted: Note, occasion: Occasion) -> Result<History> {
        let (notes, database, signer) = (self.notes.clone(), self.database.clone(), self.signer());
        let task = tokio::spawn(async move {
            let _turn = turn;
            let noted = notes.note(&database, &signer, wanted, occasion).await;
            notes.heard(&noted);
            noted
        });
        let failed = |error| nodelock::Error::io("a task of its own", std::io::Error::other(error));
        task.await.map_err(failed)?
    }
}

impl Notes {
    async fn note(
        &self,
        database: &Database,
        signer: &Signer,
        wanted: Note,
        occasion: Occasion,
    ) -> Result<History> {
        let (latest, outside) = (self.latest(), self.outside.clone());
        let copied = off_thread({
            let outside = outside.clone();
            move || outside.prepare()
        });
        let copied = copied.await??;
        let note = Note {
            // This process may have been put back too, with its memory. A place that no backup reaches was not.
            outside: match &latest {
                Some(latest) if !outside.is_trusted() => Some(latest.page),
                latest => copied.or(latest.as_ref().map(|latest| latest.page)),
            },
            trusted: outside.is_trusted(),
            since_last: latest.as_ref().map(|latest| self.elapsed(latest.at)),
            ..wanted
        };
        let mut tx = database.write_with(&Locks::of_history()).await?;
        // One time for all servers.
        let occasion = Occasion { time: store::clock(&mut tx).await?, ..occasion };
        let has_company = match &latest {
            Some(latest) => latest.has_company,
            None => is_in_service(&mut tx, occasion.time).await?,
        };
        let moment = moment(signer, occasion.time, Page::generate(&SystemRandom)?)?;
        let act = |records: &Records, moment: &Moment| decision::note(&note, records, moment);
        let decision = match consider(&mut tx, &act, &Records::new(), &moment).await? {
            Considered::Decided(decision) => decision,
            Considered::Refused(refusal) => return Err(refusal.into()),
            Considered::Needs(_) => return Err(unknown_ruling()),
        };
        let at = (self.clock)();
        store(&mut tx, &decision, &occasion).await?;
        tx.commit().await?;
        let Ruling::Noted(history) = decision.ruling else { return Err(unknown_ruling()) };
        let page = history.last_page();
        off_thread(move || outside.replace(page)).await??;
        for event in &decision.events {
            warn!(event = event.kind.name(), detail = event.detail);
        }
        let restored_until = history.restored_until();
        if let Some(until) = restored_until.filter(|until| *until > occasion.time)
            && self.latest().is_none()
        {
            info!(event = "ledger-was-restored", %until, "licenses may be in use that it has lost");
        }
        let latest = Latest { page, at, restored_until, has_company };
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(latest);
        Ok(history)
    }
}

/// Whether a server noted its service lately, and not that it stops.
async fn is_in_service(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    Ok(match store::find(tx, &Query::History).await? {
        Found::History(Some(history)) => !history.is_stopped() && now.since(history.noted()) <= SILENCE,
        _ => false,
    })
}

/// The authority itself, whoever asked for what.
fn itself() -> Occasion {
    Occasion { time: std::time::SystemTime::now().into(), actor: Actor::Vendor("authority".into()) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::{
            atomic::{AtomicU64, Ordering},
            mpsc,
        },
    };

    use super::{
        super::fixture::{Authority, stranger, vendor},
        *,
    };
    use crate::{http::log::tests::Log, keys::TestDisk};
    use tokio::task::JoinSet;

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
    async fn watched(
        authority: &mut Authority,
        disk: &Arc<TestDisk>,
        named: Option<&Path>,
    ) -> Arc<AtomicU64> {
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
}

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
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};
use tracing::{error, info, warn};

use super::{
    Database, Sellings, Service,
    driver::{Considered, consider, moment, store},
    off_thread,
    permit::On,
    unknown_ruling,
};
use crate::{
    domain::{
        Actor, Digest, Occasion,
        rights::{self, Act},
    },
    failure::{Failure, Result},
    keys::Outside,
    store::{self, Locks, Tx},
};

/// How long a page lasts.
const LASTS: Duration = Duration::from_secs(60);

/// How long nobody notes anything once the place outside could not be read or written, or the database was busy.
const PAUSE: Duration = Duration::from_secs(5);

/// How long anybody waits for the turn to note, and a service that stops for all of it: as long as a writer waits for
/// the database.
const PATIENCE: Duration = Duration::from_secs(20);

/// What this process noted.
pub(super) struct Notes {
    outside: Outside,
    latest: RwLock<Option<Latest>>,
    /// Set while the place outside fails.
    stuck: RwLock<Option<Stuck>>,
    /// When the database was too busy for a note.
    busy: RwLock<Option<Instant>>,
    /// Whose turn it is to note.
    turn: Arc<Mutex<()>>,
    /// The running clock. A test sets it.
    clock: Clock,
}

type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

#[derive(Clone)]
struct Latest {
    page: Page,
    /// The digest of the audit's chain when the page began.
    chain: Option<Digest>,
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
            busy: RwLock::new(None),
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
    /// Fails with [`Failure::PageStuck`] while the place outside is left alone, and while the database is, as it did.
    fn page(&self) -> Result<Option<Page>> {
        if let Some(latest) = self.latest().filter(|latest| self.elapsed(latest.at) < LASTS) {
            return Ok(Some(latest.page));
        }
        let busy = *self.busy.read().unwrap_or_else(PoisonError::into_inner);
        if busy.is_some_and(|at| self.elapsed(at) < PAUSE) {
            return Err(store::Error::TimedOut.into());
        }
        match self.stuck().filter(|stuck| self.elapsed(stuck.at) < PAUSE) {
            Some(Stuck { file, reason, .. }) => Err(Failure::PageStuck { file, reason }),
            None => Ok(None),
        }
    }

    /// Remembers what became of the place outside and the database. It is said once that the place fails, and once that
    /// it works again.
    fn heard(&self, noted: &Result<History>) {
        let is_busy = noted.as_ref().is_err_and(Failure::is_busy);
        *self.busy.write().unwrap_or_else(PoisonError::into_inner) = is_busy.then(|| (self.clock)());
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
    /// Fails when it cannot be noted, with [`Failure::PageStuck`] where the place outside is to blame. Whoever waits
    /// while another one notes fails as that one does: each would wait for a busy database by itself otherwise.
    pub(crate) async fn page(&self) -> Result<Page> {
        if let Some(page) = self.notes.page()? {
            return Ok(page);
        }
        let turn = self.turn().await?;
        match self.notes.page()? {
            Some(page) => Ok(page),
            None => Ok(self.note(turn, Note::default(), itself()).await?.last_page()),
        }
    }

    /// The digest of the audit's chain at a page that was noted lately; none if nothing was sealed before.
    pub(super) fn chain_at(&self, page: Page) -> Option<Digest> {
        self.notes.latest().filter(|latest| latest.page == page)?.chain
    }

    /// The turn to note. Fails with [`store::Error::TimedOut`].
    async fn turn(&self) -> Result<OwnedMutexGuard<()>> {
        let turn = timeout(PATIENCE, self.notes.turn.clone().lock_owned()).await;
        Ok(turn.map_err(|_| store::Error::TimedOut)?)
    }

    /// Notes the service although the last page still lasts; `vouched` says that the ledger was not restored.
    pub(crate) async fn vouch(&self, occasion: &Occasion) -> Result<History> {
        self.permit(occasion, Act::Ledger, On::Whole).await?;
        let turn = self.turn().await?;
        self.note(turn, Note { vouched: true, ..Note::default() }, occasion.clone()).await
    }

    /// Notes what was refused and not noted yet, and that the service of this server stops, if it was noted that it is
    /// there.
    pub(crate) async fn stop(&self) -> Result<()> {
        self.note_refusals(true).await?;
        self.stop_if(|_| true).await
    }

    /// Notes that the service stops with a command, unless a server was at work when it began.
    pub(crate) async fn stop_alone(&self) -> Result<()> {
        self.stop_if(|latest| !latest.has_company).await
    }

    async fn stop_if(&self, stops: impl Fn(&Latest) -> bool) -> Result<()> {
        let stopped = timeout(PATIENCE, async {
            let turn = self.turn().await?;
            if self.notes.latest().is_some_and(|latest| stops(&latest)) {
                self.note(turn, Note { stopping: true, ..Note::default() }, itself()).await?;
            }
            Ok(())
        });
        stopped.await.unwrap_or_else(|_| Err(store::Error::TimedOut.into()))
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
        let (notes, database, sellings) = (self.notes.clone(), self.database.clone(), self.sellings());
        let task = tokio::spawn(async move {
            let _turn = turn;
            let noted = notes.note(&database, &sellings, wanted, occasion).await;
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
        sellings: &Sellings,
        wanted: Note,
        occasion: Occasion,
    ) -> Result<History> {
        let (latest, outside) = (self.latest(), self.outside.clone());
        let prepared = off_thread({
            let (outside, is_known) = (outside.clone(), latest.is_some());
            move || outside.prepare(is_known)
        });
        // No other process has the place until this one is done with it.
        let prepared = prepared.await??;
        let note = Note {
            // This process may have been put back too, with its memory. A place that no backup reaches was not.
            outside: match &latest {
                Some(latest) if !outside.is_trusted() => Some(latest.page),
                latest => prepared.page().or(latest.as_ref().map(|latest| latest.page)),
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
        // Nothing is verified, and the history is one for all products.
        let signed = (&sellings.roots(), sellings.longest_lease());
        let moment = moment(signed, occasion.time, Page::generate(&SystemRandom)?)?;
        let chain = store::last_seal(&mut tx).await?.map(|seal| seal.digest());
        let act = |records: &Records, moment: &Moment| decision::note(&note, records, moment);
        let decision = match consider(&mut tx, &act, &Records::new(), &moment).await? {
            Considered::Decided(decision) => decision,
            Considered::Refused(refusal) => return Err(refusal.into()),
            Considered::Needs(_) => return Err(unknown_ruling()),
        };
        let at = (self.clock)();
        let permit = rights::ask(&occasion, Act::Ledger).and_then(rights::Asked::whole);
        store(&mut tx, &decision, &permit.map_err(|_| Failure::Forbidden(Act::Ledger))?).await?;
        tx.commit().await?;
        let Ruling::Noted(history) = decision.ruling else { return Err(unknown_ruling()) };
        let page = history.last_page();
        off_thread(move || prepared.replace(page)).await??;
        for event in &decision.events {
            warn!(event = event.kind.name(), detail = event.detail);
        }
        let restored_until = history.restored_until();
        if let Some(until) = restored_until.filter(|until| *until > occasion.time)
            && self.latest().is_none()
        {
            info!(event = "ledger-was-restored", %until, "licenses may be in use that it has lost");
        }
        let latest = Latest { page, chain, at, restored_until, has_company };
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(latest);
        Ok(history)
    }
}

/// Whether a server noted its service lately, and not that it stops.
pub(super) async fn is_in_service(tx: &mut Tx, now: Timestamp) -> Result<bool> {
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
mod tests;

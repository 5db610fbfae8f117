//! The ledger's service is noted, so that a ledger that was restored to an earlier copy is noticed
//! (`docs/PROTOCOL.md`, The ledger was restored).
//!
//! A page is noted before anything is signed under it, and copied outside. One lasts for a minute of service. Whoever
//! needs one first notes it; a server notes one each minute also while nobody asks for anything.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use nodelock::{
    Page, Random as _, SystemRandom, Timestamp,
    authority::{
        Found, History, Query, Records,
        decision::{self, Moment, Note, Ruling, SILENCE},
    },
};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::{
    Service,
    driver::{Considered, consider, store},
    off_thread, unknown_ruling,
};
use crate::{
    domain::{Actor, Occasion},
    failure::Result,
    keys::Outside,
    store::{self, Locks, Tx},
};

/// How long a page lasts.
const LASTS: Duration = Duration::from_secs(60);

/// What this process noted.
pub(super) struct Notes {
    outside: Arc<Outside>,
    latest: RwLock<Option<Latest>>,
    /// Whose turn it is to note.
    turn: Mutex<()>,
}

#[derive(Clone)]
struct Latest {
    page: Page,
    at: Instant,
    restored_until: Option<Timestamp>,
    /// Whether another process was at work when this one began.
    has_company: bool,
}

impl Notes {
    pub(super) fn new(outside: Outside) -> Self {
        Self { outside: Arc::new(outside), latest: RwLock::new(None), turn: Mutex::new(()) }
    }

    fn latest(&self) -> Option<Latest> {
        self.latest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn page(&self) -> Option<Page> {
        self.latest().filter(|latest| latest.at.elapsed() < LASTS).map(|latest| latest.page)
    }
}

impl Service {
    /// The page that is signed under now. It is in the ledger, and outside.
    ///
    /// Fails when it cannot be noted.
    pub(crate) async fn page(&self) -> Result<Page> {
        if let Some(page) = self.notes.page() {
            return Ok(page);
        }
        let _turn = self.notes.turn.lock().await;
        match self.notes.page() {
            Some(page) => Ok(page),
            None => Ok(self.note(Note::default(), &itself()).await?.last_page()),
        }
    }

    /// Notes the service although the last page still lasts; `vouched` says that the ledger was not restored.
    pub(crate) async fn vouch(&self, occasion: &Occasion) -> Result<History> {
        let _turn = self.notes.turn.lock().await;
        self.note(Note { vouched: true, ..Note::default() }, occasion).await
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
        let _turn = self.notes.turn.lock().await;
        if self.notes.latest().is_some_and(|latest| stops(&latest)) {
            self.note(Note { stopping: true, ..Note::default() }, &itself()).await?;
        }
        Ok(())
    }

    /// Until when licenses may be in use that this ledger has lost; none if it lost nothing, or that time is over.
    pub(crate) fn restored_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.notes.latest().and_then(|latest| latest.restored_until).filter(|until| *until > now)
    }

    /// Whether the service was noted lately. Nobody has to before the first note.
    pub(crate) fn is_noted(&self) -> bool {
        self.notes.latest().is_none_or(|latest| latest.at.elapsed() <= SILENCE)
    }

    /// Notes a new page. It is its caller's turn.
    async fn note(&self, wanted: Note, occasion: &Occasion) -> Result<History> {
        let latest = self.notes.latest();
        let outside = self.notes.outside.clone();
        let note = Note {
            // This process may have been put back too, with its memory. A place that no backup reaches was not.
            outside: match &latest {
                Some(latest) if !outside.is_trusted() => Some(latest.page),
                latest => {
                    let copied = off_thread({
                        let outside = outside.clone();
                        move || outside.page()
                    });
                    copied.await??.or(latest.as_ref().map(|latest| latest.page))
                }
            },
            trusted: outside.is_trusted(),
            since_last: latest.as_ref().map(|latest| latest.at.elapsed()),
            ..wanted
        };
        let signer = self.signer();
        let mut tx = self.database.write_with(&Locks::of_history()).await?;
        // One time for all servers.
        let occasion = Occasion { time: store::clock(&mut tx).await?, actor: occasion.actor.clone() };
        let has_company = match &latest {
            Some(latest) => latest.has_company,
            None => is_in_service(&mut tx, occasion.time).await?,
        };
        let mut moment = Moment {
            now: occasion.time,
            token: [0; 16],
            page: Page::generate(&SystemRandom)?,
            longest_lease: signer.issuer.longest_lease(),
            roots: Arc::new(signer.roots.clone()),
        };
        SystemRandom.fill(&mut moment.token)?;
        let act = |records: &Records, moment: &Moment| decision::note(&note, records, moment);
        let decision = match consider(&mut tx, &act, &Records::new(), &moment).await? {
            Considered::Decided(decision) => decision,
            Considered::Refused(refusal) => return Err(refusal.into()),
            Considered::Needs(_) => return Err(unknown_ruling()),
        };
        let at = Instant::now();
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
            && self.notes.latest().is_none()
        {
            info!(event = "ledger-was-restored", %until, "licenses may be in use that it has lost");
        }
        let latest = Latest { page, at, restored_until, has_company };
        *self.notes.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(latest);
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
    use super::{
        super::fixture::{Authority, vendor},
        *,
    };

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

//! Deliveries: attempts to tell a receiver of events, which is a webhook or the customer of a license.
//!
//! An event is told at least once. Of the events of a license, one is on its way to a receiver at a time, so they come
//! in order.

use std::time::{Duration, Instant};

use nodelock::{LicenseId, Timestamp};
use tokio::task::JoinSet;
use tracing::warn;

use super::{Database, Service};
use crate::{
    domain::{DeliveryRow, rights::Permit},
    failure::Result,
    store::{self, Attempt, AuditLine, Claim, Claimed, MAIL, Next, Replay},
};

/// How long after each attempt the next one is, as *Standard Webhooks* recommends. After the last one an event is set
/// aside, three days after the first.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(14 * 60 * 60),
    Duration::from_secs(20 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];
/// How long an attempt belongs to the server that makes it: longer than any lasts.
pub(super) const CLAIM: Duration = Duration::from_secs(60);
/// How many characters are kept of why a message was not taken. Some of them are the receiver's.
pub(super) const LONGEST_REASON: usize = 200;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// What the receiver answered, as a number.
    pub(super) status: Option<u32>,
    /// Why it was not taken, in words; none if it was.
    pub(super) said: Option<String>,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Taken,
    /// Not taken now.
    Later,
    /// Not to be taken, however often it is tried.
    Never,
}

/// What is next after so many attempts, the last of which ended like that.
pub(super) fn next(end: End, attempts: u32, now: Timestamp) -> Next {
    match end {
        End::Taken => Next::Delivered,
        End::Never => Next::Aside,
        End::Later => {
            let pause =
                usize::try_from(attempts).ok().and_then(|attempts| PAUSES.get(attempts.checked_sub(1)?));
            pause.map_or(Next::Aside, |pause| Next::Again(after(now, *pause)))
        }
    }
}

pub(super) fn after(time: Timestamp, pause: Duration) -> Timestamp {
    let seconds = time.unix_seconds().saturating_add(pause.as_secs());
    Timestamp::from_unix_seconds(seconds.min(Timestamp::MAX.unix_seconds()))
}

/// Puts events into the line of a receiver once more. Returns how many. They come before what it was not told yet of
/// their licenses. `action` is the line of the audit, and `about` what that says.
pub(super) async fn put_again(
    database: &Database,
    receiver: &str,
    replay: &Replay,
    (action, about): (&'static str, &str),
    permit: &Permit<'_>,
) -> Result<u64> {
    let mut tx = database.write().await?;
    let licenses = store::licenses_to_replay(&mut tx, receiver, replay).await?;
    AuditLine { action, license: None, detail: about }.write(&mut tx, permit).await?;
    tx.commit().await?;
    let mut put = 0;
    for license in licenses {
        let mut tx = database.write().await?;
        store::lock_license(&mut tx, license).await?;
        put += store::replay_of_license(&mut tx, receiver, license, replay, permit.time).await?;
        tx.commit().await?;
        database.make_way().await;
    }
    Ok(put)
}

/// What was claimed, each with the attempt at it.
pub(super) type Attempts<F> = Vec<(Claimed, F)>;

impl Service {
    /// Makes the attempts at what was claimed from a receiver, all at once, and notes what came of each. Events that
    /// are damaged are set aside. Returns how many that were.
    ///
    /// Fails with the first failure to note one, after all were noted that can be: one that cannot be is told again,
    /// and takes none of the others with it.
    pub(super) async fn attempt<F>(
        &self,
        receiver: &str,
        attempts: Attempts<F>,
        unreadable: Vec<(String, LicenseId)>,
        (now, again): (Timestamp, Timestamp),
    ) -> Result<usize>
    where
        F: Future<Output = Came> + Send + 'static,
    {
        let tried = attempts.len() + unreadable.len();
        let mut on_their_way = JoinSet::new();
        for (claimed, attempt) in attempts {
            on_their_way.spawn(async move {
                let began = Instant::now();
                let came = attempt.await;
                let DeliveryRow { event, attempts, .. } = claimed.delivery;
                let next = next(came.end, attempts.saturating_add(1), after(now, began.elapsed()));
                (event.id, event.license, came, next)
            });
        }
        for (event, license) in unreadable {
            let said = Some("the event is damaged in the ledger".to_owned());
            let came = Came { status: None, said, end: End::Never };
            on_their_way.spawn(async move { (event, license, came, Next::Aside) });
        }
        let mut noted = Ok(tried);
        while let Some(came) = on_their_way.join_next().await {
            let result = match came {
                Ok((event, license, came, next)) => {
                    let attempt = Attempt {
                        receiver,
                        event: &event,
                        license,
                        claimed: again,
                        status: came.status,
                        said: came.said.as_deref(),
                        next,
                    };
                    self.note_attempt(&attempt, now).await
                }
                Err(error) => {
                    Err(nodelock::Error::io("a task of its own", std::io::Error::other(error)).into())
                }
            };
            if let (Err(failure), true) = (result, noted.is_ok()) {
                noted = Err(failure);
            }
        }
        noted
    }

    async fn note_attempt(&self, attempt: &Attempt<'_>, now: Timestamp) -> Result<()> {
        let mut tx = self.database.write().await?;
        store::lock_license(&mut tx, attempt.license).await?;
        let is_noted = store::set_attempted(&mut tx, attempt, now).await?;
        tx.commit().await?;
        if is_noted && attempt.next == Next::Aside {
            let Attempt { receiver, event: id, said: reason, .. } = attempt;
            match *receiver {
                MAIL => warn!(event = "mail-set-aside", id, reason),
                webhook => warn!(event = "webhook-set-aside", webhook, id, reason),
            }
        }
        Ok(())
    }

    /// Claims what is due for a receiver, at most so many deliveries.
    pub(super) async fn claim(
        &self,
        receiver: &str,
        most: u32,
        now: Timestamp,
    ) -> Result<(Claim, Timestamp)> {
        let again = after(now, CLAIM);
        let mut tx = self.database.write().await?;
        let claim = store::claim(&mut tx, receiver, most, now, again).await?;
        tx.commit().await?;
        Ok((claim, again))
    }
}

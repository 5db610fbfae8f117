//! Transactions that are committed together, on SQLite.
//!
//! SQLite has one writer at a time, and each commit waits for the disk. Writers that wait for their turn meanwhile share
//! one transaction of the database: the first begins it, each further one sets a savepoint, and the commit is done when
//! the line ends. None hears of its own commit before that.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Any, AnyConnection, AnyPool, Executor as _, Transaction};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::timeout,
};

/// The line of writers, first come, first served, and what those have written who are through.
pub(super) type Line = Arc<Mutex<Option<Shared>>>;

/// The transaction that several writers share.
pub(super) struct Shared {
    transaction: Transaction<'static, Any>,
    /// Those who wait for its commit.
    waiting: Vec<oneshot::Sender<Result<(), sqlx::Error>>>,
    /// Whether somebody stands in the line to commit it.
    has_committer: bool,
}

/// A writer whose turn it is. One that is dropped has changed nothing.
pub(super) struct Member {
    line: Line,
    /// There is a transaction in it until the turn ends.
    turn: Option<OwnedMutexGuard<Option<Shared>>>,
    /// Whether others have written in the same transaction before.
    has_savepoint: bool,
}

impl Member {
    pub(super) async fn begin(line: &Line, pool: &AnyPool, patience: Duration) -> Result<Self, sqlx::Error> {
        let turn = timeout(patience, Arc::clone(line).lock_owned());
        let mut turn = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let has_savepoint = match &mut *turn {
            Some(shared) => {
                shared.transaction.execute("SAVEPOINT writer").await?;
                true
            }
            None => {
                let transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                *turn = Some(Shared { transaction, waiting: Vec::new(), has_committer: false });
                false
            }
        };
        Ok(Self { line: Arc::clone(line), turn: Some(turn), has_savepoint })
    }

    /// Ends the turn, and waits until what was written is on the disk.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let (tell, told) = oneshot::channel();
        if let Some(mut turn) = self.turn.take()
            && let Some(shared) = &mut *turn
        {
            shared.waiting.push(tell);
            if !shared.has_committer {
                shared.has_committer = true;
                // A task of its own, because whoever waits here may be dropped.
                tokio::spawn(commit_after_those_in_line(Arc::clone(&self.line)));
            }
        }
        told.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Ends the turn with nothing changed. Others have theirs once this returns.
    pub(super) async fn undo(mut self) {
        if let Some(turn) = self.turn.take() {
            undo(turn, self.has_savepoint).await;
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(undo(turn, self.has_savepoint));
        }
    }
}

impl Deref for Member {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        let shared = self.turn.as_ref().and_then(|turn| turn.as_ref());
        &shared.expect("the turn lasts as long as its owner").transaction
    }
}

impl DerefMut for Member {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        let shared = self.turn.as_mut().and_then(|turn| turn.as_mut());
        &mut shared.expect("the turn lasts as long as its owner").transaction
    }
}

/// Takes back what one writer wrote. Where that fails, everything that was not committed yet is gone.
async fn undo(mut turn: OwnedMutexGuard<Option<Shared>>, has_savepoint: bool) {
    let Some(shared) = &mut *turn else { return };
    if has_savepoint && shared.transaction.execute("ROLLBACK TO writer").await.is_ok() {
        return;
    }
    let Some(shared) = turn.take() else { return };
    let undone = shared.transaction.rollback().await;
    drop(turn);
    tell(shared.waiting, undone.and(Err(sqlx::Error::WorkerCrashed)));
}

/// Commits what there is once those have written who are in the line already.
async fn commit_after_those_in_line(line: Line) {
    let mut turn = line.lock_owned().await;
    let Some(shared) = turn.take() else { return };
    let committed = shared.transaction.commit().await;
    // They may look whether the line is free.
    drop(turn);
    tell(shared.waiting, committed);
}

fn tell(waiting: Vec<oneshot::Sender<Result<(), sqlx::Error>>>, outcome: Result<(), sqlx::Error>) {
    let reason = outcome.as_ref().err().map(ToString::to_string);
    let mut outcome = Some(outcome);
    for waiting in waiting {
        let own = outcome.take();
        let shared = || match &reason {
            None => Ok(()),
            Some(reason) => Err(sqlx::Error::Protocol(reason.clone())),
        };
        // Whoever does not wait any more does without.
        let _gone = waiting.send(own.unwrap_or_else(shared));
    }
}

//! Transactions that are committed together, on SQLite.
//!
//! SQLite has one writer at a time, and each commit waits for the disk. Writers that wait for their turn meanwhile
//! share one transaction of the database: the first begins it, each further one sets a savepoint, and the commit is
//! done when the line ends. None hears of its own commit before that.
//!
//! Statements run in the thread of who has the turn. A thread of its own has what may take long: waiting for another
//! process, and the commit.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, oneshot},
    time::timeout,
};

use super::{
    PATIENCE,
    sql::{Error, is_locked},
    sqlite::{Sqlite, blocking},
};

/// The line of writers, first come, first served.
pub(super) type Line = Arc<Mutex<Writing>>;

/// The connection that writes.
#[derive(Default)]
pub(super) enum Writing {
    /// It is opened when somebody writes.
    #[default]
    NotOpen,
    Idle(Connection),
    /// In a transaction.
    Shared(Shared),
    Closed,
}

/// The transaction that several writers share.
pub(super) struct Shared {
    connection: Connection,
    /// Those who wait for its commit.
    waiting: Vec<oneshot::Sender<Result<(), Error>>>,
    /// Whether somebody stands in the line to commit it.
    has_committer: bool,
}

impl Writing {
    /// Nobody writes any more. Returns what is left.
    pub(super) fn close(&mut self) -> Self {
        std::mem::replace(self, Self::Closed)
    }

    /// The transaction, which is taken away.
    fn take_shared(&mut self) -> Option<Shared> {
        match std::mem::take(self) {
            Self::Shared(shared) => Some(shared),
            other => {
                *self = other;
                None
            }
        }
    }
}

type Turn = OwnedMutexGuard<Writing>;

/// A writer whose turn it is. One that is dropped has changed nothing.
pub(super) struct Member {
    line: Line,
    /// There is a transaction in it until the turn ends.
    turn: Option<Turn>,
    /// Whether others have written in the same transaction before.
    has_savepoint: bool,
}

impl Member {
    pub(super) async fn begin(sqlite: &Sqlite) -> Result<Self, Error> {
        let line = Arc::clone(&sqlite.line);
        let turn = timeout(PATIENCE, Arc::clone(&line).lock_owned());
        let mut turn = turn.await.map_err(|_| Error::TimedOut)?;
        match &mut *turn {
            Writing::Shared(shared) => {
                execute(&shared.connection, "SAVEPOINT writer")?;
                Ok(Self { line, turn: Some(turn), has_savepoint: true })
            }
            Writing::Closed => Err(Error::Closed),
            Writing::NotOpen | Writing::Idle(_) => {
                sqlite.check_place()?;
                let connection = match std::mem::take(&mut *turn) {
                    Writing::Idle(connection) => connection,
                    _ => sqlite.open().await?,
                };
                Self::begin_alone(line, turn, connection).await
            }
        }
    }

    /// Begins the transaction. Another process may have the lock.
    async fn begin_alone(line: Line, mut turn: Turn, connection: Connection) -> Result<Self, Error> {
        connection.busy_timeout(Duration::ZERO)?;
        let begun = execute(&connection, "BEGIN IMMEDIATE");
        connection.busy_timeout(PATIENCE)?;
        let begin = move |connection: Connection, mut turn: Turn| {
            *turn = Writing::Shared(Shared { connection, waiting: Vec::new(), has_committer: false });
            Self { line, turn: Some(turn), has_savepoint: false }
        };
        match begun {
            Ok(()) => Ok(begin(connection, turn)),
            Err(Error::Sqlite(error)) if is_locked(&error) => {
                // It keeps the turn, also when nobody waits for this any more: then the member that comes of it is
                // dropped, which undoes it.
                blocking(move || match execute(&connection, "BEGIN IMMEDIATE") {
                    Ok(()) => Ok(begin(connection, turn)),
                    Err(error) => {
                        *turn = Writing::Idle(connection);
                        Err(error)
                    }
                })
                .await
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the turn, and waits until what was written is on the disk.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        if let Some(mut turn) = self.turn.take()
            && let Writing::Shared(shared) = &mut *turn
        {
            // The savepoint is gone if the database undid everything.
            if shared.connection.is_autocommit() {
                undo(turn, self.has_savepoint);
                return Err(Error::Undone);
            }
            // Each one that is open makes the others' writes dearer.
            if self.has_savepoint
                && let Err(error) = execute(&shared.connection, "RELEASE writer")
            {
                undo(turn, self.has_savepoint);
                return Err(error);
            }
            shared.waiting.push(tell);
            if !shared.has_committer {
                shared.has_committer = true;
                // A task of its own, because whoever waits here may be dropped.
                tokio::spawn(commit_after_those_in_line(Arc::clone(&self.line)));
            }
        }
        told.await.unwrap_or(Err(Error::Undone))
    }

    /// Ends the turn with nothing changed.
    pub(super) fn undo(mut self) {
        if let Some(turn) = self.turn.take() {
            undo(turn, self.has_savepoint);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            undo(turn, self.has_savepoint);
        }
    }
}

impl Deref for Member {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self.turn.as_deref() {
            Some(Writing::Shared(shared)) => &shared.connection,
            _ => unreachable!("the turn lasts as long as its owner"),
        }
    }
}

impl DerefMut for Member {
    fn deref_mut(&mut self) -> &mut Connection {
        match self.turn.as_deref_mut() {
            Some(Writing::Shared(shared)) => &mut shared.connection,
            _ => unreachable!("the turn lasts as long as its owner"),
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Error> {
    Ok(connection.prepare_cached(sql)?.raw_execute().map(drop)?)
}

/// Takes back what one writer wrote. Where that fails, everything that was not committed yet is gone.
fn undo(mut turn: Turn, has_savepoint: bool) {
    let Writing::Shared(shared) = &mut *turn else { return };
    let undone = |sql| execute(&shared.connection, sql).is_ok();
    if has_savepoint && undone("ROLLBACK TO writer") && undone("RELEASE writer") {
        return;
    }
    let Some(shared) = turn.take_shared() else { return };
    // A connection that is dropped undoes it too.
    if shared.connection.is_autocommit() || execute(&shared.connection, "ROLLBACK").is_ok() {
        *turn = Writing::Idle(shared.connection);
    }
    drop(turn);
    tell(shared.waiting, Err(Error::Undone));
}

/// Commits what there is once those have written who are in the line already.
async fn commit_after_those_in_line(line: Line) {
    let turn = line.lock_owned().await;
    let _done = tokio::task::spawn_blocking(move || commit(turn)).await;
}

fn commit(mut turn: Turn) {
    let Some(shared) = turn.take_shared() else { return };
    let committed = execute(&shared.connection, "COMMIT");
    // One that did not commit is closed, which undoes it.
    if shared.connection.is_autocommit() {
        *turn = Writing::Idle(shared.connection);
    }
    // They may look whether the line is free.
    drop(turn);
    tell(shared.waiting, committed);
}

fn tell(waiting: Vec<oneshot::Sender<Result<(), Error>>>, outcome: Result<(), Error>) {
    let reason = outcome.as_ref().err().map(|error| (error.to_string(), error.is_busy()));
    let mut outcome = Some(outcome);
    for waiting in waiting {
        let own = outcome.take();
        let shared = || match &reason {
            None => Ok(()),
            Some((reason, is_busy)) => Err(Error::NotCommitted { reason: reason.clone(), is_busy: *is_busy }),
        };
        // Whoever does not wait any more does without.
        let _gone = waiting.send(own.unwrap_or_else(shared));
    }
}

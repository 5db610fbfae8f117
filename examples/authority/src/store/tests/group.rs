//! Writers in line share a commit, on SQLite.

use std::time::Duration;

use nodelock::{LicenseId, authority::Query};
use serde_json::json;

use super::{Database, empty_file, find, inserted, request, seat};
use crate::{
    failure::Failure,
    store::{Error, Tx, run_script},
};

async fn enter(tx: &mut Tx) -> Query {
    let (request, _) = request();
    inserted(tx, &seat(&request, LicenseId::NONE, json!({})), &request).await.unwrap();
    Query::SeatsOfHandle(request.handle)
}

async fn is_there(database: &Database, query: &Query) -> bool {
    let mut tx = database.read().await.unwrap();
    find(&mut tx, query).await.unwrap() != nodelock::authority::Found::Seats(Vec::new())
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit_that_is_shared() {
    for second_commits in [true, false] {
        let (_folder, database) = empty_file().await;
        let mut first = database.write().await.unwrap();
        let one = enter(&mut first).await;
        let in_line = tokio::spawn({
            let database = database.clone();
            async move { database.write().await }
        });
        // It is in the line once it was polled.
        tokio::task::yield_now().await;
        let first = tokio::spawn(first.commit());
        let mut second = in_line.await.unwrap().unwrap();
        let two = enter(&mut second).await;
        assert!(!first.is_finished());
        assert!(!is_there(&database, &one).await);
        if second_commits {
            second.commit().await.unwrap();
        } else {
            drop(second);
        }
        first.await.unwrap().unwrap();
        assert!(is_there(&database, &one).await);
        assert_eq!(is_there(&database, &two).await, second_commits);
    }
}

#[tokio::test]
async fn a_writer_who_goes_away_while_it_waits_holds_nobody_up() {
    let (_folder, database) = empty_file().await;
    let mut first = database.write().await.unwrap();
    let one = enter(&mut first).await;
    let in_line = tokio::spawn({
        let database = database.clone();
        async move { database.write().await.map(drop) }
    });
    tokio::task::yield_now().await;
    let first = tokio::spawn(first.commit());
    in_line.abort();
    first.await.unwrap().unwrap();
    assert!(is_there(&database, &one).await);
    let mut next = database.write().await.unwrap();
    let two = enter(&mut next).await;
    next.commit().await.unwrap();
    assert!(is_there(&database, &two).await);
}

/// A caller that does not wait for its commit any more has it all the same.
#[tokio::test]
async fn a_commit_goes_on_without_who_asked_for_it() {
    let (_folder, database) = empty_file().await;
    let mut first = database.write().await.unwrap();
    let one = enter(&mut first).await;
    let commit = tokio::spawn(first.commit());
    // Its turn is over once it has asked for the commit.
    while !database.is_free() {
        tokio::task::yield_now().await;
    }
    commit.abort();
    // The next one shares that commit, or comes after it.
    database.write().await.unwrap().commit().await.unwrap();
    assert!(is_there(&database, &one).await);
}

/// SQLite undoes everything when its disk is full, for one.
#[tokio::test]
async fn nothing_is_stored_of_a_transaction_that_the_database_has_undone() {
    let (_folder, database) = empty_file().await;
    let mut first = database.write().await.unwrap();
    let one = enter(&mut first).await;
    let in_line = tokio::spawn({
        let database = database.clone();
        async move { database.write().await }
    });
    tokio::task::yield_now().await;
    let first = tokio::spawn(first.commit());
    let mut second = in_line.await.unwrap().unwrap();
    let two = enter(&mut second).await;
    run_script(&mut second, "ROLLBACK").await.unwrap();
    let after = run_script(&mut second, "UPDATE seat SET label = ''").await;
    assert!(matches!(after, Err(Error::Undone)));
    assert!(matches!(second.commit().await, Err(Failure::Database(Error::Undone))));
    first.await.unwrap().unwrap_err();
    assert!(!is_there(&database, &one).await && !is_there(&database, &two).await);
    // The next one begins anew.
    let mut third = database.write().await.unwrap();
    let three = enter(&mut third).await;
    third.commit().await.unwrap();
    assert!(is_there(&database, &three).await);
}

/// This runtime has one thread.
#[tokio::test]
async fn a_writer_that_waits_for_another_process_holds_no_reader_up() {
    let (folder, database) = empty_file().await;
    let other = rusqlite::Connection::open(folder.path().join("authority.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = tokio::spawn({
        let database = database.clone();
        async move { database.write().await?.commit().await }
    });
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        database.read().await.unwrap();
    }
    assert!(!writer.is_finished());
    other.execute_batch("COMMIT").unwrap();
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_writer_that_is_gone_keeps_no_other_process_out() {
    let (folder, database) = empty_file().await;
    database.write().await.unwrap().commit().await.unwrap();
    let other = rusqlite::Connection::open(folder.path().join("authority.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writer = tokio::spawn({
        let database = database.clone();
        async move { database.write().await.map(drop) }
    });
    // It has the turn, and waits for the other process in a thread of its own.
    while database.is_free() {
        tokio::task::yield_now().await;
    }
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    other.execute_batch("COMMIT").unwrap();
    while !database.is_free() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
}

/// SQLite goes on with the file that it has open, wherever that is by now.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_replaced_is_neither_read_nor_written() {
    let (folder, database) = empty_file().await;
    database.write().await.unwrap().commit().await.unwrap();
    let file = folder.path().join("authority.db");
    std::fs::rename(&file, folder.path().join("moved")).unwrap();
    std::fs::copy(folder.path().join("moved"), &file).unwrap();
    let replaced = |failure: Option<Failure>| {
        assert!(
            matches!(failure, Some(Failure::Database(Error::Replaced(path))) if path == file.to_str().unwrap())
        );
    };
    replaced(database.write().await.err());
    replaced(database.read().await.err());
}

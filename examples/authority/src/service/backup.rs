//! The ledger is copied while it is at work, and brought back from a copy.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nodelock::Error;
use tempfile::TempPath;

use super::{
    Database,
    permit::{On, permit},
    products,
    selling::source,
    verify::{Verified, verify},
};
use crate::{
    domain::{Location, Occasion, rights::Act},
    failure::{Failure, Result},
    keys,
    store::{self, AuditLine},
};

/// What SQLite may keep beside a database: its name has the database's before it.
const BESIDE: [&str; 3] = ["-wal", "-journal", "-shm"];

/// What a restore came to.
pub(crate) enum Restored {
    /// With what was found, which is nothing unless that was allowed.
    Done(Verified),
    /// The copy holds what no act made; nothing is restored.
    Damaged(Verified),
}

/// Copies the ledger into a new file. Fails as [`Database::copy_to`] does, and with [`Failure::Usage`] on PostgreSQL.
pub(crate) async fn back_up(database: &Database, path: &Path, occasion: &Occasion) -> Result<()> {
    permit(database, occasion, Act::Ledger, On::Whole).await?;
    if database.is_server() {
        return Err(Failure::Usage(
            "the ledger is on PostgreSQL, whose own program copies it while it is at work:\n\n    \
             pg_dump --format=custom --file FILE \"$AUTHORITY_DB\""
                .into(),
        ));
    }
    database.copy_to(path).await
}

/// Brings a ledger back from a copy, where there is none: from one that [`back_up`] made, or from the files of a
/// database that nobody has open, its write-ahead log included. The copy is verified first, and stays as it is.
/// `despite_findings` restores it whatever that finds, because an operator may have no better copy.
///
/// Fails with [`Failure::InTheWay`], with [`Failure::NoLedger`], with [`Failure::WrongKeys`] when the keys that are
/// here are another authority's, with [`Failure::Usage`] on PostgreSQL, and with
/// [`ErrorKind::Io`](nodelock::ErrorKind::Io) when the log could not be written into the ledger.
pub(crate) async fn restore(
    copy: &Path,
    location: &Location,
    directory: &Path,
    despite_findings: bool,
    occasion: &Occasion,
) -> Result<Restored> {
    let Location::File(place) = location else {
        return Err(Failure::Usage(
            "the ledger is on a server. PostgreSQL's own program restores it, into a new database:\n\n    \
             pg_restore --exit-on-error --single-transaction --no-owner --dbname \"$AUTHORITY_DB\" FILE\n\n\
             and then `authority verify` looks at it"
                .into(),
        ));
    };
    for path in [place.clone()].into_iter().chain(BESIDE.map(|suffix| beside(place, suffix))) {
        if path.try_exists().map_err(|error| Error::io(path.display().to_string(), error))? {
            return Err(Failure::InTheWay(path.display().to_string()));
        }
    }
    let parent = keys::parent(place);
    let failed = |error| Error::io(parent.display().to_string(), error);
    fs::create_dir_all(parent).map_err(failed)?;
    // It is looked at in a place of its own, because opening a database may write to it.
    let mut folder = tempfile::Builder::new();
    folder.prefix(".restore-");
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let folder = folder.tempdir_in(parent).map_err(failed)?;
    let file = folder.path().join("authority.db");
    copy_file(copy, &file)?;
    for suffix in [BESIDE[0], BESIDE[1]] {
        if beside(copy, suffix).exists() {
            copy_file(&beside(copy, suffix), &beside(&file, suffix))?;
        }
    }
    let no_ledger = |failure| match failure {
        Failure::NotInitialized | Failure::ForeignDatabase | Failure::Database(_) => {
            Failure::NoLedger(copy.display().to_string())
        }
        failure => failure,
    };
    let database = Database::open(&Location::File(file.clone()), 1).await.map_err(no_ledger)?;
    let looked_at = look_at(&database, directory, despite_findings, occasion).await;
    database.close().await;
    let restored = looked_at.map_err(no_ledger)?;
    if let Restored::Done(_) = restored {
        check_whole(&file, place)?;
        File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
        let file = TempPath::try_from_path(&file).map_err(failed)?;
        store::publish(file, place)?;
    }
    Ok(restored)
}

/// Verifies a copy, and notes in it that it was restored.
async fn look_at(
    database: &Database,
    directory: &Path,
    despite_findings: bool,
    occasion: &Occasion,
) -> Result<Restored> {
    for product in products(database).await? {
        if let Err(Failure::WrongKeys) = keys::load(&product.keys(directory), product.root, source(&product))
        {
            return Err(Failure::WrongKeys);
        }
    }
    let verified = verify(database, directory, occasion).await?;
    if verified.found > 0 && !despite_findings {
        return Ok(Restored::Damaged(verified));
    }
    let occasion = &permit(database, occasion, Act::Ledger, On::Whole).await?;
    let mut tx = database.write().await?;
    let detail = match verified.found {
        0 => String::new(),
        found => format!("despite {found} findings"),
    };
    AuditLine { action: "restored", license: None, detail: &detail }.write(&mut tx, occasion).await?;
    tx.commit().await?;
    Ok(Restored::Done(verified))
}

/// Fails when a closed database has a log beside it still: what is in there would be missing where the file goes.
/// SQLite keeps the log when the last connection cannot write it into the file, on a full disk say, and tells nobody.
fn check_whole(file: &Path, place: &Path) -> Result<()> {
    match fs::metadata(beside(file, BESIDE[0])) {
        Ok(log) if log.len() > 0 => {
            let reason = io::Error::other(
                "its log could not be written into it, so nothing was restored; is there space on that disk?",
            );
            Err(Error::io(place.display().to_string(), reason).into())
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(place.display().to_string(), error).into())
        }
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies a file into one that only its owner may read.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let failed = |error| Error::io(from.display().to_string(), error);
    let mut source = File::open(from).map_err(failed)?;
    keys::write_new(to, &[]).map_err(failed)?;
    let mut target = File::options().write(true).open(to).map_err(failed)?;
    io::copy(&mut source, &mut target).map_err(failed)?;
    Ok(())
}

//! A copy of an SQLite ledger while others write to it.

use std::path::Path;

use nodelock::{Error, ErrorKind};

use super::{Access, Database};
use crate::{
    failure::{Failure, Result},
    keys,
};

impl Database {
    /// Whether it is a server, which has a program of its own for backups.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.access, Access::Postgres(_))
    }

    /// Writes a whole copy of an SQLite database to a new file that only its owner may read: what was committed when it
    /// began, the write-ahead log included. Others read and write meanwhile. The copy is on the disk, with its name,
    /// when this returns; before that there is no file of that name.
    ///
    /// Fails with [`Failure::InTheWay`] when there is such a file.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<()> {
        let Access::Sqlite(sqlite) = &self.access else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "only a database in a file can be copied; use the server's own tools",
            )
            .into());
        };
        let failed = |error| Error::io(path.display().to_string(), error);
        if path.try_exists().map_err(failed)? {
            return Err(Failure::InTheWay(path.display().to_string()));
        }
        // A new file of this crate has mode 0600.
        let folder = std::path::absolute(keys::parent(path)).map_err(failed)?;
        let copy = tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map_err(failed)?;
        let name = copy.path().to_str();
        let name = name.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the path is no Unicode"))?;
        sqlite.copy_to(name.to_owned()).await?;
        // SQLite leaves that to whoever asked for the copy.
        copy.as_file().sync_all().map_err(failed)?;
        publish(copy.into_temp_path(), path)
    }
}

/// Gives a file that is on the disk its name, which must be free, and makes that durable.
pub(crate) fn publish(file: tempfile::TempPath, path: &Path) -> Result<()> {
    let failed = |error| Error::io(path.display().to_string(), error);
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::InTheWay(path.display().to_string()),
        _ => failed(error.error).into(),
    })?;
    Ok(keys::sync_parent(path).map_err(failed)?)
}

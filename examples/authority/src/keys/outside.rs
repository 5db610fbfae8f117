//! The copy of the ledger's last page in a place outside of the ledger, by which an earlier copy of it is noticed.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use nodelock::{Error, Page};
use tracing::warn;

use super::{Readers, parent, read, sync_directory};
use crate::failure::Result;

/// The file among the keys, where nobody names another place.
const PAGE: &str = "page";

/// Where the page is.
pub(crate) struct Outside {
    file: PathBuf,
    /// Whether no backup of the ledger reaches it.
    trusted: bool,
    /// Whether it was said that it cannot be written.
    said: AtomicBool,
}

impl Outside {
    /// In the file that the operator names, because no backup of the ledger reaches it; beside the keys otherwise.
    pub(crate) fn new(named: Option<&Path>, keys: &Path) -> Self {
        let file = named.map_or_else(|| keys.join(PAGE), Path::to_owned);
        Self { file, trusted: named.is_some(), said: AtomicBool::new(false) }
    }

    /// Whether no backup of the ledger reaches the place.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The page that is there. None if there is none, and if what is there is no page: that proves nothing.
    pub(crate) fn page(&self) -> Result<Option<Page>> {
        let bytes = match read(&self.file, Readers::Anybody) {
            Ok(bytes) => bytes,
            Err(_) if !self.file.exists() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let page = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        if page.is_none() {
            warn!(event = "page-unreadable", file = %self.file.display());
        }
        Ok(page)
    }

    /// Puts a page there, durably. A place beside the keys that cannot be written, because they are on a read-only disk, is left
    /// without a page.
    ///
    /// Fails when an earlier page stays there: it would say that nothing was signed since.
    pub(crate) fn replace(&self, page: Page) -> Result<()> {
        let Err(error) = self.write(page) else { return Ok(()) };
        let _ = fs::remove_file(&self.file);
        // On a read-only disk removing says so also of a file that is not there.
        let is_gone =
            matches!(fs::symlink_metadata(&self.file), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if self.trusted || !is_gone {
            return Err(Error::io(self.file.display().to_string(), error).into());
        }
        if !self.said.swap(true, Ordering::Relaxed) {
            let file = self.file.display();
            warn!(event = "page-not-copied", %file, %error, "an earlier copy of the ledger may go unnoticed");
        }
        Ok(())
    }

    fn write(&self, page: Page) -> io::Result<()> {
        let directory = parent(&self.file);
        let mut file = tempfile::Builder::new().prefix(".page-").tempfile_in(directory)?;
        writeln!(file, "{page}")?;
        file.as_file().sync_all()?;
        file.persist(&self.file)?;
        sync_directory(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_was_written_and_what_is_no_page_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::new(None, folder.path());
        assert_eq!(outside.page().unwrap(), None);
        for byte in [1, 2] {
            let page = Page::from_bytes([byte; 8]);
            outside.replace(page).unwrap();
            assert_eq!(outside.page().unwrap(), Some(page));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
        fs::write(folder.path().join(PAGE), "no page").unwrap();
        assert_eq!(outside.page().unwrap(), None);
    }

    #[test]
    fn an_earlier_page_does_not_stay_where_no_new_one_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a/page");
        // Nothing was there, and nothing can be: no page is none.
        assert!(Outside::new(None, &folder.path().join("missing")).replace(Page::from_bytes([1; 8])).is_ok());
        // The operator's own place must work.
        let outside = Outside::new(Some(&named), folder.path());
        assert!(outside.is_trusted() && outside.replace(Page::from_bytes([1; 8])).is_err());
        fs::create_dir(folder.path().join("a")).unwrap();
        outside.replace(Page::from_bytes([1; 8])).unwrap();
        assert!(outside.page().unwrap().is_some());
    }
}

//! The copy of the ledger's last page in a place outside of the ledger, by which an earlier copy of it is noticed.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(test)]
use std::sync::atomic::AtomicUsize;

use nodelock::Page;
use tracing::warn;

use super::{LIMIT, parent, sync_directory};
use crate::failure::{Failure, Result};

/// The file among the keys, where nobody names another place.
const PAGE: &str = "page";

/// What is asked of the operating system, so that a test can answer for it.
pub(crate) trait Disk: Send + Sync {
    /// The content of a file.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// Replaces a file as a whole, durably.
    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Whether a file could be made there. None is.
    fn could_write(&self, file: &Path) -> io::Result<()>;

    fn remove(&self, file: &Path) -> io::Result<()>;
}

/// The real one.
struct System;

/// Where the page is.
#[derive(Clone)]
pub(crate) struct Outside {
    file: PathBuf,
    /// Whether no backup of the ledger reaches it.
    trusted: bool,
    /// Whether it was said that it cannot be written.
    said: Arc<AtomicBool>,
    disk: Arc<dyn Disk>,
}

impl Outside {
    /// In the file that the operator names, because no backup of the ledger reaches it; beside the keys otherwise.
    pub(crate) fn new(named: Option<&Path>, keys: &Path) -> Self {
        Self::on(Arc::new(System), named, keys)
    }

    /// The same on a disk of its own.
    pub(crate) fn on(disk: Arc<dyn Disk>, named: Option<&Path>, keys: &Path) -> Self {
        let file = named.map_or_else(|| keys.join(PAGE), Path::to_owned);
        Self { file, trusted: named.is_some(), said: Arc::default(), disk }
    }

    /// Whether no backup of the ledger reaches the place.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The page that is there, once it is certain that another can take its place: what is there is written once more.
    /// None if there is none, and if what is there is no page: that proves nothing.
    ///
    /// Fails with [`Failure::PageStuck`], as [`replace`](Self::replace) would.
    pub(crate) fn prepare(&self) -> Result<Option<Page>> {
        let bytes = match self.disk.read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Beside the keys no page need be: it is not there, so it says nothing that is wrong.
                if self.trusted {
                    self.disk.could_write(&self.file).map_err(|error| self.stuck(&error))?;
                }
                return Ok(None);
            }
            Err(error) => return Err(self.stuck(&error)),
        };
        self.put(&bytes)?;
        let page = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        if page.is_none() {
            warn!(event = "page-unreadable", file = %self.file.display());
        }
        Ok(page)
    }

    /// Puts a page there, durably. A place beside the keys that cannot be written, because they are on a read-only disk, is left
    /// without a page.
    ///
    /// Fails with [`Failure::PageStuck`] when an earlier page stays there: it would say that nothing was signed since.
    pub(crate) fn replace(&self, page: Page) -> Result<()> {
        self.put(format!("{page}\n").as_bytes())
    }

    fn put(&self, bytes: &[u8]) -> Result<()> {
        let Err(error) = self.disk.write(&self.file, bytes) else { return Ok(()) };
        if self.trusted {
            return Err(self.stuck(&error));
        }
        let _ = self.disk.remove(&self.file);
        // On a read-only disk removing says so also of a file that is not there.
        match self.disk.read(&self.file) {
            Err(gone) if gone.kind() == ErrorKind::NotFound => {}
            _ => return Err(self.stuck(&error)),
        }
        if !self.said.swap(true, Ordering::Relaxed) {
            let file = self.file.display();
            warn!(event = "page-not-copied", %file, %error, "an earlier copy of the ledger may go unnoticed");
        }
        Ok(())
    }

    fn stuck(&self, error: &io::Error) -> Failure {
        Failure::PageStuck { file: self.file.display().to_string(), reason: error.to_string() }
    }
}

impl Disk for System {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(file)?.take(LIMIT).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == LIMIT {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "too large for a page"));
        }
        Ok(bytes)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut new = beside(file)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        new.persist(file)?;
        sync_directory(parent(file))
    }

    fn could_write(&self, file: &Path) -> io::Result<()> {
        beside(file)?.close()
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }
}

/// A file of a name of its own, in the directory of another.
fn beside(file: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".page-").tempfile_in(parent(file))
}

/// The real disk, which a test counts on, refuses to write to from some write on, or holds up.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct TestDisk {
    /// How often it was read, and written to.
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    /// It is read-only after so many writes.
    pub(crate) read_only_after: Option<usize>,
    /// Called before each write.
    pub(crate) before_write: Option<Box<dyn Fn() + Send + Sync>>,
}

#[cfg(test)]
impl TestDisk {
    fn check(&self, writes: usize) -> io::Result<()> {
        match self.read_only_after {
            Some(most) if writes >= most => Err(ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl Disk for TestDisk {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        System.read(file)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(before) = &self.before_write {
            before();
        }
        self.check(self.writes.fetch_add(1, Ordering::Relaxed))?;
        System.write(file, bytes)
    }

    fn could_write(&self, file: &Path) -> io::Result<()> {
        self.check(self.writes.load(Ordering::Relaxed))?;
        System.could_write(file)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.check(self.writes.load(Ordering::Relaxed))?;
        System.remove(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [Page; 2] = [Page::from_bytes([1; 8]), Page::from_bytes([2; 8])];

    #[test]
    fn a_page_is_read_as_it_was_written_and_what_is_no_page_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::new(None, folder.path());
        assert_eq!(outside.prepare().unwrap(), None);
        for page in PAGES {
            outside.replace(page).unwrap();
            assert_eq!(outside.prepare().unwrap(), Some(page));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
        fs::write(folder.path().join(PAGE), "no page").unwrap();
        assert_eq!(outside.prepare().unwrap(), None);
        // What is no page at all is not written over.
        fs::write(folder.path().join(PAGE), [b'x'; 2 * LIMIT as usize]).unwrap();
        assert!(matches!(outside.prepare(), Err(Failure::PageStuck { .. })));
    }

    #[test]
    fn the_operators_own_place_must_work_before_anything_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a/page");
        let outside = Outside::new(Some(&named), folder.path());
        assert!(outside.is_trusted() && outside.prepare().is_err() && outside.replace(PAGES[0]).is_err());
        fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(outside.prepare().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0, "trying it leaves nothing");
        outside.replace(PAGES[0]).unwrap();
        assert_eq!(outside.prepare().unwrap(), Some(PAGES[0]));
        // The directory can be written, and this name in it cannot: it is a mount, say.
        fs::remove_file(&named).unwrap();
        fs::create_dir(&named).unwrap();
        let Err(Failure::PageStuck { file, .. }) = outside.prepare() else { panic!("it is a directory") };
        assert_eq!(file, named.display().to_string());
    }

    #[test]
    fn keys_on_a_read_only_disk_go_without_a_page_but_not_with_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let read_only = || Arc::new(TestDisk { read_only_after: Some(0), ..TestDisk::default() });
        let outside = Outside::on(read_only(), None, folder.path());
        for page in PAGES {
            assert_eq!(outside.prepare().unwrap(), None);
            outside.replace(page).unwrap();
        }
        assert!(outside.said.load(Ordering::Relaxed), "the operator is told");
        // The operator's own place is no place then.
        let named = folder.path().join("named");
        assert!(Outside::on(read_only(), Some(&named), folder.path()).prepare().is_err());
        // It would say for ever that nothing was signed since.
        Outside::new(None, folder.path()).replace(PAGES[0]).unwrap();
        for outcome in [outside.prepare().map(drop), outside.replace(PAGES[1])] {
            let Err(failure) = outcome else { panic!("an earlier page stays there") };
            let words = failure.message();
            assert!(words.contains("read-only") && words.contains("--page-file"), "{words}");
        }
    }
}

//! The copy of the ledger's last page in a place outside of the ledger, by which an earlier copy of it is noticed.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(test)]
use std::sync::atomic::AtomicUsize;

use nodelock::Page;
use tracing::warn;

use super::{LIMIT, parent, sync_directory};
use crate::failure::{Failure, Result};

/// The file among the keys, where nobody names another place.
const PAGE: &str = "page";

/// How long a process waits until another one is done with the place.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it looks meanwhile.
const LOOKS: Duration = Duration::from_millis(50);

/// What is asked of the operating system, so that a test can answer for it.
pub(crate) trait Disk: Send + Sync {
    /// The content of a file.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// Replaces a file as a whole, durably.
    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Whether a file could be made there. None is.
    fn could_write(&self, file: &Path) -> io::Result<()>;

    fn remove(&self, file: &Path) -> io::Result<()>;

    /// Locks a file, which is made if there is none, until what is returned is dropped.
    ///
    /// Fails with [`ErrorKind::WouldBlock`] when another process has had it locked for too long.
    fn lock(&self, file: &Path) -> io::Result<File>;
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
    /// Whether an earlier page stays there, although another one was noted.
    stays: Arc<AtomicBool>,
    disk: Arc<dyn Disk>,
}

/// The place while no other process reads or writes it: from before a page is noted until it is there.
pub(crate) struct Prepared {
    outside: Outside,
    page: Option<Page>,
    _lock: Option<File>,
}

impl Outside {
    /// In the file that the operator names, because no backup of the ledger reaches it; beside the keys otherwise.
    pub(crate) fn new(named: Option<&Path>, keys: &Path) -> Self {
        Self::on(Arc::new(System), named, keys)
    }

    /// The same on a disk of its own.
    pub(crate) fn on(disk: Arc<dyn Disk>, named: Option<&Path>, keys: &Path) -> Self {
        let file = named.map_or_else(|| keys.join(PAGE), Path::to_owned);
        Self { file, trusted: named.is_some(), said: Arc::default(), stays: Arc::default(), disk }
    }

    /// Whether no backup of the ledger reaches the place.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The place with its page, once it is certain that another can take its place: what is there is written once
    /// more. `is_known` says that this process noted the last page itself.
    ///
    /// Nothing is taken away: what is there may be all that shows that history is missing, and the note may fail.
    ///
    /// Fails with [`Failure::PageStuck`], as [`Prepared::replace`] would, and when another process keeps the place.
    pub(crate) fn prepare(&self, is_known: bool) -> Result<Prepared> {
        let lock = match self.disk.lock(&lock_of(&self.file)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(self.stuck(&error)),
            // Without one it goes on: a lock must stop nobody who could write a page. Whether that can be done is
            // tried next.
            Err(_) => None,
        };
        let page = self.read(is_known)?;
        Ok(Prepared { outside: self.clone(), page, _lock: lock })
    }

    /// The page that is there. None if there is none, and if what is there is no page: that proves nothing.
    fn read(&self, is_known: bool) -> Result<Option<Page>> {
        let bytes = match self.disk.read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Beside the keys no page need be: it is not there, so it says nothing that is wrong.
                if self.trusted {
                    self.disk.could_write(&self.file).map_err(|error| self.stuck(&error))?;
                }
                return Ok(None);
            }
            // Beside the keys it would tell a process that knows the last page nothing: another user left it, say.
            Err(error) if is_known && self.may_give_way() => {
                self.check(self.disk.could_write(&self.file))?;
                warn!(event = "page-unreadable", file = %self.file.display(), %error);
                return Ok(None);
            }
            Err(error) => return Err(self.stuck(&error)),
        };
        self.check(self.disk.write(&self.file, &bytes))?;
        let page = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        if page.is_none() {
            warn!(event = "page-unreadable", file = %self.file.display());
        }
        Ok(page)
    }

    /// Whether what is there may be taken away once another page is noted, as far as is known.
    fn may_give_way(&self) -> bool {
        !self.trusted && !self.stays.load(Ordering::Relaxed)
    }

    /// Whether it can be gone on after the place was tried. On a full disk nothing can be written, but removed.
    fn check(&self, tried: io::Result<()>) -> Result<()> {
        let is_full =
            |error: &io::Error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        match tried {
            Err(error) if is_full(&error) && self.may_give_way() => Ok(()),
            tried => tried.map_err(|error| self.stuck(&error)),
        }
    }

    fn replace(&self, page: Page) -> Result<()> {
        let replaced = self.put(format!("{page}\n").as_bytes());
        self.stays.store(replaced.is_err(), Ordering::Relaxed);
        replaced
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

impl Prepared {
    /// The page that is there.
    pub(crate) fn page(&self) -> Option<Page> {
        self.page
    }

    /// Puts a page there that the ledger has, durably. A place beside the keys that cannot be written, because they are
    /// on a read-only disk, is left without a page.
    ///
    /// Fails with [`Failure::PageStuck`] when an earlier page stays there: it would say that nothing was signed since.
    pub(crate) fn replace(self, page: Page) -> Result<()> {
        self.outside.replace(page)
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
        share(new.as_file(), parent(file));
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

    fn lock(&self, file: &Path) -> io::Result<File> {
        lock_within(file, PATIENCE)
    }
}

/// The file that whoever has a place to itself has locked. It stays there; the one of the page is replaced.
fn lock_of(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".lock");
    file.with_file_name(name)
}

fn lock_within(file: &Path, patience: Duration) -> io::Result<File> {
    let (lock, start) = (open_lock(file)?, Instant::now());
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                let reason = format!("another process has {} locked", file.display());
                return Err(io::Error::new(ErrorKind::WouldBlock, reason));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOOKS),
        }
    }
}

/// Opens the file of a lock, which has its owner when it gets its name.
fn open_lock(file: &Path) -> io::Result<File> {
    let open = || File::options().read(true).write(true).open(file);
    match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let new = beside(file)?;
            give_to_owner(new.as_file(), parent(file))?;
            match new.persist_noclobber(file) {
                Err(made) if made.error.kind() == ErrorKind::AlreadyExists => open(),
                made => Ok(made?),
            }
        }
        opened => opened,
    }
}

/// Lets anybody read a page, which is no secret. The server must read what a command left that root ran. A file system
/// that knows nothing of users refuses, and needs none of it.
#[cfg(unix)]
fn share(file: &File, directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = file.set_permissions(fs::Permissions::from_mode(0o644));
    let _ = give_to_owner(file, directory);
}

/// Elsewhere a new file inherits its access rights from its directory.
#[cfg(not(unix))]
fn share(_: &File, _: &Path) {}

/// What root makes belongs to the owner of its directory.
#[cfg(unix)]
fn give_to_owner(file: &File, directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let owner = fs::metadata(directory)?;
    if file.metadata()?.uid() == 0 && owner.uid() != 0 {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn give_to_owner(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// A file of a name of its own, in the directory of another.
fn beside(file: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".page-").tempfile_in(parent(file))
}

/// The real disk, which a test counts on, refuses to write to from some write on, fills, or holds up. Nobody waits for
/// a lock on it.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct TestDisk {
    /// How often it was read, and written to.
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    /// It is read-only after so many writes.
    pub(crate) read_only_after: Option<usize>,
    /// Nothing can be written any more, but removed.
    pub(crate) is_full: AtomicBool,
    /// What is there is another user's, until something is written.
    pub(crate) is_closed: AtomicBool,
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

    fn check_space(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
impl Disk for TestDisk {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        System.read(file)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(before) = &self.before_write {
            before();
        }
        self.check(self.writes.fetch_add(1, Ordering::Relaxed))?;
        self.check_space()?;
        self.is_closed.store(false, Ordering::Relaxed);
        System.write(file, bytes)
    }

    fn could_write(&self, file: &Path) -> io::Result<()> {
        self.check(self.writes.load(Ordering::Relaxed))?;
        self.check_space()?;
        System.could_write(file)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.check(self.writes.load(Ordering::Relaxed))?;
        System.remove(file)
    }

    fn lock(&self, file: &Path) -> io::Result<File> {
        self.check(self.writes.load(Ordering::Relaxed))?;
        lock_within(file, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [Page; 2] = [Page::from_bytes([1; 8]), Page::from_bytes([2; 8])];

    /// The page that a start finds.
    fn found(outside: &Outside) -> Result<Option<Page>> {
        outside.prepare(false).map(|prepared| prepared.page())
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_page_is_read_as_it_was_written_and_what_is_no_page_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::new(None, folder.path());
        assert_eq!(found(&outside).unwrap(), None);
        for page in PAGES {
            outside.replace(page).unwrap();
            assert_eq!(found(&outside).unwrap(), Some(page));
        }
        assert_eq!(names(folder.path()), [".page.lock", PAGE], "nothing else is left there");
        fs::write(folder.path().join(PAGE), "no page").unwrap();
        assert_eq!(found(&outside).unwrap(), None);
        // What is no page at all is not written over.
        fs::write(folder.path().join(PAGE), [b'x'; 2 * LIMIT as usize]).unwrap();
        assert!(matches!(found(&outside), Err(Failure::PageStuck { .. })));
    }

    #[test]
    fn the_operators_own_place_must_work_before_anything_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a/page");
        let outside = Outside::new(Some(&named), folder.path());
        assert!(outside.is_trusted() && found(&outside).is_err() && outside.replace(PAGES[0]).is_err());
        fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(found(&outside).unwrap(), None);
        assert_eq!(names(&folder.path().join("a")), [".page.lock"], "trying it leaves no page");
        outside.replace(PAGES[0]).unwrap();
        assert_eq!(found(&outside).unwrap(), Some(PAGES[0]));
        // The directory can be written, and this name in it cannot: it is a mount, say.
        fs::remove_file(&named).unwrap();
        fs::create_dir(&named).unwrap();
        let Err(Failure::PageStuck { file, .. }) = found(&outside) else { panic!("it is a directory") };
        assert_eq!(file, named.display().to_string());
    }

    #[test]
    fn keys_on_a_read_only_disk_go_without_a_page_but_not_with_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let read_only = || Arc::new(TestDisk { read_only_after: Some(0), ..TestDisk::default() });
        let outside = Outside::on(read_only(), None, folder.path());
        for page in PAGES {
            assert_eq!(found(&outside).unwrap(), None);
            outside.replace(page).unwrap();
        }
        assert!(outside.said.load(Ordering::Relaxed), "the operator is told");
        // The operator's own place is no place then.
        let named = folder.path().join("named");
        assert!(found(&Outside::on(read_only(), Some(&named), folder.path())).is_err());
        // It would say for ever that nothing was signed since.
        Outside::new(None, folder.path()).replace(PAGES[0]).unwrap();
        for outcome in [found(&outside).map(drop), outside.replace(PAGES[1])] {
            let Err(failure) = outcome else { panic!("an earlier page stays there") };
            let words = failure.message();
            assert!(words.contains("read-only") && words.contains("--page-file"), "{words}");
        }
    }

    #[test]
    fn one_process_at_a_time_has_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let [one, another] = [(); 2].map(|()| Outside::on(Arc::<TestDisk>::default(), None, folder.path()));
        let prepared = one.prepare(false).unwrap();
        let Err(failure) = another.prepare(false) else { panic!("it is in use") };
        assert!(failure.message().contains(".page.lock locked"), "{}", failure.message());
        prepared.replace(PAGES[0]).unwrap();
        assert_eq!(found(&another).unwrap(), Some(PAGES[0]));
        // Without the file of a lock it goes on.
        fs::remove_file(folder.path().join(".page.lock")).unwrap();
        fs::create_dir(folder.path().join(".page.lock")).unwrap();
        one.prepare(true).unwrap().replace(PAGES[1]).unwrap();
        assert_eq!(found(&another).unwrap(), Some(PAGES[1]));
    }

    #[test]
    fn what_cannot_be_replaced_after_all_is_tried_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::new(None, folder.path());
        fs::create_dir(folder.path().join(PAGE)).unwrap();
        // It cannot be read, as another user's page cannot, and then it cannot be replaced either.
        assert!(outside.prepare(true).unwrap().replace(PAGES[0]).is_err());
        assert!(outside.prepare(true).is_err());
        fs::remove_dir(folder.path().join(PAGE)).unwrap();
        outside.prepare(true).unwrap().replace(PAGES[1]).unwrap();
        assert_eq!(found(&outside).unwrap(), Some(PAGES[1]));
    }

    #[cfg(unix)]
    #[test]
    fn what_root_leaves_is_the_owners_of_the_directory() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::new(None, folder.path());
        let is_others = chown(folder.path(), Some(54_321), Some(54_321)).is_ok();
        if !is_others {
            assert!(std::env::var_os("NODELOCK_REQUIRE_ROOT").is_none(), "not root");
            println!("SKIPPED in part: giving a directory away takes root");
        }
        outside.prepare(false).unwrap().replace(PAGES[0]).unwrap();
        let owner = fs::metadata(folder.path()).unwrap().uid();
        for (name, mode) in [(PAGE, 0o644), (".page.lock", 0o600)] {
            let file = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!((file.uid(), file.mode() & 0o777), (owner, mode), "{name}");
        }
    }
}

//! What std cannot do on Unix: ask the password database, whatever the environment says, and make files that belong to
//! the owner of the folder they stand in.

use std::{
    ffi::{CStr, CString, OsStr},
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io, mem,
    os::{
        fd::{AsRawFd as _, FromRawFd as _},
        unix::{
            ffi::OsStrExt as _,
            fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
        },
    },
    path::{Path, PathBuf},
    ptr,
};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Opens a directory to name things in it, which takes no right to read it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const DIRECTORY: libc::c_int = libc::O_DIRECTORY | libc::O_PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const DIRECTORY: libc::c_int = libc::O_DIRECTORY;

/// The home directory of the user who runs this process.
pub(super) fn home() -> Option<PathBuf> {
    // SAFETY: plain data of integers and pointers, for which zero is a value.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found = ptr::null_mut();
    let mut texts = [0; 16 * 1024];
    // SAFETY: the system writes an entry and its texts, of at most the length said, and where it found one.
    let result = unsafe {
        libc::getpwuid_r(libc::geteuid(), &raw mut entry, texts.as_mut_ptr(), texts.len(), &raw mut found)
    };
    if result != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: the entry was found, so its texts are in `texts`, which lives, and end with a zero.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    Some(PathBuf::from(OsStr::from_bytes(home.to_bytes())))
}

/// Makes the file `path` for writing, with mode 0600 whatever the umask. What root makes belongs to the owner of the
/// directory (docs/DESIGN.md, Store).
///
/// Fails with [`io::ErrorKind::AlreadyExists`] if anything has that name; no link is followed.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let (file, owner) = match Folder::of_another(path)? {
        None => (create()?, None),
        Some(folder) => (folder.make(|folder| folder.create_file())?, Some(folder.owner)),
    };
    let metadata = file.metadata()?;
    // A file system without modes or owners refuses these. It is as private as it can be then.
    if let Some((user, group)) = owner.filter(|owner| owner.0 != metadata.uid()) {
        let _ = fchown(&file, Some(user), Some(group));
    }
    if metadata.mode() & FILE_MODE != FILE_MODE {
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
    Ok(file)
}

/// Makes the directory `path`, with mode 0700 whatever the umask. What root makes belongs to the owner of the directory
/// above.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    let Some(folder) = Folder::of_another(path)? else {
        DirBuilder::new().mode(FOLDER_MODE).create(path)?;
        let _ = restore_mode(path);
        return Ok(());
    };
    folder.make(|folder| folder.create_dir())?;
    let made = folder.open_dir()?;
    let metadata = made.metadata()?;
    // The owner may have put another directory of root's in its place, and must not get what is in it.
    let is_empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if metadata.uid() != folder.owner.0 && is_empty() {
        let _ = fchown(&made, Some(folder.owner.0), Some(folder.owner.1));
    }
    if metadata.mode() & FOLDER_MODE != FOLDER_MODE {
        let _ = made.set_permissions(Permissions::from_mode(FOLDER_MODE));
    }
    Ok(())
}

/// Gives the owner of a directory that was just made what the umask has taken.
fn restore_mode(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.mode() & FOLDER_MODE == FOLDER_MODE {
        return Ok(());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Whoever may not read a directory can still name it this way; `fchmodat` without links wants a newer libc.
        let made = OpenOptions::new().read(true).custom_flags(DIRECTORY | libc::O_NOFOLLOW).open(path)?;
        let name = format!("/proc/self/fd/{}", made.as_raw_fd());
        fs::set_permissions(name, Permissions::from_mode(FOLDER_MODE))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let mode = FOLDER_MODE as libc::mode_t;
        // SAFETY: the path ends with a zero and lives.
        let result =
            unsafe { libc::fchmodat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_SYMLINK_NOFOLLOW) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// A directory of another user, in which root is about to make something.
struct Folder {
    directory: File,
    name: CString,
    /// User and group.
    owner: (u32, u32),
}

impl Folder {
    /// The directory that `path` is in, if this process is root's and the directory is another's.
    ///
    /// All that follows goes by the open directory: what its owner puts in its place meanwhile is not touched.
    fn of_another(path: &Path) -> io::Result<Option<Self>> {
        // SAFETY: the call has no arguments and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(None);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let directory = OpenOptions::new().read(true).custom_flags(DIRECTORY).open(parent)?;
        let metadata = directory.metadata()?;
        let owner = (metadata.uid(), metadata.gid());
        Ok((owner.0 != 0).then_some(Self { directory, name: CString::new(name.as_bytes())?, owner }))
    }

    /// Makes something in it: as its owner, so that it belongs to that user from the first moment, or as root where the
    /// owner may not or nobody can act as somebody else.
    fn make<T>(&self, make: impl Fn(&Self) -> io::Result<T>) -> io::Result<T> {
        match self.as_owner(|| make(self)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => make(self),
            made => made,
        }
    }

    fn create_file(&self) -> io::Result<File> {
        self.open(libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)
    }

    fn open_dir(&self) -> io::Result<File> {
        self.open(libc::O_RDONLY | libc::O_DIRECTORY)
    }

    fn open(&self, flags: libc::c_int) -> io::Result<File> {
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the directory is open, and the name ends with a zero and lives.
        let file = unsafe { libc::openat(self.directory.as_raw_fd(), self.name.as_ptr(), flags, FILE_MODE) };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just opened it, and nobody else has its number.
        Ok(unsafe { File::from_raw_fd(file) })
    }

    fn create_dir(&self) -> io::Result<()> {
        let mode = FOLDER_MODE as libc::mode_t;
        // SAFETY: as in `open`.
        let result = unsafe { libc::mkdirat(self.directory.as_raw_fd(), self.name.as_ptr(), mode) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Runs `act` with the owner's rights in the file system, which only this thread has then. Where the system denies them,
    /// `act` runs with root's.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn as_owner<T>(&self, act: impl FnOnce() -> T) -> T {
        /// Gives root its rights back.
        struct Root(libc::gid_t);

        impl Drop for Root {
            fn drop(&mut self) {
                // SAFETY: numbers alone. Whoever is root may always be root again.
                unsafe {
                    libc::setfsuid(0);
                    libc::setfsgid(self.0);
                }
            }
        }

        // SAFETY: numbers alone. What is not allowed changes nothing.
        let _root = unsafe {
            let group = libc::setfsgid(self.owner.1) as libc::gid_t;
            libc::setfsuid(self.owner.0);
            Root(group)
        };
        act()
    }

    /// Without such rights root makes it and gives it away. A kill in between leaves it root's.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn as_owner<T>(&self, act: impl FnOnce() -> T) -> T {
        act()
    }
}

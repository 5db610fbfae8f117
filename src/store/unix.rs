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

/// Asks for the rights of the effective user. Android's C library takes no such flag.
#[cfg(not(target_os = "android"))]
const EFFECTIVE: libc::c_int = libc::AT_EACCESS;
#[cfg(target_os = "android")]
const EFFECTIVE: libc::c_int = 0;

/// What ends the name under which root makes what is to stay in another's directory.
const TEMPORARY: &str = ".nodelock.new";

/// How often a name is tried that other processes of root's make and put in place at the same time.
const ATTEMPTS: u32 = 16;

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
/// Fails with [`io::ErrorKind::AlreadyExists`] if anything has that name; no link in the last place is followed. A kill
/// may leave an empty file of root's, which the owner of the directory can remove.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = Folder::of_another(path)? {
        return folder.create_file(&folder.name);
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    restore_file_mode(&file);
    Ok(file)
}

/// As [`create_file`], but for a file that stays: a kill leaves none of that name that is root's.
pub(super) fn create_lasting_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = Folder::of_another(path)? {
        return folder.create_lasting_file();
    }
    let file = create_file(path)?;
    let _ = fs::remove_file(temporary(path));
    Ok(file)
}

/// Makes the directory `path`, with mode 0700 whatever the umask. What root makes belongs to the owner of the directory
/// above. A kill leaves no directory of that name that is root's.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    if let Some(folder) = Folder::of_another(path)? {
        return folder.create_lasting_dir();
    }
    DirBuilder::new().mode(FOLDER_MODE).create(path)?;
    let _ = restore_mode(path);
    let _ = fs::remove_dir(temporary(path));
    Ok(())
}

/// Where root makes what is to become `path`. Whoever makes `path` removes what a killed process left there.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

/// Gives the owner of a file that was just made what the umask has taken. A file system without modes refuses; the file
/// is as private as it can be then.
fn restore_file_mode(file: &File) {
    if file.metadata().is_ok_and(|metadata| metadata.mode() & FILE_MODE != FILE_MODE) {
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
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
///
/// Root makes it and gives it away through the open file. No thread acts as the owner meanwhile (`setfsuid`): that
/// would keep the whole process from writing core dumps for as long as it lives.
struct Folder {
    directory: File,
    name: CString,
    temporary: CString,
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
        if owner.0 == 0 {
            return Ok(None);
        }
        let temporary = temporary(Path::new(name));
        Ok(Some(Self {
            directory,
            name: CString::new(name.as_bytes())?,
            temporary: CString::new(temporary.as_os_str().as_bytes())?,
            owner,
        }))
    }

    fn create_file(&self, name: &CStr) -> io::Result<File> {
        let file = self.open(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
        restore_file_mode(&file);
        self.give(&file, name, libc::O_RDWR | libc::O_NONBLOCK);
        Ok(file)
    }

    /// Makes a file under the temporary name, and gives it its own name once it is the owner's.
    fn create_lasting_file(&self) -> io::Result<File> {
        for _ in 0..ATTEMPTS {
            if self.exists()? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = match self.create_file(&self.temporary) {
                // A killed process left it, or another one of root's is at work and will find its name gone.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.remove(0)?;
                    continue;
                }
                // Such as a name that is too long for the file system.
                Err(_) => break,
                Ok(file) => file,
            };
            let linked = self.link(&file);
            let _ = self.remove(0);
            match linked {
                Ok(()) => return Ok(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // There are no links here.
                Err(_) => break,
            }
        }
        self.create_file(&self.name)
    }

    /// Makes a directory under the temporary name, and gives it its own name once it is the owner's.
    fn create_lasting_dir(&self) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            if self.exists()? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            match self.create_dir(&self.temporary) {
                // What a killed process left, or another one of root's is about to put in place, is as good as a new
                // one.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => created?,
            }
            let placed = self.give_dir(&self.temporary).and_then(|()| self.rename());
            match placed {
                Ok(()) => return Ok(()),
                // Another process of root's has put it in place.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let _ = self.remove(libc::AT_REMOVEDIR);
                    if error.kind() == io::ErrorKind::AlreadyExists {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        self.create_dir(&self.name)?;
        self.give_dir(&self.name)
    }

    /// Gives away a directory of root's. Its owner-to-be may have put another one of root's in its place, and must not
    /// get what is in it.
    fn give_dir(&self, name: &CStr) -> io::Result<()> {
        let made = self.open(name, libc::O_RDONLY | libc::O_DIRECTORY)?;
        let metadata = made.metadata()?;
        if metadata.uid() == 0 && is_empty(&made) {
            if metadata.mode() & 0o777 != FOLDER_MODE {
                let _ = made.set_permissions(Permissions::from_mode(FOLDER_MODE));
            }
            self.give(&made, name, libc::O_RDONLY | libc::O_DIRECTORY);
        }
        Ok(())
    }

    /// Gives what root made to the owner of the directory, unless this process could not use it any more: root need
    /// not have the right to pass over modes (CAP_DAC_OVERRIDE). A file system without owners refuses.
    fn give(&self, made: &File, name: &CStr, flags: libc::c_int) {
        let Ok(metadata) = made.metadata() else { return };
        if metadata.uid() != 0 || fchown(made, Some(self.owner.0), Some(self.owner.1)).is_err() {
            return;
        }
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let is_lost = match self.open(name, flags) {
            Ok(again) => metadata.is_dir() && may_change(&again).is_err_and(|error| refused(&error)),
            Err(error) => refused(&error),
        };
        if is_lost {
            let _ = fchown(made, Some(0), Some(metadata.gid()));
        }
    }

    fn open(&self, name: &CStr, flags: libc::c_int) -> io::Result<File> {
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the directory is open, and the name ends with a zero and lives.
        let file = unsafe { libc::openat(self.directory.as_raw_fd(), name.as_ptr(), flags, FILE_MODE) };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just opened it, and nobody else has its number.
        Ok(unsafe { File::from_raw_fd(file) })
    }

    fn create_dir(&self, name: &CStr) -> io::Result<()> {
        let mode = FOLDER_MODE as libc::mode_t;
        // SAFETY: as in `open`.
        done(unsafe { libc::mkdirat(self.directory.as_raw_fd(), name.as_ptr(), mode) })
    }

    /// Whether anything has the name.
    fn exists(&self) -> io::Result<bool> {
        // SAFETY: plain data of integers, for which zero is a value.
        let mut found: libc::stat = unsafe { mem::zeroed() };
        let (directory, name) = (self.directory.as_raw_fd(), self.name.as_ptr());
        // SAFETY: as in `open`, and the system fills `found`.
        match done(unsafe { libc::fstatat(directory, name, &raw mut found, libc::AT_SYMLINK_NOFOLLOW) }) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what has the temporary name.
    fn remove(&self, flags: libc::c_int) -> io::Result<()> {
        // SAFETY: as in `open`.
        match done(unsafe { libc::unlinkat(self.directory.as_raw_fd(), self.temporary.as_ptr(), flags) }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Gives the open file its name, which nothing may have yet.
    fn link(&self, file: &File) -> io::Result<()> {
        let directory = self.directory.as_raw_fd();
        let (temporary, name) = (self.temporary.as_ptr(), self.name.as_ptr());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // By its number it is surely this file, whatever has the temporary name by now.
            let number = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            let flags = libc::AT_SYMLINK_FOLLOW;
            // SAFETY: the directory is open, and the names end with a zero and live.
            let linked =
                done(unsafe { libc::linkat(libc::AT_FDCWD, number.as_ptr(), directory, name, flags) });
            // Where no such path exists, the name must do.
            if linked.is_ok() || Path::new("/proc/self/fd").exists() {
                return linked;
            }
        }
        // SAFETY: as above.
        done(unsafe { libc::linkat(directory, temporary, directory, name, 0) })?;
        let (linked, own) =
            (self.open(&self.name, libc::O_RDONLY | libc::O_NONBLOCK)?.metadata()?, file.metadata()?);
        match (linked.dev(), linked.ino()) == (own.dev(), own.ino()) {
            true => Ok(()),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Gives the directory of the temporary name its own, which nothing may have yet. Where the system cannot see to
    /// that, an empty directory may be replaced.
    fn rename(&self) -> io::Result<()> {
        let directory = self.directory.as_raw_fd();
        let (temporary, name) = (self.temporary.as_ptr(), self.name.as_ptr());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // Older C libraries have no function for it.
            // SAFETY: the directory is open, and the names end with a zero and live.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_renameat2,
                    directory,
                    temporary,
                    directory,
                    name,
                    libc::RENAME_NOREPLACE,
                )
            };
            let known = [io::ErrorKind::AlreadyExists, io::ErrorKind::NotFound];
            match done(result as libc::c_int) {
                Err(error) if !known.contains(&error.kind()) => {}
                renamed => return renamed,
            }
        }
        // SAFETY: as above.
        match done(unsafe { libc::renameat(directory, temporary, directory, name) }) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            renamed => renamed,
        }
    }
}

/// What a call of the system's came to that returns zero or fails.
fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether this process may name things in an open directory and change them.
fn may_change(directory: &File) -> io::Result<()> {
    let rights = libc::R_OK | libc::W_OK | libc::X_OK;
    // SAFETY: the directory is open, and the name ends with a zero and lives.
    done(unsafe { libc::faccessat(directory.as_raw_fd(), c".".as_ptr(), rights, EFFECTIVE) })
}

/// Whether an open directory holds nothing. One that cannot be read is not known to.
fn is_empty(directory: &File) -> bool {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the directory is open, and the name ends with a zero and lives. The stream is closed once, with its file.
    unsafe {
        let again = libc::openat(directory.as_raw_fd(), c".".as_ptr(), flags);
        if again < 0 {
            return false;
        }
        let stream = libc::fdopendir(again);
        if stream.is_null() {
            libc::close(again);
            return false;
        }
        // A directory names itself and the one above. One that names nothing was not read.
        let (mut own, mut others) = (0, 0);
        while others == 0
            && let Some(entry) = libc::readdir(stream).as_ref()
        {
            let name = CStr::from_ptr(entry.d_name.as_ptr());
            *(if name == c"." || name == c".." { &mut own } else { &mut others }) += 1;
        }
        libc::closedir(stream);
        own > 0 && others == 0
    }
}

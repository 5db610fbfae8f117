//! What std cannot do on Windows: find a known folder, make a directory that not everybody may read, and tell a file
//! from a copy of it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io, mem,
    os::windows::{
        ffi::{OsStrExt as _, OsStringExt as _},
        io::AsRawHandle as _,
    },
    path::{self, Component, Path, PathBuf, Prefix},
    ptr, slice,
};

use windows_sys::Win32::{
    Foundation::{LocalFree, S_OK},
    Security::{
        Authorization::{ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1},
        SECURITY_ATTRIBUTES,
    },
    Storage::FileSystem::{
        BY_HANDLE_FILE_INFORMATION, CreateDirectoryW, FILE_BASIC_INFO, FileBasicInfo,
        GetFileInformationByHandle, GetFileInformationByHandleEx,
    },
    System::Com::CoTaskMemFree,
    UI::Shell::{FOLDERID_ProgramData, FOLDERID_RoamingAppData, KF_FLAG_DONT_VERIFY, SHGetKnownFolderPath},
};
use windows_sys::core::GUID;

use super::Stamp;

/// Everything for the system, the administrators and the owner, on the directory and on all that is made in it; nothing
/// is inherited from above. The owner is named by "owner rights", so that the rule fits whoever makes a file.
const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-3-4)";

/// The directory for what belongs to the whole machine.
pub(super) fn program_data() -> Option<PathBuf> {
    known_folder(&FOLDERID_ProgramData)
}

/// The user's directory for data that comes along to other machines, whatever the environment says.
pub(super) fn roaming_data() -> Option<PathBuf> {
    known_folder(&FOLDERID_RoamingAppData)
}

fn known_folder(id: &GUID) -> Option<PathBuf> {
    let mut path = ptr::null_mut();
    // SAFETY: the folder's id lives; `path` takes the address of a text that the system makes, also when it fails.
    let result =
        unsafe { SHGetKnownFolderPath(id, KF_FLAG_DONT_VERIFY as u32, ptr::null_mut(), &raw mut path) };
    let found = (result == S_OK && !path.is_null()).then(|| {
        // SAFETY: the system's text ends with a zero, and is not changed or freed before it has been copied.
        let text = unsafe {
            let length = (0..).take_while(|at| *path.add(*at) != 0).count();
            slice::from_raw_parts(path, length)
        };
        PathBuf::from(OsString::from_wide(text))
    });
    // SAFETY: the system made this text (or it is null, which is fine), and nothing refers to it any more.
    unsafe { CoTaskMemFree(path.cast()) };
    found
}

/// What an open file looks like from outside.
///
/// A copy can be given the times of its original, and is when it is made by the usual means: when the file was last
/// changed in any way, and its number, cannot be copied along.
pub(super) fn stamp(file: &File) -> io::Result<Stamp> {
    let mut outside = BY_HANDLE_FILE_INFORMATION::default();
    let mut times = FILE_BASIC_INFO::default();
    // SAFETY: the handle is open for the whole of both calls, and each is given the structure that it fills.
    let done = unsafe {
        GetFileInformationByHandle(file.as_raw_handle(), &raw mut outside) != 0
            && GetFileInformationByHandleEx(
                file.as_raw_handle(),
                FileBasicInfo,
                (&raw mut times).cast(),
                mem::size_of::<FILE_BASIC_INFO>() as u32,
            ) != 0
    };
    if !done {
        return Err(io::Error::last_os_error());
    }
    let number = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    Ok(Stamp {
        length: number(outside.nFileSizeHigh, outside.nFileSizeLow),
        modified: times.LastWriteTime.into(),
        changed: times.ChangeTime.into(),
        identity: number(outside.nFileIndexHigh, outside.nFileIndexLow),
    })
}

/// Whether everybody may read what is made in `path` with the rules of the directory above.
///
/// A directory has more names than one (verbatim, short, through a junction), so the system is asked for its own; what
/// is spelled like the shared directory needs no asking, and is enough where the system has no answer.
pub(super) fn is_shared(path: &Path) -> bool {
    let Some(shared) = program_data() else { return false };
    let plain = |path: &Path| PathBuf::from(path.as_os_str().to_ascii_lowercase());
    if plain(path).starts_with(plain(&shared)) {
        return true;
    }
    let Ok(path) = path::absolute(path) else { return false };
    let real = path.ancestors().find_map(|there| there.canonicalize().ok());
    real.zip(shared.canonicalize().ok()).is_some_and(|(real, shared)| real.starts_with(shared))
}

/// Creates the directory `path` for the system, the administrators and its owner only.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    let path = path::absolute(path)?;
    let rules: Vec<u16> = PRIVATE.encode_utf16().chain([0]).collect();
    let mut descriptor = ptr::null_mut();
    // SAFETY: the rules end with a zero; `descriptor` takes the address of what the system makes of them.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            rules.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: mem::size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor,
        bInheritHandle: 0,
    };
    // Spelled verbatim a path may be longer than 260 units, as std has it; one that is not plain is so already.
    let is_plain = path.components().next().is_some_and(
        |first| matches!(first, Component::Prefix(prefix) if matches!(prefix.kind(), Prefix::Disk(_))),
    );
    let verbatim = OsStr::new(if is_plain { r"\\?\" } else { "" });
    let path: Vec<u16> = verbatim.encode_wide().chain(path.as_os_str().encode_wide()).chain([0]).collect();
    // SAFETY: the path ends with a zero, and the attributes and their descriptor are valid for the whole call.
    let created = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    let result = if created == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the system made this descriptor, and nothing refers to it any more.
    unsafe { LocalFree(descriptor) };
    result
}

#[cfg(test)]
mod tests {
    use std::fs;

    use windows_sys::Win32::Security::{
        Authorization::{
            ConvertSecurityDescriptorToStringSecurityDescriptorW, GetNamedSecurityInfoW, SE_FILE_OBJECT,
        },
        DACL_SECURITY_INFORMATION,
    };

    use super::{
        super::{FileSystem as _, OsFileSystem},
        *,
    };

    /// The access rules of a file or directory, as text.
    fn rules(path: &Path) -> String {
        let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
        let (mut descriptor, mut text, mut length) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the path ends with a zero; what is null is not asked for. The system's text has the length that it
        // says and is copied before it is freed.
        unsafe {
            let result = GetNamedSecurityInfoW(
                path.as_ptr(),
                SE_FILE_OBJECT,
                DACL_SECURITY_INFORMATION,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut descriptor,
            );
            assert_eq!(result, 0);
            let done = ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut text,
                &raw mut length,
            );
            assert_ne!(done, 0);
            let rules = String::from_utf16_lossy(slice::from_raw_parts(text, length as usize));
            LocalFree(text.cast());
            LocalFree(descriptor);
            rules.trim_end_matches('\0').to_owned()
        }
    }

    /// Everyone, users, authenticated users, guests: under no name may they be let in.
    fn lets_others_in(rules: &str) -> bool {
        [";WD)", ";BU)", ";AU)", ";BG)", ";S-1-1-0)"].iter().any(|who| rules.contains(who))
    }

    #[test]
    fn a_directory_below_program_data_is_not_for_everybody() {
        let shared = program_data().unwrap();
        assert!(is_shared(&shared.join("nodelock")));
        assert!(is_shared(Path::new(&shared.to_str().unwrap().to_uppercase())));
        assert!(!is_shared(&std::env::temp_dir()));
        let verbatim = |path: &Path| PathBuf::from(format!(r"\\?\{}", path.display()));
        assert!(is_shared(&verbatim(&shared).join("nodelock").join("not there")));
        assert!(is_shared(&std::env::temp_dir().join(r"..\..\..\..\..\..").join(r"ProgramData\nodelock")));
        assert!(!is_shared(&verbatim(&std::env::temp_dir())));

        let open = shared.join(format!("nodelock-test-{}", std::process::id()));
        fs::create_dir(&open).unwrap();
        let private = open.join("private").join("x".repeat(100)).join("y".repeat(100)).join("Größe");
        for directory in private.ancestors().take(4).collect::<Vec<_>>().into_iter().rev() {
            create_private_dir(directory).unwrap();
        }
        assert_eq!(create_private_dir(&private).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let missing = create_private_dir(&open.join("no").join("such")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        fs::write(private.join("state"), "mine").unwrap();
        assert_eq!(fs::read(private.join("state")).unwrap(), b"mine");
        let (above, below) = (rules(&open), rules(&open.join("private")));
        println!("above {above}, below {below}");
        assert!(!lets_others_in(&below), "{below}");
        let spelled_verbatim = verbatim(&open).join("verbatim");
        OsFileSystem.create_dir(&spelled_verbatim).unwrap();
        assert_eq!(rules(&spelled_verbatim), below);
        fs::remove_dir_all(&open).unwrap();
    }
}

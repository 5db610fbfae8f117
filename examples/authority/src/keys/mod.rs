//! The vendor's keys: files that only their owner may read or variables of the environment, never rows of a database.

mod outside;
pub(crate) mod renewal;
mod vault;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{
    Certificate, Error, ErrorKind, PublicKey, Roots, SigningKey, SystemRandom, Timestamp,
    authority::{CertificateTerms, Issuer},
};
use zeroize::Zeroizing;

#[cfg(test)]
pub(crate) use self::outside::TestDisk;
pub(crate) use self::{outside::Outside, vault::Vault};
use crate::failure::{Failure, Result};

pub(crate) const ROOT_KEY: &str = "root.key";
const ROOT_PUBLIC: &str = "root.public";
const ISSUER_KEY: &str = "issuer.key";
const ISSUER_CERTIFICATE: &str = "issuer.certificate";
/// Is among new keys until their ledger is made. So keys that an interrupted set-up left can be told from keys whose
/// ledger is gone.
const UNFINISHED: &str = "unfinished";
/// What the files of the issuer hold may be in these variables instead, for where there is no place for a file.
const ISSUER_KEY_VARIABLE: &str = "AUTHORITY_ISSUER_KEY";
const ISSUER_CERTIFICATE_VARIABLE: &str = "AUTHORITY_ISSUER_CERTIFICATE";
/// How long an issuer key may sign before its root must be fetched again.
pub(crate) const CERTIFICATE_DAYS: u32 = 365;
/// More than any file here needs, a chain of TLS certificates included.
const LIMIT: u64 = 64 * 1024;

/// What the authority signs with, and what it believes of its own earlier signatures.
pub(crate) struct Signer {
    pub(crate) issuer: Issuer,
    pub(crate) certificate: Certificate,
    pub(crate) roots: Roots,
    pub(crate) root: PublicKey,
}

/// What there is of an authority's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Missing,
    /// Made, and no ledger was made for them yet.
    Unfinished,
    /// There, in files or in the environment.
    Complete,
}

/// Looks for the keys of an authority, without reading them.
pub(crate) fn presence(directory: &Path) -> Result<Presence> {
    let is_brought =
        variable(ISSUER_KEY_VARIABLE)?.is_some() || variable(ISSUER_CERTIFICATE_VARIABLE)?.is_some();
    Ok(match presence_of_files(directory) {
        Presence::Missing if is_brought => Presence::Complete,
        presence => presence,
    })
}

/// The same for a product whose keys no variable holds.
pub(crate) fn presence_of_files(directory: &Path) -> Presence {
    if directory.join(UNFINISHED).exists() {
        Presence::Unfinished
    } else if directory.join(ROOT_PUBLIC).exists() {
        Presence::Complete
    } else {
        Presence::Missing
    }
}

/// Notes that the ledger of the keys is made. What cannot be noted, because the directory is read-only, is noted at
/// another start.
pub(crate) fn finish(directory: &Path) {
    if fs::remove_file(directory.join(UNFINISHED)).is_ok() {
        let _ = sync_directory(directory);
    }
}

/// Makes a root key, an issuer key and its certificate, all in one step: a directory that is there was there whole.
/// Keys that another process made meanwhile stay, and are no failure.
pub(crate) fn create(directory: &Path, name: &str, now: Timestamp) -> Result<()> {
    let root = SigningKey::generate(&SystemRandom)?;
    let issuer = SigningKey::generate(&SystemRandom)?;
    let certificate = CertificateTerms::new(issuer.public_key(), name, now, now.plus_days(CERTIFICATE_DAYS))
        .with_endless(true)
        .sign(&root)?;

    let failed = |error| Error::io(directory.display().to_string(), error);
    let parent = parent(directory);
    fs::create_dir_all(parent).map_err(failed)?;
    let mut unfinished = tempfile::Builder::new();
    unfinished.prefix(".keys-");
    #[cfg(unix)]
    unfinished.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let unfinished = unfinished.tempdir_in(parent).map_err(failed)?;
    let write = |name: &str, bytes: &[u8]| write_new(&unfinished.path().join(name), bytes).map_err(failed);
    write(ROOT_KEY, private_text(&root).as_bytes())?;
    write(ROOT_PUBLIC, format!("{}\n", root.public_key()).as_bytes())?;
    write(ISSUER_KEY, private_text(&issuer).as_bytes())?;
    write(ISSUER_CERTIFICATE, certificate.to_text().as_bytes())?;
    write(UNFINISHED, b"")?;
    sync_directory(unfinished.path()).map_err(failed)?;
    // A rename does not replace a directory with anything in it, so keys are never overwritten.
    if let Err(error) = fs::rename(unfinished.path(), directory) {
        return if directory.join(ROOT_PUBLIC).exists() { Ok(()) } else { Err(failed(error).into()) };
    }
    let _ = unfinished.keep();
    sync_directory(parent).map_err(failed)?;
    Ok(())
}

/// The public key of the root in a directory.
pub(crate) fn root(directory: &Path) -> Result<PublicKey> {
    let path = directory.join(ROOT_PUBLIC);
    Ok(text(&read(&path, Readers::Anybody)?, &path)?.trim().parse()?)
}

/// Where keys are read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From files, and a variable of the environment goes before its file.
    Environment,
    /// From files alone: the variables are the first product's.
    Files,
}

/// Reads what is needed from day to day, which leaves the root's private key out: keep that elsewhere.
///
/// Fails with [`Failure::KeysMissing`], with [`Failure::WrongKeys`] when `root` does not vouch for the issuer, and with
/// [`ErrorKind::AccessDenied`] when anybody but the owner may read the file of its key.
pub(crate) fn load(directory: &Path, root: PublicKey, source: Source) -> Result<Signer> {
    let roots = Roots::new([root]);
    let variable = |name| if source == Source::Environment { variable(name) } else { Ok(None) };
    let certificate = match variable(ISSUER_CERTIFICATE_VARIABLE)? {
        Some(text) => verify(text.as_bytes(), &roots)?,
        None => {
            check_present(&directory.join(ISSUER_CERTIFICATE))?;
            certificate(directory, &roots)?
        }
    };
    let key = match variable(ISSUER_KEY_VARIABLE)? {
        Some(text) => private_key(&text, ISSUER_KEY_VARIABLE)?,
        None => {
            let path = issuer_key(directory, &certificate);
            check_present(&path)?;
            read_private(&path)?
        }
    };
    Ok(Signer { issuer: Issuer::certified(key, certificate.clone())?, certificate, roots, root })
}

fn check_present(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Err(Failure::KeysMissing(path.display().to_string())),
        // Whatever else is wrong with it shows when it is read.
        _ => Ok(()),
    }
}

/// The file of the issuer's certificate in a directory, as it is; none if it cannot be read. Whoever replaces the key
/// replaces the certificate. The file's time does not tell two of them apart: it is as coarse as the file system's
/// clock, and a copy may keep it.
pub(crate) fn certificate_file(directory: &Path) -> Option<Vec<u8>> {
    Some(read(&directory.join(ISSUER_CERTIFICATE), Readers::Anybody).ok()?.to_vec())
}

/// For how long a certificate still lasts; negative once it has ended.
pub(crate) fn seconds_left(certificate: &Certificate, now: Timestamp) -> i64 {
    let seconds = |time: Timestamp| i64::try_from(time.unix_seconds()).expect("times end with the year 9999");
    seconds(certificate.not_after) - seconds(now)
}

/// The issuer's certificate in a directory.
fn certificate(directory: &Path, roots: &Roots) -> Result<Certificate> {
    verify(&read(&directory.join(ISSUER_CERTIFICATE), Readers::Anybody)?, roots)
}

fn verify(text: &[u8], roots: &Roots) -> Result<Certificate> {
    Certificate::verify(text, roots).map_err(|error| match error.kind() {
        ErrorKind::UntrustedSigner => Failure::WrongKeys,
        _ => error.into(),
    })
}

/// The file of the key that a certificate is for. Only a key that came later has its name in that of its file.
fn issuer_key(directory: &Path, certificate: &Certificate) -> PathBuf {
    let named = named_key(directory, &certificate.issuer);
    if named.exists() { named } else { directory.join(ISSUER_KEY) }
}

fn named_key(directory: &Path, issuer: &PublicKey) -> PathBuf {
    directory.join(format!("issuer-{}.key", issuer.id()))
}

/// What a variable of the environment holds; nothing if that is empty. This copy of it is wiped. The one that the
/// process was started with is the operating system's, and stays until the process ends.
fn variable(name: &'static str) -> Result<Option<Zeroizing<String>>> {
    match std::env::var_os(name).map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.trim().is_empty())),
        Some(Err(_)) => Err(Error::about(ErrorKind::Malformed, name).into()),
    }
}

/// The 64 bytes of a private key as one line of base64url.
fn private_text(key: &SigningKey) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*key.to_bytes()) + "\n")
}

fn private_key(text: &str, about: &str) -> Result<SigningKey> {
    let mut bytes = Zeroizing::new([0; 66]);
    let length = URL_SAFE_NO_PAD
        .decode_slice(text.trim(), &mut *bytes)
        .map_err(|_| Error::about(ErrorKind::Malformed, about.to_owned()))?;
    Ok(SigningKey::from_bytes(&bytes[..length])?)
}

fn read_private(path: &Path) -> Result<SigningKey> {
    private_key(text(&read(path, Readers::Owner)?, path)?, &path.display().to_string())
}

fn text<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str> {
    Ok(str::from_utf8(bytes).map_err(|_| Error::about(ErrorKind::Malformed, path.display().to_string()))?)
}

/// Who may be able to read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Anybody,
    Owner,
}

/// Reads a file of keys. What is private is checked to be so, on the very file that is read.
///
/// Fails with [`ErrorKind::AccessDenied`] when others may read what is its owner's, and with [`ErrorKind::TooLarge`].
pub(crate) fn read(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error| Error::io(path.display().to_string(), error);
    let file = File::open(path).map_err(failed)?;
    if readers == Readers::Owner {
        check_private(&file, path)?;
    }
    // As large as it gets at once: a buffer that grows would leave copies of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT as usize));
    file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == LIMIT {
        let text = format!("{} has {LIMIT} bytes or more; fewer are allowed", path.display());
        return Err(Error::new(ErrorKind::TooLarge, text).into());
    }
    Ok(bytes)
}

#[cfg(unix)]
fn check_private(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode =
        file.metadata().map_err(|error| Error::io(path.display().to_string(), error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let about = format!(
            "{}: others may read this private key (mode {:03o}); run chmod 600",
            path.display(),
            mode & 0o777
        );
        return Err(Error::new(ErrorKind::AccessDenied, about).into());
    }
    Ok(())
}

/// Elsewhere a new file inherits its access rights from the directory of the user.
#[cfg(not(unix))]
fn check_private(_: &File, _: &Path) -> Result<()> {
    Ok(())
}

/// Makes a file that only its owner may read, durably; one that is there is not touched.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a directory durable, where directories can be opened.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// The directory that a name is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Makes the name of a file durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent(path))
}

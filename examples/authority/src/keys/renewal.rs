//! A new certificate for the issuer, by the root key that is fetched for it.

use std::{fs, io::Write as _, path::Path};

use nodelock::{
    Certificate, Error, PublicKey, Roots, SigningKey, SystemRandom, Timestamp, authority::CertificateTerms,
};

use super::{
    ISSUER_CERTIFICATE, ISSUER_CERTIFICATE_VARIABLE, ISSUER_KEY_VARIABLE, Source, certificate, issuer_key,
    named_key, private_text, read_private, sync_directory, write_new,
};
use crate::failure::{Failure, Result};

/// What the new certificate is to say.
pub(crate) struct NewCertificate<'a> {
    /// The file of the root's private key.
    pub(crate) root_key: &'a Path,
    /// Whether it is for a new issuer key, which takes the place of the present one.
    pub(crate) new_key: bool,
    pub(crate) days: u32,
    /// None for the one after the present certificate's.
    pub(crate) serial: Option<u64>,
    /// Where the keys are read from later.
    pub(crate) source: Source,
}

/// Makes a certificate and installs it. What was issued under the one before stays valid, as it carries that along.
///
/// The certificate says which key goes with it, and a new key is in a file of its own name before the certificate is
/// there. So replacing the one file of the certificate is what changes both: whatever crashes, and whenever a server
/// starts, there is a certificate with its key.
///
/// Fails with [`Failure::WrongKeys`] when the root key is not the one that `root` is.
pub(crate) fn install(
    directory: &Path,
    root: PublicKey,
    new: &NewCertificate<'_>,
    now: Timestamp,
) -> Result<Certificate> {
    for variable in [ISSUER_KEY_VARIABLE, ISSUER_CERTIFICATE_VARIABLE] {
        if new.source == Source::Environment && super::variable(variable)?.is_some() {
            let words =
                format!("{variable} is set, so what is in the files would not be used; unset it for this");
            return Err(Failure::Usage(words));
        }
    }
    let roots = Roots::new([root]);
    let present = certificate(directory, &roots)?;
    let root_key = read_private(new.root_key)?;
    if root_key.public_key() != root {
        return Err(Failure::WrongKeys);
    }
    let serial = new.serial.unwrap_or(present.serial.saturating_add(1));
    if serial <= present.serial {
        return Err(Failure::Usage(format!("the present certificate is number {} already", present.serial)));
    }
    let key = if new.new_key { Some(SigningKey::generate(&SystemRandom)?) } else { None };
    let terms = CertificateTerms::new(
        key.as_ref().map_or(present.issuer, SigningKey::public_key),
        present.name.clone(),
        now,
        now.plus_days(new.days),
    )
    .with_serial(serial)
    .with_longest_lease_days(present.longest_lease_days)
    .with_endless(present.endless);
    let certificate = terms.sign(&root_key)?;

    let failed = |error| Error::io(directory.display().to_string(), error);
    let replaced = issuer_key(directory, &present);
    if let Some(key) = &key {
        write_new(&named_key(directory, &key.public_key()), private_text(key).as_bytes()).map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
    }
    let mut file = tempfile::Builder::new().prefix(".certificate-").tempfile_in(directory).map_err(failed)?;
    file.write_all(certificate.to_text().as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(directory.join(ISSUER_CERTIFICATE)).map_err(|error| failed(error.error))?;
    sync_directory(directory).map_err(failed)?;
    if key.is_some() {
        // Nobody needs it any more, so nobody must be able to steal it. Should that fail it is as safe as before.
        let _ = fs::remove_file(replaced);
    }
    Ok(certificate)
}

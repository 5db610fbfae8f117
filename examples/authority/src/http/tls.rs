//! TLS by file: rustls on ring, with certificates that can be renewed while the server runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use nodelock::{Error, ErrorKind};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};
use tracing::{info, warn};

use crate::{
    failure::Result,
    keys::{Readers, read},
};

/// A certificate with its key: those of the files as they were when they last belonged together.
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads both files, in PEM; behind the server's certificate there may be those that lead to its root.
    ///
    /// Fails with [`ErrorKind::Malformed`] for what is no certificate or key, [`ErrorKind::InvalidInput`] when they do
    /// not belong together, and [`ErrorKind::AccessDenied`] when anybody but the owner may read the key.
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self> {
        let current = RwLock::new(Arc::new(configuration(certificate, key)?));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    /// Reads both files again, for the connections to come. What cannot be used leaves the certificate as it is.
    pub(super) fn reload(&self) {
        match configuration(&self.certificate, &self.key) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                info!(event = "tls-certificate-read");
            }
            Err(failure) => warn!(event = "tls-certificate-kept", error = failure.message()),
        }
    }
}

/// Whom this system trusts.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Whom a file of certificates says to trust, in PEM. Fails with [`ErrorKind::Malformed`] for what is no certificate.
pub(crate) fn roots_of(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| malformed(file))?;
    }
    Ok(roots)
}

/// Connects to servers that these vouch for.
pub(crate) fn connector(roots: RootCertStore) -> TlsConnector {
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(configuration).into()
}

fn malformed(path: &Path) -> Error {
    Error::about(ErrorKind::Malformed, path.display().to_string())
}

/// The certificates of a file in PEM: one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(path, Readers::Anybody)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|_| malformed(path))?;
    if chain.is_empty() { Err(malformed(path).into()) } else { Ok(chain) }
}

fn configuration(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key, Readers::Owner)?).map_err(|_| malformed(key))?;
    let mut configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("{} and its key: {error}", certificate.display()))
        })?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(configuration)
}

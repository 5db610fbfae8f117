//! Certificates made for a test, and files of them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use nodelock::{HttpOptions, HttpTransport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, pki_types::CertificateDer,
};
use tempfile::TempDir;

/// Who issues certificates, and a folder for them.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub folder: TempDir,
}

/// A certificate and its key in files, as a server wants them.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub der: CertificateDer<'static>,
}

/// From and to which year a certificate is valid.
pub type Years = (i32, i32);
/// These, if nothing else is to be shown.
pub const NOW: Years = (2020, 2999);

fn params(subject: &str, hosts: &[&str], (from, to): Years) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn authority(subject: &str) -> CertificateParams {
    let mut params = params(subject, &[], NOW);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Ca {
    pub fn new() -> Self {
        let issuer = CertifiedIssuer::self_signed(authority("Root"), KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    /// A certificate for these names that leads to this authority directly.
    pub fn issue(&self, name: &str, hosts: &[&str], years: Years) -> Files {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, hosts, years).signed_by(&key, &self.issuer).unwrap();
        self.write(name, certificate.pem(), certificate.der(), &key)
    }

    /// One that leads to it over another certificate, which is in its file too.
    pub fn issue_over_another(&self, name: &str, hosts: &[&str]) -> Files {
        let between =
            CertifiedIssuer::signed_by(authority("Between"), KeyPair::generate().unwrap(), &self.issuer);
        let between = between.unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, hosts, NOW).signed_by(&key, &between).unwrap();
        self.write(name, certificate.pem() + &between.pem(), certificate.der(), &key)
    }

    /// One that only vouches for itself.
    pub fn self_signed(&self, name: &str, hosts: &[&str]) -> Files {
        let key = KeyPair::generate().unwrap();
        let certificate = params(name, hosts, NOW).self_signed(&key).unwrap();
        self.write(name, certificate.pem(), certificate.der(), &key)
    }

    fn write(&self, name: &str, pem: String, der: &CertificateDer<'_>, key: &KeyPair) -> Files {
        let path = |extension: &str| self.folder.path().join(name).with_extension(extension);
        fs::write(path("pem"), pem).unwrap();
        let _ = fs::remove_file(path("key"));
        write_private(&path("key"), key.serialize_pem().as_bytes());
        Files { certificate: path("pem"), key: path("key"), der: der.clone().into_owned() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The library's own transport, which trusts this authority alone.
    pub fn http(&self) -> HttpTransport {
        let options = HttpOptions::default().no_proxy().only_given_certificates();
        options.trust_pem(self.pem().as_bytes()).unwrap().build().unwrap()
    }

    /// A bare TLS client, to look at what no library shows.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl Files {
    /// What `authority serve` is told.
    pub fn options(&self) -> Vec<String> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (certificate, key) = (text(&self.certificate), text(&self.key));
        vec!["--tls-certificate".into(), certificate, "--tls-key".into(), key]
    }
}

/// A file that only its owner may read.
fn write_private(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path).unwrap(), bytes).unwrap();
}

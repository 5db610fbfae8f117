//! What a running server takes in anew: the issuer's certificate with its key, and the TLS certificate.
//!
//! SIGHUP reads both, which is what tools that renew certificates can send. The issuer's certificate is also looked at
//! every half minute, because a seat cannot be granted or acknowledged once it has ended.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nodelock::{Error, PublicKey};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Server, tls::Tls};
use crate::{failure::Result, keys};

/// How often the file of the issuer's certificate is looked at.
const PERIOD: Duration = Duration::from_secs(30);

/// The keys of the issuer, as they were read last.
pub(super) struct Issuer {
    server: Arc<Server>,
    directory: PathBuf,
    root: PublicKey,
    read: Option<keys::Stamp>,
}

impl Issuer {
    pub(super) fn new(server: Arc<Server>, directory: PathBuf, root: PublicKey) -> Self {
        Self { server, directory, root, read: None }
    }

    /// Reads the files if they were written since they were read last.
    pub(super) fn look(&mut self) {
        if self.read.is_none() || keys::stamp(&self.directory) != self.read {
            self.reload();
        }
    }

    /// Reads the files. What cannot be used leaves the issuer as it is, and is tried again at the next look.
    pub(super) fn reload(&mut self) {
        // A file that is replaced after this is read once more.
        let stamp = keys::stamp(&self.directory);
        match keys::load(&self.directory, self.root) {
            Ok(signer) => {
                self.read = stamp;
                let serial = signer.certificate.serial;
                if serial != self.server.service.signer().certificate.serial {
                    self.server.service.replace_signer(signer);
                    info!(event = "issuer-certificate-read", serial);
                }
            }
            Err(failure) => warn!(event = "issuer-certificate-kept", error = failure.message()),
        }
    }
}

/// Reads what was renewed for as long as the server runs.
pub(super) async fn watch(mut issuer: Issuer, tls: Option<Arc<Tls>>, mut hangup: Hangup) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = period.tick() => false,
            () = hangup.received() => true,
        };
        let tls = tls.clone().filter(|_| asked);
        let read = tokio::task::spawn_blocking(move || {
            if asked {
                issuer.reload()
            } else {
                issuer.look()
            }
            if let Some(tls) = tls {
                tls.reload();
            }
            issuer
        });
        // Fails only when it panics, which says so itself.
        let Ok(read) = read.await else { return };
        issuer = read;
    }
}

/// SIGHUP, from the moment that this is made.
#[cfg(unix)]
pub(super) struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(super) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::hangup()).map_err(|e| Error::io("signals", e))?))
    }

    async fn received(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Elsewhere there is no such signal: a renewed TLS certificate needs a restart.
#[cfg(not(unix))]
pub(super) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self)
    }

    async fn received(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fixture::Authority, Issuer};
    use crate::keys;

    #[tokio::test]
    async fn a_renewed_certificate_is_read_once_and_what_cannot_be_used_is_tried_again() {
        let authority = Authority::new().await;
        let (directory, root) = authority.keys();
        let mut issuer = Issuer::new(authority.server(), directory.clone(), root);
        let serial = || authority.server().service.signer().certificate.serial;
        issuer.look();
        assert_eq!(serial(), 1);
        let first = keys::load(&directory, root).unwrap();
        authority.certify(0, 365);
        issuer.look();
        assert_eq!(serial(), 2);
        // What was read is not read again, unless somebody asks for it.
        authority.server().service.replace_signer(first);
        issuer.look();
        assert_eq!(serial(), 1);
        issuer.reload();
        assert_eq!(serial(), 2);
        let certificate = directory.join("issuer.certificate");
        // A file that is not whole yet changes nothing, and the whole one is taken in at the next look.
        authority.certify(0, 365);
        let whole = std::fs::read(&certificate).unwrap();
        std::fs::write(&certificate, &whole[..20]).unwrap();
        issuer.look();
        assert_eq!(serial(), 2);
        std::fs::write(&certificate, whole).unwrap();
        issuer.look();
        assert_eq!(serial(), 3);
    }
}

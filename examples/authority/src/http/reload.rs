//! What a running server takes in anew: the products, the certificate of each one's issuer with its key, and the TLS
//! certificate.
//!
//! SIGHUP reads all of them, which is what tools that renew certificates can send. Products and issuers' certificates
//! are also looked at every half minute, because a seat cannot be granted or acknowledged once a certificate has ended.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nodelock::Error;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Server, tls::Tls};
use crate::{
    domain::Product,
    failure::Result,
    keys,
    service::{self, Selling, Sellings},
};

/// How often the files of the issuers' certificates are looked at.
const PERIOD: Duration = Duration::from_secs(30);

/// The products with their keys, as they were read last.
pub(super) struct Issuers {
    server: Arc<Server>,
    keys: PathBuf,
    read: Vec<(Product, Option<Vec<u8>>)>,
}

impl Issuers {
    /// `keys` is the folder of all keys.
    pub(super) fn new(server: Arc<Server>, keys: PathBuf) -> Self {
        Self { server, keys, read: Vec::new() }
    }

    /// Reads what was written since it was read last; all of it if somebody asked for that. What cannot be used leaves
    /// its issuer as it is, and is tried again at the next look.
    pub(super) fn look(&mut self, products: Vec<Product>, asked: bool) {
        let present = self.server.service.sellings();
        let (mut sellings, mut changed) = (Vec::new(), false);
        let before = std::mem::take(&mut self.read);
        for product in products {
            // A file that is replaced after this is read once more.
            let file = keys::certificate_file(&product.keys(&self.keys));
            let known = present.0.iter().find(|selling| selling.id == product.id);
            let was_read =
                before.iter().any(|(of, read)| of.id == product.id && *read == file && file.is_some());
            if let Some(known) = known.filter(|_| was_read && !asked) {
                sellings.push(known.clone());
                self.read.push((product, file));
                continue;
            }
            match Selling::load(&product, &self.keys) {
                Ok(selling) => {
                    // Two copies of the keys may each make a certificate of one serial.
                    if known.is_none_or(|known| known.signer.certificate != selling.signer.certificate) {
                        let (serial, product) = (selling.signer.certificate.serial, selling.id.as_str());
                        info!(event = "issuer-certificate-read", serial, product);
                        sellings.push(Arc::new(selling));
                        changed = true;
                    } else {
                        sellings.extend(known.cloned());
                    }
                    self.read.push((product, file));
                }
                Err(failure) => {
                    let (error, product) = (failure.message(), product.id.as_str());
                    warn!(event = "issuer-certificate-kept", error, product);
                    sellings.extend(known.cloned());
                }
            }
        }
        if changed && !sellings.is_empty() {
            self.server.service.replace_sellings(Sellings(sellings));
        }
    }
}

/// Reads what was renewed for as long as the server runs.
pub(super) async fn watch(mut issuers: Issuers, tls: Option<Arc<Tls>>, mut hangup: Hangup) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = period.tick() => false,
            () = hangup.received() => true,
        };
        let tls = tls.clone().filter(|_| asked);
        // While the database cannot be read, there are the products that there were.
        let products = service::products(issuers.server.service.database()).await;
        let read = tokio::task::spawn_blocking(move || {
            match products {
                Ok(products) => issuers.look(products, asked),
                Err(failure) => warn!(event = "products-not-read", error = failure.message()),
            }
            if let Some(tls) = tls {
                tls.reload();
            }
            issuers
        });
        // Fails only when it panics, which says so itself.
        let Ok(read) = read.await else { return };
        issuers = read;
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
    use std::time::Duration;

    use tokio::time;

    use super::{super::fixture::Authority, Hangup, Issuers, PERIOD, watch};
    use crate::service::{self, Sellings};

    #[tokio::test]
    async fn a_renewed_certificate_is_read_once_and_what_cannot_be_used_is_tried_again() {
        let authority = Authority::new().await;
        let (directory, _) = authority.keys();
        let server = authority.server();
        let mut issuers = Issuers::new(server.clone(), directory.clone());
        let products = service::products(server.service.database()).await.unwrap();
        let serial = || server.service.sellings().first().signer.certificate.serial;
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 1);
        let first = Sellings::load(server.service.database(), &directory).await.unwrap();
        authority.certify(0, 365);
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 2);
        // What was read is not read again, unless somebody asks for it.
        server.service.replace_sellings(first);
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 1);
        issuers.look(products.clone(), true);
        assert_eq!(serial(), 2);
        let certificate = directory.join("issuer.certificate");
        // A file that is not whole yet changes nothing, and the whole one is taken in at the next look.
        authority.certify(0, 365);
        let whole = std::fs::read(&certificate).unwrap();
        std::fs::write(&certificate, &whole[..20]).unwrap();
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 2);
        std::fs::write(&certificate, &whole).unwrap();
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 3);
        // So is one that is as long, and as old.
        let written = std::fs::metadata(&certificate).unwrap().modified().unwrap();
        authority.certify(0, 365);
        std::fs::File::options().write(true).open(&certificate).unwrap().set_modified(written).unwrap();
        issuers.look(products.clone(), false);
        assert_eq!(serial(), 4);
        // And one of the same serial, as another copy of the keys makes it.
        let end = || server.service.sellings().first().signer.certificate.not_after;
        let before = end();
        std::fs::write(&certificate, &whole).unwrap();
        authority.certify(0, 300);
        issuers.look(products, false);
        assert!(serial() == 4 && end() < before);
    }

    #[tokio::test]
    async fn a_server_looks_at_its_certificates_by_itself_twice_a_minute() {
        let authority = Authority::new().await;
        let server = authority.server();
        let serial = || server.service.sellings().first().signer.certificate.serial;
        let becomes = async |expected| {
            while serial() != expected {
                time::sleep(Duration::from_millis(1)).await;
            }
        };
        // It looks when it starts.
        authority.certify(0, 365);
        let issuers = Issuers::new(server.clone(), authority.keys().0);
        tokio::spawn(watch(issuers, None, Hangup::listen().unwrap()));
        time::timeout(Duration::from_secs(60), becomes(2)).await.unwrap();
        // And then when half a minute is over, which no test waits for.
        authority.certify(0, 365);
        assert_eq!(PERIOD, Duration::from_secs(30));
        time::pause();
        time::advance(PERIOD).await;
        time::resume();
        // A period of an hour would not be over by then.
        time::timeout(Duration::from_secs(60), becomes(3)).await.unwrap();
    }
}

//! Where a command does its work: in the ledger, or at a server that has it.
//!
//! Both answer in the records of the calls for administration, so a command puts them into words once.

mod catalog;
mod licenses;
mod lists;
mod mails;
mod people;
mod requests;
mod seats;
mod webhooks;

use std::path::PathBuf;

use nodelock::{License, Revocation, Roots};
use tokio::sync::OnceCell;

use super::arguments::Installation;
use crate::{
    domain::Occasion,
    failure::{Failure, Result},
    http::records::{Message, Products},
    remote::{Remote, unreadable},
    service::{self, Database, Sellings, Service},
};

pub(super) enum Desk<'a> {
    Ledger(Ledger<'a>),
    Server(Remote),
}

/// The ledger on this machine.
pub(super) struct Ledger<'a> {
    pub(super) database: &'a Database,
    pub(super) occasion: &'a Occasion,
    pub(super) installation: &'a Installation,
    /// The authority at work, once something is signed for.
    service: OnceCell<Box<Service>>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(
        database: &'a Database,
        occasion: &'a Occasion,
        installation: &'a Installation,
    ) -> Self {
        Self { database, occasion, installation, service: OnceCell::new() }
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.installation.keys()
    }

    /// The authority at work, until [`end`](Self::end).
    pub(super) async fn service(&self) -> Result<&Service> {
        let service = async || -> Result<_> { Ok(Box::new(self.new_service().await?)) };
        Ok(self.service.get_or_try_init(service).await?)
    }

    pub(super) async fn new_service(&self) -> Result<Service> {
        let sellings = Sellings::load(self.database, &self.keys()).await?;
        Ok(Service::new(self.database.clone(), sellings, self.installation.outside()))
    }

    /// Notes that what was signed for is over: the ledger is out of service then, unless a server is at work.
    pub(super) async fn end(&self) {
        if let Some(service) = self.service.get()
            && let Err(failure) = service.stop_alone().await
        {
            // What was done stays done. A later start may think that something is missing.
            eprintln!("warning: that this is over could not be noted: {}", failure.message());
        }
    }
}

impl<'a> Desk<'a> {
    /// The ledger, for what is not done from afar. Fails with [`Failure::Usage`].
    pub(super) fn ledger(&self) -> Result<&Ledger<'a>> {
        match self {
            Self::Ledger(ledger) => Ok(ledger),
            Self::Server(_) => Err(Failure::Usage("that is done on the machine of the ledger alone".into())),
        }
    }

    /// The roots that vouch for what the authority signs, of all products.
    pub(super) async fn roots(&self) -> Result<Roots> {
        match self {
            Self::Ledger(Ledger { database, .. }) => {
                let products = service::products(database).await?;
                Ok(Roots::new(products.iter().map(|product| product.root)))
            }
            Self::Server(remote) => {
                let Products { products } = remote.get("/products").await?;
                let roots: Result<Vec<_>, _> = products.iter().map(|product| product.root.parse()).collect();
                Ok(Roots::new(roots.map_err(|_| unreadable("a root is no key"))?))
            }
        }
    }

    /// A license as a file for its device.
    pub(super) async fn license_text(&self, message: &Message) -> Result<String> {
        Ok(License::verify(message.as_str().as_bytes(), &self.roots().await?)?.to_text())
    }

    /// The same of a revocation.
    pub(super) async fn revocation_text(&self, message: &Message) -> Result<String> {
        Ok(Revocation::verify(message.as_str().as_bytes(), &self.roots().await?)?.to_text())
    }
}

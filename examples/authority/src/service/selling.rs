//! What the authority sells and signs for: a product with its keys.
//!
//! Every act is decided for one product: what it looks up, it finds there alone, what it is handed is verified by the
//! roots of that product, and its answer is signed for them. So nothing of one product counts in another.

use std::{path::Path, sync::Arc, time::Duration};

use nodelock::{ErrorKind, LicenseId, Roots, authority::SeatName, code::Handle};

use super::{Database, Service, products};
use crate::{
    domain::{
        Product, ProductId,
        rights::{Permit, Reach},
    },
    failure::{Failure, Result},
    keys::{self, Signer},
    store,
};

/// A product, and what is signed with for it.
pub(crate) struct Selling {
    pub(crate) id: ProductId,
    /// As licenses and requests name it.
    pub(crate) name: String,
    pub(crate) signer: Signer,
}

impl Selling {
    /// With the keys of a product; `keys` is the folder of all keys. Fails as [`keys::load`] does.
    pub(crate) fn load(product: &Product, keys: &Path) -> Result<Self> {
        let signer = keys::load(&product.keys(keys), product.root, source(product))?;
        Ok(Self { id: product.id.clone(), name: product.name.clone(), signer })
    }
}

/// Where the keys of a product are read from.
pub(crate) fn source(product: &Product) -> keys::Source {
    if product.is_first { keys::Source::Environment } else { keys::Source::Files }
}

/// Every product, the first one first. Never none.
pub(crate) struct Sellings(pub(crate) Vec<Arc<Selling>>);

impl Sellings {
    /// With the keys of every product. Fails as [`Selling::load`] does, and with [`Failure::NotInitialized`].
    pub(crate) async fn load(database: &Database, keys: &Path) -> Result<Self> {
        let products = products(database).await?;
        let load = |product: &Product| Selling::load(product, keys).map(Arc::new);
        Ok(Self(products.iter().map(load).collect::<Result<_>>()?))
    }

    pub(crate) fn first(&self) -> &Arc<Selling> {
        self.0.first().expect("an authority has a product")
    }

    /// The roots of all products, which tell what this authority signed and decide nothing.
    pub(crate) fn roots(&self) -> Roots {
        Roots::new(self.0.iter().map(|selling| selling.signer.root))
    }

    /// The longest lease of all, because the ledger's history is one for all products.
    pub(crate) fn longest_lease(&self) -> Duration {
        let leases = self.0.iter().map(|selling| selling.signer.issuer.longest_lease());
        leases.max().unwrap_or_default()
    }
}

/// What tells which product an act is of.
pub(super) enum Place<'a> {
    /// The product that a request names.
    Named(&'a str),
    /// A product of that name and no other one.
    Only(&'a str),
    /// Seats of these handles, whoever has them. What nobody has is kept for the first product.
    Handles(Vec<Handle>),
    /// The same for a device that may have a license of a seat that the ledger has lost.
    LostHandle(Handle),
    Seat(SeatName),
    License(LicenseId),
}

impl<'a> Place<'a> {
    /// The same for somebody who deals with one product alone: what belongs to another one is not found.
    pub(super) fn within(self, permit: &'a Permit<'_>) -> Self {
        match permit.reach() {
            Reach::Product(name) => Place::Only(name),
            _ => self,
        }
    }
}

impl Service {
    /// The products that an act may be of, the likely ones first; never none. Fails with [`Failure::UnknownProduct`].
    pub(super) async fn places(&self, place: &Place<'_>) -> Result<Vec<Arc<Selling>>> {
        let sellings = self.sellings();
        // Nothing has to be looked up for the only one.
        if let [only] = &sellings.0[..]
            && !matches!(place, Place::Only(_))
        {
            return Ok(vec![only.clone()]);
        }
        let mut ids = Vec::new();
        match place {
            Place::Only(name) => {
                let only = sellings.0.iter().find(|selling| selling.name == *name).cloned();
                // One that was made a moment ago has no keys here yet.
                return only
                    .map(|only| vec![only])
                    .ok_or_else(|| Failure::UnknownProduct((*name).to_owned()));
            }
            Place::Named(name) => {
                let named = sellings.0.iter().find(|selling| selling.name == *name);
                return Ok(vec![named.unwrap_or(sellings.first()).clone()]);
            }
            Place::Handles(handles) => {
                let mut tx = self.database().read().await?;
                for handle in handles {
                    ids.extend(store::products_of_handle(&mut tx, *handle).await?);
                }
            }
            Place::LostHandle(handle) => {
                let mut tx = self.database().read().await?;
                ids.extend(store::products_of_handle(&mut tx, *handle).await?);
                ids.extend(sellings.0.iter().map(|selling| selling.id.clone()));
            }
            Place::Seat(name) => {
                ids.extend(store::product_of_seat(&mut self.database().read().await?, *name).await?);
            }
            Place::License(id) => {
                ids.extend(store::product_of_license(&mut self.database().read().await?, *id).await?);
            }
        }
        let mut found: Vec<Arc<Selling>> = Vec::new();
        for id in ids {
            // One that was made a moment ago has no keys here yet.
            let selling = sellings.0.iter().find(|selling| selling.id == id);
            found.extend(selling.filter(|_| found.iter().all(|before| before.id != id)).cloned());
        }
        if found.is_empty() {
            found.push(sellings.first().clone());
        }
        Ok(found)
    }
}

/// Whether an act may be another product's: this one knows no such seat, or not of that device.
pub(super) fn may_be_elsewhere(failure: &Failure) -> bool {
    match failure {
        Failure::TooManyAttempts => true,
        Failure::Rule(error) => matches!(
            error.kind(),
            ErrorKind::UnknownSeat
                | ErrorKind::LicenseWanted
                | ErrorKind::BadSignature
                | ErrorKind::WrongCode
                | ErrorKind::WrongRequest
        ),
        _ => false,
    }
}

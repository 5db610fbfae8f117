//! Products and what holds for all of them; customers; orders.

use serde_json::{Map, Value, json};

use super::{Desk, Ledger};
use crate::{
    domain::{
        CustomerDetails, CustomerId, OrderChoice, ProductId, RetentionChange, filter::Filter, filter::List,
    },
    failure::{Failure, Result},
    http::records::{
        CustomerBody, ErasedCustomer, HintBody, OrderView, Policies, ProductBody, Products, RetentionBody,
        VoidedOrder,
    },
    remote::{address, encoded, terms},
    service::{self, Change, ProductEdit},
};

impl Desk<'_> {
    pub(in super::super) async fn products(&self) -> Result<Vec<ProductBody>> {
        match self {
            Self::Ledger(Ledger { database, .. }) => {
                service::products(database).await?.iter().map(ProductBody::of).collect()
            }
            Self::Server(remote) => Ok(remote.get::<Products>("/products").await?.products),
        }
    }

    /// The product of that id, or the only one.
    pub(in super::super) async fn product(&self, named: Option<&ProductId>) -> Result<ProductBody> {
        service::choose_of(self.products().await?, |product| &product.id, named)
    }

    pub(in super::super) async fn edit_product(
        &self,
        named: Option<&ProductId>,
        edit: &ProductEdit<'_>,
        if_version: Option<u32>,
    ) -> Result<ProductBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let edit = (edit, if_version);
                ProductBody::of(&service::edit_product(database, named, edit, |_| Ok(()), occasion).await?)
            }
            Self::Server(remote) => {
                let product = self.product(named).await?;
                let mut body = json!({});
                if let Some(Change { said, unsaid }) = &edit.terms {
                    body = json!({ "terms": terms(said), "unset": unsaid });
                }
                if let Some(license) = edit.trial_license {
                    body["trial_license"] = license.map(|id| id.to_string()).into();
                }
                if let Some(keeps_keys) = edit.keeps_keys {
                    body["keeps_keys"] = keeps_keys.into();
                }
                let path = format!("/products/{}/edit", encoded(&product.id));
                remote.post(&path, &body, Some(if_version.unwrap_or(product.revision))).await
            }
        }
    }

    pub(in super::super) async fn policies(&self) -> Result<Policies> {
        match self {
            Self::Ledger(Ledger { database, .. }) => Policies::of(&service::policies(database).await?),
            Self::Server(remote) => remote.get("/policies").await,
        }
    }

    pub(in super::super) async fn edit_policies(
        &self,
        change: &Change<'_>,
        if_version: Option<u32>,
    ) -> Result<Policies> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let change = (change, if_version);
                Policies::of(&service::edit_policies(database, change, |_| Ok(()), occasion).await?)
            }
            Self::Server(remote) => {
                let based_on = match if_version {
                    Some(version) => version,
                    None => self.policies().await?.version,
                };
                let body = json!({ "terms": terms(change.said), "unset": change.unsaid });
                remote.post("/policies/edit", &body, Some(based_on)).await
            }
        }
    }

    pub(in super::super) async fn retention(&self) -> Result<RetentionBody> {
        match self {
            Self::Ledger(Ledger { database, .. }) => {
                Ok(RetentionBody::from(&service::retention(database).await?))
            }
            Self::Server(remote) => remote.get("/retention").await,
        }
    }

    pub(in super::super) async fn edit_retention(&self, change: RetentionChange) -> Result<RetentionBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let edited = service::edit_retention(database, change, |_| Ok(()), occasion).await?;
                Ok(RetentionBody::from(&edited))
            }
            Self::Server(remote) => remote.post("/retention/edit", &asked(change), None).await,
        }
    }

    pub(in super::super) async fn customer(&self, id: CustomerId) -> Result<CustomerBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(CustomerBody::from(&service::customer(database, id, occasion).await?))
            }
            Self::Server(remote) => remote.get(&format!("/customers/{id}")).await,
        }
    }

    pub(in super::super) async fn customer_of_external_id(&self, external_id: &str) -> Result<CustomerBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let found = service::customer_of_external_id(database, external_id, occasion).await?;
                Ok(CustomerBody::from(&found))
            }
            Self::Server(_) => {
                let mut found = None;
                let filter = Filter::all(List::Customers).and("external_id", external_id);
                let keep = |row: Result<CustomerBody>| {
                    found = Some(row?);
                    Ok(())
                };
                self.customers(filter, keep).await?;
                found.ok_or_else(|| Failure::UnknownCustomer(external_id.to_owned()))
            }
        }
    }

    pub(in super::super) async fn new_customer(&self, details: CustomerDetails) -> Result<CustomerBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let new = service::new_customer(database, details, |_| Ok(()), occasion).await?;
                Ok(CustomerBody::from(&new))
            }
            Self::Server(remote) => {
                let body = details.members().map(|(name, text)| (name.to_owned(), text.into()));
                remote.post("/customers", &serde_json::Map::from_iter(body).into(), None).await
            }
        }
    }

    pub(in super::super) async fn edit_customer(
        &self,
        id: CustomerId,
        change: impl Fn(&mut CustomerDetails),
        if_version: Option<u32>,
    ) -> Result<CustomerBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let change = (change, if_version);
                let edited = service::edit_customer(database, id, change, |_| Ok(()), occasion).await?;
                Ok(CustomerBody::from(&edited))
            }
            Self::Server(remote) => {
                let CustomerBody { name, email, external_id, notes, language, revision, .. } =
                    self.customer(id).await?;
                let before = CustomerDetails { name, email, external_id, notes, language };
                let mut details = before.clone();
                change(&mut details);
                let members = before.members().into_iter().zip(details.members());
                let changed = members.filter(|(before, after)| before != after);
                let body = changed.map(|(_, (name, text))| (name.to_owned(), text.into()));
                let body = serde_json::Map::from_iter(body).into();
                let based_on = Some(if_version.unwrap_or(revision));
                remote.post(&format!("/customers/{id}/edit"), &body, based_on).await
            }
        }
    }

    pub(in super::super) async fn erase_customer(&self, id: CustomerId) -> Result<ErasedCustomer> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok((id, service::erase_customer(database, id, occasion).await?).into())
            }
            Self::Server(remote) => remote.post(&format!("/customers/{id}/erase"), &json!({}), None).await,
        }
    }

    pub(in super::super) async fn order(&self, choice: &OrderChoice) -> Result<OrderView> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let (order, licenses) = service::order(database, choice, occasion).await?;
                OrderView::of(&order, licenses.iter().map(HintBody::from).collect())
            }
            Self::Server(remote) => remote.get(&address_of(choice, "")).await,
        }
    }

    pub(in super::super) async fn void_order(
        &self,
        choice: &OrderChoice,
        (reason, dry_run): (&str, bool),
    ) -> Result<VoidedOrder> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let how = (reason, dry_run);
                let ended = service::void_order(database, choice, how, |_| Ok(()), occasion).await?;
                Ok(VoidedOrder::of(&choice.id, &ended))
            }
            Self::Server(remote) => {
                let body = json!({ "reason": reason, "dry_run": dry_run });
                remote.post(&address_of(choice, "/void"), &body, None).await
            }
        }
    }
}

fn address_of(choice: &OrderChoice, act: &str) -> String {
    let product = choice.product.as_ref().map(|product| ("product", product.as_str()));
    let seller = choice.seller.as_deref().map(|seller| ("seller", seller));
    let of: Vec<_> = product.into_iter().chain(seller).collect();
    address(&format!("/orders/{}{act}", encoded(&choice.id)), &of)
}

/// The members that say something.
fn asked(change: RetentionChange) -> Value {
    let RetentionChange { audit_days, evidence_days, check_in_days, refusal_days } = change;
    let days = [
        ("audit_days", audit_days),
        ("evidence_days", evidence_days),
        ("check_in_days", check_in_days),
        ("refusal_days", refusal_days),
    ];
    days.into_iter()
        .filter_map(|(name, days)| Some((name.to_owned(), days?.into())))
        .collect::<Map<_, _>>()
        .into()
}

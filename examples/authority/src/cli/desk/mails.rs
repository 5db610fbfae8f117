//! Mails to customers, apart from their list.

use serde_json::{Value, json};

use super::{Desk, Ledger, webhooks::again};
use crate::{
    domain::{Language, MailPolicyChange, MailTerm, Mailed, ProductId, Sender},
    failure::Result,
    http::records::{MailPoliciesBody, MailPolicyBody, MailedAgain},
    service::{self, Replay},
};

impl Desk<'_> {
    /// How many mails are sent once more.
    pub(in super::super) async fn replay_mails(&self, which: &Replay) -> Result<u64> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::replay_mails(database, which, occasion).await
            }
            Self::Server(remote) => {
                Ok(remote.post::<MailedAgain>("/mails/replay", &again(which), None).await?.mails)
            }
        }
    }

    pub(in super::super) async fn mail_policies(&self) -> Result<MailPoliciesBody> {
        match self {
            Self::Ledger(Ledger { database, .. }) => {
                Ok(MailPoliciesBody::from(&service::mail_policies(database).await?))
            }
            Self::Server(remote) => remote.get("/mail-policies").await,
        }
    }

    /// Changes what is mailed, for every product or by one for itself.
    pub(in super::super) async fn edit_mail_policy(
        &self,
        product: Option<&ProductId>,
        change: &MailPolicyChange,
    ) -> Result<MailPolicyBody> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                let edited = service::edit_mail_policy(database, product, change, |_| Ok(()), occasion);
                Ok(MailPolicyBody::from(&edited.await?))
            }
            Self::Server(remote) => remote.post("/mail-policies/edit", &asked(product, change), None).await,
        }
    }
}

/// A change as a call asks for it: what is not said is left out.
fn asked(product: Option<&ProductId>, change: &MailPolicyChange) -> Value {
    let MailPolicyChange { from, language, events, expiring_days, wait_days, unset } = change;
    let unset: Vec<&str> = unset.iter().map(|term| MailTerm::name(*term)).collect();
    let mut body = json!({ "unset": unset });
    if let Some(product) = product {
        body["product"] = product.as_str().into();
    }
    if let Some(from) = from {
        body["from"] = Sender::to_string(from).into();
    }
    if let Some(language) = language {
        body["language"] = Language::name(*language).into();
    }
    if let Some(events) = events {
        body["events"] = events.iter().map(|event| Mailed::name(*event)).collect();
    }
    for (name, days) in [("expiring_days", expiring_days), ("wait_days", wait_days)] {
        if let Some(days) = days {
            body[name] = (*days).into();
        }
    }
    body
}

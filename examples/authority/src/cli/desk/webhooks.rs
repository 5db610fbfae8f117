//! Webhooks, apart from what they were told.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{Desk, Ledger};
use crate::{
    failure::{Failure, Result},
    http::{
        Courier,
        records::{Put, Tested, WebhookBody, WebhookSecret, Webhooks},
    },
    keys::Vault,
    remote::encoded,
    service::{self, Replay},
};

/// What is told or sent once more.
pub(super) fn again(which: &Replay) -> Value {
    match which {
        Replay::Aside => json!({ "aside": true }),
        Replay::Event(event) => json!({ "event": event }),
        Replay::Since(since) => json!({ "since": since.to_string() }),
    }
}

impl Desk<'_> {
    pub(in super::super) async fn webhooks(&self) -> Result<Vec<WebhookBody>> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(service::webhooks(database, occasion).await?.iter().map(WebhookBody::from).collect())
            }
            Self::Server(remote) => Ok(remote.get::<Webhooks>("/webhooks").await?.webhooks),
        }
    }

    pub(in super::super) async fn new_webhook(&self, url: &str, kinds: &[String]) -> Result<WebhookSecret> {
        match self {
            Self::Ledger(ledger) => {
                let vault = service::vault(ledger.database, &ledger.keys()).await?;
                let made = RefCell::new(None);
                let hand_over = |id: &str, secret: &str| {
                    *made.borrow_mut() = Some(WebhookSecret { id: id.to_owned(), secret: secret.to_owned() });
                    Ok(())
                };
                let (new, database) = ((url, kinds.to_vec()), ledger.database);
                service::new_webhook(database, vault.as_ref(), new, hand_over, ledger.occasion).await?;
                made.into_inner().ok_or(Failure::NoVault)
            }
            Self::Server(remote) => {
                remote.post("/webhooks", &json!({ "url": url, "kinds": kinds }), None).await
            }
        }
    }

    pub(in super::super) async fn remove_webhook(&self, id: &str) -> Result<()> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::remove_webhook(database, id, occasion).await
            }
            Self::Server(remote) => remote.delete(&format!("/webhooks/{}", encoded(id))).await,
        }
    }

    pub(in super::super) async fn new_webhook_secret(&self, id: &str) -> Result<WebhookSecret> {
        match self {
            Self::Ledger(ledger) => {
                let vault = service::vault(ledger.database, &ledger.keys()).await?;
                let made = RefCell::new(None);
                let hand_over = |id: &str, secret: &str| {
                    *made.borrow_mut() = Some(WebhookSecret { id: id.to_owned(), secret: secret.to_owned() });
                    Ok(())
                };
                let database = ledger.database;
                service::new_webhook_secret(database, vault.as_ref(), id, hand_over, ledger.occasion).await?;
                made.into_inner().ok_or(Failure::NoVault)
            }
            Self::Server(remote) => {
                remote.post(&format!("/webhooks/{}/secret", encoded(id)), &json!({}), None).await
            }
        }
    }

    /// Sends a message from here with what is `allowed`, or from the server with what that allows.
    pub(in super::super) async fn test_webhook(&self, id: &str, allowed: &[String]) -> Result<Tested> {
        match self {
            Self::Ledger(ledger) => {
                let (vault, courier) = (Vault::open(&ledger.keys())?, Courier::new(allowed));
                let (database, occasion) = (ledger.database, ledger.occasion);
                let (message, posted) =
                    service::test_webhook(database, vault.as_ref(), id, &courier, occasion).await?;
                let (taken, status, reason) = (posted.is_success(), posted.status(), posted.reason());
                Ok(Tested { message, taken, status, reason })
            }
            Self::Server(remote) => {
                remote.post(&format!("/webhooks/{}/test", encoded(id)), &json!({}), None).await
            }
        }
    }

    /// How many events are told once more.
    pub(in super::super) async fn replay(&self, id: &str, which: &Replay) -> Result<u64> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                service::replay(database, id, which, occasion).await
            }
            Self::Server(remote) => {
                let path = format!("/webhooks/{}/replay", encoded(id));
                Ok(remote.post::<Put>(&path, &again(which), None).await?.events)
            }
        }
    }
}

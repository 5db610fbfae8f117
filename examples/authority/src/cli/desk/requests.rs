//! Requests for approval, apart from their list.

use serde_json::json;

use super::{Desk, Ledger};
use crate::{
    domain::SeatChoice,
    failure::Result,
    http::records::{OneRequest, RequestBody},
    remote::address,
    service::{self, Word},
};

impl Desk<'_> {
    pub(in super::super) async fn request(&self, choice: SeatChoice) -> Result<OneRequest> {
        match self {
            Self::Ledger(Ledger { database, occasion, .. }) => {
                Ok(OneRequest::from(&service::request(database, choice, occasion).await?))
            }
            Self::Server(remote) => {
                let device = choice.device.map(|device| device.to_string());
                let of: Vec<_> = device.as_deref().map(|device| ("device", device)).into_iter().collect();
                remote.get(&address(&format!("/requests/{}", choice.handle), &of)).await
            }
        }
    }

    /// Approves a request, or refuses it.
    pub(in super::super) async fn rule(&self, choice: SeatChoice, word: Word<'_>) -> Result<RequestBody> {
        match self {
            Self::Ledger(ledger) => {
                let approval = ledger.service().await?.rule(choice, word, ledger.occasion).await?;
                Ok(RequestBody::from(&approval))
            }
            Self::Server(remote) => {
                let (act, mut body) = match word {
                    Word::Approve => ("approve", json!({})),
                    Word::Refuse(reason) => ("refuse", json!({ "reason": reason })),
                };
                if let Some(device) = choice.device {
                    body["device"] = device.to_string().into();
                }
                remote.post(&format!("/requests/{}/{act}", choice.handle), &body, None).await
            }
        }
    }
}

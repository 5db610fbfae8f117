//! What is done with one seat.

use serde_json::{Value, json};

use super::Desk;
use crate::{
    cli::arguments::ExtendBy,
    domain::SeatChoice,
    failure::Result,
    http::records::{ExtendedTrial, Freed, Issued, OneSeat},
    remote::{Remote, address},
};

/// Asks for an act on a seat.
async fn act<T: serde::de::DeserializeOwned>(
    remote: &Remote,
    choice: &SeatChoice,
    act: &str,
    mut body: Value,
) -> Result<T> {
    if let Some(device) = &choice.device {
        body["device"] = device.to_string().into();
    }
    remote.post(&format!("/seats/{}/{act}", choice.handle), &body, None).await
}

impl Desk<'_> {
    /// A seat, and who licensed it.
    pub(in super::super) async fn seat(&self, choice: SeatChoice) -> Result<OneSeat> {
        match self {
            Self::Ledger(ledger) => Ok(ledger.service().await?.seat(choice, ledger.occasion).await?.into()),
            Self::Server(remote) => {
                let device = choice.device.map(|device| device.to_string());
                let of: Vec<_> = device.as_deref().map(|device| ("device", device)).into_iter().collect();
                remote.get(&address(&format!("/seats/{}", choice.handle), &of)).await
            }
        }
    }

    pub(in super::super) async fn release(&self, choice: SeatChoice, reason: &str) -> Result<Freed> {
        match self {
            Self::Ledger(ledger) => {
                let service = ledger.service().await?;
                let (seat, revocation) = service.release(choice, reason, ledger.occasion).await?;
                Ok(Freed::of(&seat, revocation.as_ref()))
            }
            Self::Server(remote) => act(remote, &choice, "release", json!({ "reason": reason })).await,
        }
    }

    pub(in super::super) async fn return_held(&self, choice: SeatChoice) -> Result<Freed> {
        match self {
            Self::Ledger(ledger) => {
                let seat = ledger.service().await?.return_held(choice, ledger.occasion).await?;
                Ok(Freed::of(&seat, None))
            }
            Self::Server(remote) => act(remote, &choice, "return", json!({})).await,
        }
    }

    pub(in super::super) async fn unrelease(&self, choice: SeatChoice) -> Result<Issued> {
        match self {
            Self::Ledger(ledger) => {
                Ok(Issued::from(&ledger.service().await?.unrelease(choice, ledger.occasion).await?))
            }
            Self::Server(remote) => act(remote, &choice, "unrelease", json!({})).await,
        }
    }

    pub(in super::super) async fn renew(&self, choice: SeatChoice) -> Result<Issued> {
        match self {
            Self::Ledger(ledger) => {
                Ok(Issued::from(&ledger.service().await?.renew(choice, ledger.occasion).await?))
            }
            Self::Server(remote) => act(remote, &choice, "renew", json!({})).await,
        }
    }

    /// Lets the trial of a seat's computer last longer.
    pub(in super::super) async fn extend_trial(
        &self,
        choice: SeatChoice,
        by: &ExtendBy,
    ) -> Result<ExtendedTrial> {
        let extension = by.extension()?;
        match self {
            Self::Ledger(ledger) => {
                let service = ledger.service().await?;
                let (seat, until) = service.extend_trial(choice, extension, |_| (), ledger.occasion).await?;
                Ok(ExtendedTrial { handle: seat.handle().to_string(), until: until.to_string() })
            }
            Self::Server(remote) => {
                let until = by.until.map(|until| until.to_string());
                let body = json!({ "days": by.days, "until": until, "only_later": true });
                act(remote, &choice, "extend-trial", body).await
            }
        }
    }
}

//! A device asks whether it may give its seat up.

use nodelock::authority::{
    PreflightClaim,
    decision::{self, Ruling},
};

use super::{Service, off_thread, unknown_ruling};
use crate::{domain::Occasion, failure::Result};

impl Service {
    /// How many deactivations are left for the seat that asks; none is without limit, or without a count. Fails as
    /// [`PreflightClaim::read`] and [`decision::preflight`] do.
    pub(crate) async fn preflight(&self, input: Vec<u8>, occasion: &Occasion) -> Result<Option<u32>> {
        let claim = off_thread(move || PreflightClaim::read(&input)).await??;
        let act = |records: &_, moment: &_| decision::preflight(&claim, records, moment);
        match self.decide(&act, occasion).await?.ruling {
            Ruling::Preflight { deactivations_left } => Ok(deactivations_left),
            _ => Err(unknown_ruling()),
        }
    }
}

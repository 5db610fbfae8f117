//! What the authority does, one file for each use case.
//!
//! A use case takes plain values and does one thing to its end: it asks the limits for strangers, looks up, has the
//! library decide, signs, stores and notes, in one transaction. A front puts the outcome into its own form.

mod accounts;
mod activate;
mod approvals;
mod backup;
mod certificate;
mod check_in;
mod codes;
mod customer_release;
mod customers;
mod deactivate;
mod deliveries;
mod derivations;
mod driver;
mod edit;
mod erase;
mod events;
#[cfg(test)]
pub(crate) mod fixture;
mod holding;
mod license_keys;
mod limits;
mod lists;
mod mail;
mod notes;
mod once;
mod orders;
mod pages;
mod permit;
mod preflight;
mod products;
mod redeem;
mod refusals;
mod release;
mod renew;
mod reset;
mod retention;
mod return_held;
mod seals;
mod search;
mod secrets;
mod sell;
mod selling;
mod set_up;
mod shown;
mod sign_in;
mod suspend;
#[cfg(test)]
mod tests;
mod timeline;
mod tokens;
mod trials;
mod unrelease;
mod verify;
mod webhooks;

use std::sync::{Arc, PoisonError, RwLock};

use nodelock::{
    ErrorKind, Roots,
    authority::{Fact, Found, Query, Seat, SeatName, Verification},
};

pub(crate) use self::{
    accounts::{AccountChange, SecondFactor, accounts, change_account, new_account, new_second_factor},
    activate::Activated,
    approvals::{Word, request, requests, requests_after},
    backup::{Restored, back_up, restore},
    certificate::certify,
    check_in::CheckedIn,
    codes::Came,
    customers::{customer, customer_of_external_id, edit_customer, name_of_customer, new_customer},
    deactivate::{Deactivated, DeactivatedLicense},
    edit::{Changing, Edited, Extension, differences, edit, extend},
    erase::{Erased, erase_customer},
    events::{event_kinds, events_after, note_expiring},
    license_keys::{InPlaceOf, kept_key, licenses_by_hint, rekey, revoke_key, vault},
    lists::{LicenseView, audit, count_by_state, customers, license, licenses, orders, seats},
    mail::{
        MailPolicies, Mailer, Sent, edit_mail_policy, mail_policies, mails_after, replay_mails, sample,
        send_key,
    },
    once::Once,
    orders::{EditedLicense, extend_order, order, void_order},
    pages::{
        Wanted, audit_after, audit_before_latest, customers_after, licenses_after, orders_after, seats_after,
    },
    preflight::Foreseen,
    products::{
        Change, ProductEdit, choose_of, edit_policies, edit_product, new_product, policies, product,
        product_within_reach, products,
    },
    redeem::{Effect, Redeemed, Released},
    refusals::{latest_refusals, refusals, refusals_after},
    retention::{edit_retention, is_prune_due, prune, retention},
    seals::seal_audit,
    search::{Hits, SeatHit, search},
    sell::{Buyer, NewOrder, Offer, Placed, Sale, offers, place_order, sell, terms_of_sale},
    selling::{Selling, Sellings, source},
    set_up::{Keys, set_up},
    suspend::{Halted, set_suspended, void},
    timeline::{Happened, TimelinePlace, timeline},
    tokens::{NewCredential, credentials, new_credential, revoke},
    verify::{Kept, UNSEEN, Verified, VerifiedAudit, verify, verify_audit},
    webhooks::{
        Courier, Letter, Posted, Target, deliveries_after, new_webhook, new_webhook_secret, remove_webhook,
        replay, test_webhook, webhooks,
    },
};
use self::{codes::Codes, derivations::Derivations, limits::Limits, notes::Notes};
pub(crate) use crate::store::{CredentialRow, Database, MAIL, Replay};
use crate::{
    domain::{Refusals, SeatChoice, Submission},
    failure::{Failure, Result},
    keys::{Outside, Vault},
    store,
};

/// Runs a verification. A test looks at what is locked meanwhile.
type Run = Arc<dyn Fn(&Verification, &Database) -> Fact + Send + Sync>;

/// The authority at work. What needs no key is a function of the [`Database`] alone.
pub(crate) struct Service {
    database: Database,
    sellings: RwLock<Arc<Sellings>>,
    limits: Limits,
    derivations: Derivations,
    notes: Arc<Notes>,
    /// What came of typed codes.
    codes: Codes,
    /// What was refused to bearers lately.
    refusals: Arc<Refusals>,
    /// Where license keys are kept that are sold here.
    vault: Option<Vault>,
    run: Run,
}

impl Service {
    /// With the ledger's last page `outside` of it.
    pub(crate) fn new(database: Database, sellings: Sellings, outside: Outside) -> Self {
        let run: Run = Arc::new(|verification, _| verification.run());
        Self {
            database,
            sellings: RwLock::new(Arc::new(sellings)),
            limits: Limits::default(),
            derivations: Derivations::default(),
            notes: Arc::new(Notes::new(outside)),
            codes: Codes::default(),
            refusals: Arc::default(),
            vault: None,
            run,
        }
    }

    /// With the vault that keeps the license keys which are sold here.
    pub(crate) fn with_vault(self, vault: Option<Vault>) -> Self {
        Self { vault, ..self }
    }

    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.vault.as_ref()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Lets other processes write, between two of many transactions.
    pub(crate) async fn make_way(&self) {
        self.database.make_way().await;
    }

    /// What it sells and signs with at present.
    pub(crate) fn sellings(&self) -> Arc<Sellings> {
        self.sellings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sells other products, or signs with another key or certificate, from here on. Whatever is under way ends with
    /// what it began with.
    pub(crate) fn replace_sellings(&self, sellings: Sellings) {
        *self.sellings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sellings);
    }

    /// The roots that vouch for what it signs, of all products.
    pub(crate) fn roots(&self) -> Roots {
        self.sellings().roots()
    }

    /// Reads what was typed, pasted or uploaded. Fails as [`Submission::read`] does.
    pub(crate) async fn read(&self, input: Vec<u8>) -> Result<Submission> {
        let roots = self.roots();
        Ok(off_thread(move || Submission::read(&input, &roots)).await??)
    }

    /// The name of a seat that a person chose.
    ///
    /// Fails with [`ErrorKind::UnknownSeat`] and [`Failure::AmbiguousSeat`].
    async fn choose(&self, choice: SeatChoice) -> Result<SeatName> {
        let mut tx = self.database.read().await?;
        let names = match store::find(&mut tx, &Query::SeatsOfHandle(choice.handle)).await? {
            Found::Seats(seats) => seats.iter().map(Seat::name).collect(),
            _ => Vec::new(),
        };
        let is_chosen = |name: &SeatName| choice.device.is_none_or(|device| device == name.device_key);
        let mut names = names.into_iter().filter(is_chosen);
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(name),
            (Some(_), Some(_)) => Err(Failure::AmbiguousSeat),
            (None, _) => Err(Failure::unknown_seat(choice.handle)),
        }
    }
}

/// Does what takes a processor a while where it keeps no other request waiting.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |error| nodelock::Error::io("a thread of its own", std::io::Error::other(error));
    Ok(tokio::task::spawn_blocking(work).await.map_err(failed)?)
}

/// For a ruling that the library has for no such act yet.
fn unknown_ruling() -> Failure {
    Failure::rule(ErrorKind::Unsupported, "the library ruled in a way that this program does not know")
}

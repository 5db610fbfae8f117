//! Who a request is from: people sign in, and every credential is looked up when it comes.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use nodelock::{ErrorKind, Timestamp};
use tracing::warn;
use zeroize::Zeroizing;

use super::{Service, limits::ANYWHERE, off_thread, permit, permit::On, secrets};
use crate::{
    domain::{Actor, Bearer, Credential, Occasion, Over, Who, network, rights::Act},
    failure::{Failure, Result},
    store::{self, AuditLine},
};

/// How long somebody who does nothing stays signed in.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// How long anybody stays signed in.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// How exactly it is noted when a credential was used: to write it down at each request would make reading cost a
/// write.
const SEEN: Duration = Duration::from_secs(60);
/// Longer than any credential.
const LONGEST_SECRET: usize = 128;
/// Longer than any password or code that is right.
const LONGEST_TYPED: usize = 2048;

/// Somebody signed in.
pub(crate) struct SignedIn {
    /// What stands for the session from here on.
    pub(crate) token: Zeroizing<String>,
    pub(crate) ends: Timestamp,
    pub(crate) who: Who,
}

impl Service {
    /// Signs somebody in, with a password and a code of the second factor or a recovery code. Each time there is a new
    /// session with a new token, so nobody can know it before.
    ///
    /// Fails with [`Failure::SignInRefused`], which does not say what of it was wrong, and with
    /// [`Failure::PeerMustWait`]: for each pair of account and address, so that strangers cannot lock anybody out.
    pub(crate) async fn sign_in(
        &self,
        name: &str,
        password: Zeroizing<String>,
        code: Zeroizing<String>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<SignedIn> {
        let guesser = Occasion { time: now, actor: Actor::Peer(peer) };
        // It counts before anything is known of it: requests at the same time do not get past the limit.
        if let Err(failure) = self.limits.sign_ins.take(name, peer) {
            self.note_stranger("too many attempts to sign in", &guesser).await;
            return Err(failure);
        }
        if password.len() > LONGEST_TYPED || code.len() > LONGEST_TYPED {
            self.note_stranger("a password or a code that is too long to be one", &guesser).await;
            return Err(Failure::SignInRefused);
        }
        // PostgreSQL knows no texts with a NUL, so nobody is called that.
        let account = match name.contains('\0') {
            true => None,
            false => store::account(&mut self.database.read().await?, name).await?,
        };
        // A guess takes a processor for a while. Each address has a line of its own, as for typed codes.
        let turn = self.derivations.turn(Some(network(peer))).await;
        let hashed = account.as_ref().map(|account| account.password.clone());
        let is_right = off_thread(move || {
            let _turn = turn;
            secrets::is_password(hashed.as_ref(), &password)
        });
        let is_right = is_right.await?;
        let refused = || {
            warn!(event = "sign-in-refused", %peer);
            Failure::SignInRefused
        };
        // What was typed as a name may be a password, so the audit names nobody who is not there.
        let why = match &account {
            None => Some("an account that is not there".to_owned()),
            Some(account) if account.disabled.is_some() => Some(format!("account {name}, which is disabled")),
            Some(_) if !is_right => Some(format!("a wrong password of {name}")),
            Some(_) => None,
        };
        if let Some(why) = why {
            // By the name that was typed: an account that is there must not be told by how long its refusal takes.
            self.note_first_of(&format!("a sign-in as {name}"), &why, &guesser).await;
            return Err(refused());
        }
        let account = account.ok_or_else(refused)?;
        if let Err(failure) = self.limits.second_factors.take(name, ANYWHERE) {
            let why = format!("too many codes behind the right password of {name}");
            self.note_stranger(&why, &guesser).await;
            return Err(failure);
        }
        let mut tx = self.database.write().await?;
        // What was looked at may have changed meanwhile, and a code counts once.
        let mut found = store::account_to_change(&mut tx, name).await?.ok_or_else(refused)?;
        if found.password != account.password || found.disabled.is_some() {
            return Err(refused());
        }
        let recovery = secrets::recovery_hash(&code);
        let secret = self.vault.as_ref().and_then(|vault| vault.unseal_second_factor(name, &found.totp));
        if secret.is_none() {
            // A recovery code is as good.
            warn!(event = "second-factor-unreadable", account = name);
        }
        match secret.and_then(|secret| secrets::totp_step(&secret, &code, now, found.totp_step)) {
            Some(step) => found.totp_step = step,
            None => match found.recovery.iter().position(|left| *left == recovery) {
                Some(at) => drop(found.recovery.remove(at)),
                None => {
                    // Somebody has the password, which its owner should know.
                    tx.undo().await;
                    let detail = format!("a wrong code behind the right password of {name}");
                    permit::note(&self.database, &guesser, "refused", &detail).await?;
                    return Err(refused());
                }
            },
        }
        let (token, ends) = (secrets::new_secret(secrets::SESSION)?, later(now, LONGEST));
        store::set_account(&mut tx, &found).await?;
        store::insert_session(&mut tx, &secrets::secret_hash(&token), name, now, ends).await?;
        let who = Who::Account { name: found.name, role: found.role };
        let occasion = self.occasion(who.clone(), peer, now);
        let permit = permit::permit(&self.database, &occasion, Act::Oneself, On::Whole).await?;
        let detail = format!("{} recovery codes left", found.recovery.len());
        AuditLine { action: "signed-in", license: None, detail: &detail }.write(&mut tx, &permit).await?;
        tx.commit().await?;
        self.limits.sign_ins.forget(name, peer);
        self.limits.second_factors.forget(name, ANYWHERE);
        Ok(SignedIn { token, ends, who })
    }

    /// Signs out whoever has that token.
    pub(crate) async fn sign_out(&self, secret: &str, occasion: &Occasion) -> Result<()> {
        self.permit(occasion, Act::Oneself, On::Whole).await?;
        let mut tx = self.database.write().await?;
        store::delete_session(&mut tx, &secrets::secret_hash(secret)).await?;
        tx.commit().await
    }

    /// Who brought that credential: a session's token, a program's, or a deployment key. It is looked up each time, so
    /// that one that was revoked is nobody's at once.
    ///
    /// Fails with [`Failure::Unauthenticated`], and with [`Failure::PeerMustWait`] instead after too many wrong ones
    /// from that address. A right one is never kept waiting.
    pub(crate) async fn authenticate(&self, secret: &str, peer: IpAddr, now: Timestamp) -> Result<Occasion> {
        self.identify(secret, peer, now).await?.map_err(|_| Failure::Unauthenticated)
    }

    /// The same for a device, which is told what is wrong with its deployment key: whoever has one may know that it has
    /// ended.
    ///
    /// Fails with [`ErrorKind::DeploymentKeyRefused`] instead of [`Failure::Unauthenticated`].
    pub(crate) async fn authenticate_device(
        &self,
        secret: &str,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Occasion> {
        let refused = |why: Refused| Failure::rule(ErrorKind::DeploymentKeyRefused, why.to_string());
        self.identify(secret, peer, now).await?.map_err(refused)
    }

    /// Who brought that credential, or why nobody did, which is counted.
    async fn identify(
        &self,
        secret: &str,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Result<Occasion, Refused>> {
        let found = match secret.len() <= LONGEST_SECRET {
            true => self.who(secret, now).await?,
            false => Err(Refused::Unknown),
        };
        if found.is_err() && self.limits.credentials.take_and_tell(peer)? {
            let guesser = Occasion { time: now, actor: Actor::Peer(peer) };
            permit::note(&self.database, &guesser, "refused", "credentials that are none").await?;
        }
        Ok(found.map(|who| self.occasion(who, peer, now)))
    }

    fn occasion(&self, who: Who, address: IpAddr, time: Timestamp) -> Occasion {
        let bearer = Bearer::new(who, address, self.refusals.clone());
        Occasion { time, actor: Actor::Bearer(Arc::new(bearer)) }
    }

    async fn who(&self, secret: &str, now: Timestamp) -> Result<Result<Who, Refused>> {
        let hash = secrets::secret_hash(secret);
        let mut tx = self.database.read().await?;
        let (who, seen) = if secret.starts_with(secrets::SESSION) {
            let Some(session) = store::session(&mut tx, &hash).await? else {
                return Ok(Err(Refused::Unknown));
            };
            if now >= session.ends || now >= later(session.seen, IDLE) {
                return Ok(Err(Refused::Unknown));
            }
            let account = store::account(&mut tx, &session.account).await?;
            let Some(account) = account.filter(|account| account.disabled.is_none()) else {
                return Ok(Err(Refused::Unknown));
            };
            (Who::Account { name: account.name, role: account.role }, Some(session.seen))
        } else {
            let Some(row) = store::credential(&mut tx, &hash).await? else {
                return Ok(Err(Refused::Unknown));
            };
            if let Some(over) = row.credential.over(now) {
                return Ok(Err(match row.credential {
                    Credential::DeploymentKey(_) => Refused::Over(over),
                    Credential::Token(_) => Refused::Unknown,
                }));
            }
            let who = match row.credential {
                Credential::Token(token) => {
                    Who::Token { id: token.id, scopes: token.scopes, product: token.product }
                }
                Credential::DeploymentKey(key) => Who::DeploymentKey { id: key.id, license: key.license },
            };
            (who, row.seen)
        };
        drop(tx);
        if seen.is_none_or(|seen| now >= later(seen, SEEN)) {
            let mut tx = self.database.write().await?;
            store::set_seen(&mut tx, &hash, now).await?;
            tx.commit().await?;
        }
        Ok(Ok(who))
    }
}

/// Why a credential is nobody's.
enum Refused {
    Unknown,
    Over(Over),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("nobody has that deployment key"),
            Self::Over(Over::Revoked(at)) => write!(f, "the deployment key was revoked at {at}"),
            Self::Over(Over::Ended(at)) => write!(f, "the deployment key ended at {at}"),
        }
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds().saturating_add(by.as_secs()))
}

#[cfg(test)]
mod tests;

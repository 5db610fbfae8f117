//! Seats are given up: by a proof, by a code over the phone, or many at once.

use nodelock::{
    Binding, DeactivationReceipt, Outcome,
    authority::{
        Records, ReleaseClaim, Reply, Seat, TypedCode,
        decision::{self, Moment, Refusal, Ruling, Step},
    },
    code::{DeactivationCode, Handle, Reading},
};

use super::{
    Service,
    driver::{Act, Settled},
    permit::On,
    selling::Place,
    unknown_ruling,
};
use crate::{
    domain::{Actor, Deactivation, Occasion, rights},
    failure::{Failure, Result},
};

/// What a proof or a code came to.
#[derive(Debug)]
pub(crate) enum Redeemed {
    /// The seat is given up, now or since long.
    Released(Box<Released>),
    /// Nobody has asked for that seat yet: what was handed over is kept until its request arrives.
    Kept(Handle),
}

/// A seat that is given up.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) seat: Seat,
    /// Where the seat went.
    pub(crate) outcome: Outcome,
    /// How many deactivations the license had left then; none is without limit.
    pub(crate) deactivations_left: Option<u32>,
    /// Whether this changed anything.
    pub(crate) changed: bool,
    /// None while the issuer cannot sign: the same proof or code gets it later.
    pub(crate) receipt: Option<DeactivationReceipt>,
}

/// What became of a seat that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Freed,
    AlreadyFreed,
    /// No deactivation was left: it stays reserved for the same machine.
    Held,
}

impl Effect {
    /// For programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Freed => "freed",
            Self::AlreadyFreed => "already-freed",
            Self::Held => "held",
        }
    }
}

impl Released {
    pub(crate) fn effect(&self) -> Effect {
        match (self.outcome, self.changed) {
            (Outcome::Held, _) => Effect::Held,
            (_, true) => Effect::Freed,
            (_, false) => Effect::AlreadyFreed,
        }
    }
}

impl Redeemed {
    fn of(Settled { ruling, reply }: &Settled) -> Result<Self> {
        match ruling {
            Ruling::Kept(handle) => Ok(Self::Kept(*handle)),
            _ => Self::released(ruling, reply).ok_or_else(unknown_ruling),
        }
    }

    /// What was decided about a seat that is given up; none if something else was.
    pub(crate) fn released(ruling: &Ruling, reply: &Reply) -> Option<Self> {
        let Ruling::Released { seat, outcome, deactivations_left, changed } = ruling else { return None };
        let released = Released {
            seat: seat.clone(),
            outcome: *outcome,
            deactivations_left: *deactivations_left,
            changed: *changed,
            receipt: reply.receipts.last().cloned(),
        };
        Some(Self::Released(released.into()))
    }

    /// What it came to, for programs.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Released(released) => released.effect().name(),
            Self::Kept(_) => "unknown",
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        match self {
            Self::Released(released) => released.seat.handle(),
            Self::Kept(handle) => *handle,
        }
    }

    pub(crate) fn receipt(&self) -> Option<&DeactivationReceipt> {
        match self {
            Self::Released(released) => released.receipt.as_ref(),
            Self::Kept(_) => None,
        }
    }

    /// How a typed code was read: of several readings, the one that the receipt answers, or the first of the seat's.
    pub(crate) fn reading(&self, typed: &TypedCode) -> Option<Reading<DeactivationCode>> {
        let binding = self.receipt().map(|receipt| receipt.binding);
        let is_it = |reading: &&Reading<DeactivationCode>| match binding {
            Some(binding) => Binding::code(&reading.code) == binding,
            None => reading.code.handle() == self.handle(),
        };
        typed.readings().iter().find(is_it).cloned()
    }
}

impl Service {
    /// Gives up the seat that a proof names. Fails as [`decision::redeem`] does.
    pub(crate) async fn redeem_proof(&self, claim: &ReleaseClaim, occasion: &Occasion) -> Result<Redeemed> {
        let handles = [claim.handle()];
        let on = match claim.request() {
            Some(request) => On::New(&request.product),
            None => On::Handles(&handles),
        };
        let occasion = &self.permit(occasion, rights::Act::Redeem, on).await?;
        let act = |records: &_, moment: &_| decision::redeem(claim, records, moment);
        Redeemed::of(&self.decide(&act, &place_of_proof(claim).within(occasion), occasion).await?)
    }

    /// Gives up the seat that a typed code names. Also returns how the code was read.
    ///
    /// Fails as [`decision::redeem_code`] does, and with
    /// [`Failure::PeerMustWait`](crate::failure::Failure::PeerMustWait).
    pub(crate) async fn redeem_code(
        &self,
        typed: &TypedCode,
        occasion: &Occasion,
    ) -> Result<(Redeemed, Option<Reading<DeactivationCode>>)> {
        let handles = handles_of(typed);
        let occasion = &self.permit(occasion, rights::Act::Redeem, On::Handles(&handles)).await?;
        let redeemed = self.answer_code(typed, occasion).await;
        self.count_code(&redeemed, occasion).await;
        let redeemed = redeemed?;
        let reading = redeemed.reading(typed);
        Ok((redeemed, reading))
    }

    async fn answer_code(&self, typed: &TypedCode, occasion: &rights::Permit<'_>) -> Result<Redeemed> {
        if let Actor::Peer(peer) = occasion.actor {
            self.limits.codes.take(peer)?;
        }
        let act = |records: &_, moment: &_| decision::redeem_code(typed, records, moment);
        Redeemed::of(&self.decide(&act, &place_of_code(typed).within(occasion), occasion).await?)
    }

    /// Gives up the seats that a vendor's list names, in order and in few transactions. One that is refused changes
    /// nothing about the others.
    ///
    /// Fails when the database does.
    pub(crate) async fn redeem_together(
        &self,
        list: &[Deactivation],
        occasion: &Occasion,
    ) -> Result<Vec<Result<(Redeemed, Option<Reading<DeactivationCode>>)>>> {
        let occasion = &self.permit(occasion, rights::Act::Redeem, On::Whole).await?;
        let acts: Vec<_> = list.iter().map(act).collect();
        let acts: Vec<&Act<'_>> = acts.iter().map(|act| act as &Act<'_>).collect();
        let settled = match &self.sellings().0[..] {
            [only] => self.decide_together(&acts, only, occasion).await?,
            // Which product each is of shows in its own transaction.
            _ => {
                let mut settled = Vec::new();
                for (act, deactivation) in acts.iter().zip(list) {
                    let place = match deactivation {
                        Deactivation::Proof(claim) => place_of_proof(claim),
                        Deactivation::Code(typed) => place_of_code(typed),
                    };
                    match self.decide(*act, &place, occasion).await {
                        Err(failure @ Failure::Database(_)) => return Err(failure),
                        decided => settled.push(decided),
                    }
                }
                settled
            }
        };
        let redeemed = list.iter().zip(settled).map(|(deactivation, settled)| {
            let redeemed = Redeemed::of(&settled?)?;
            let reading = match deactivation {
                Deactivation::Proof(_) => None,
                Deactivation::Code(typed) => redeemed.reading(typed),
            };
            Ok((redeemed, reading))
        });
        Ok(redeemed.collect())
    }
}

/// A request that came along names its product.
fn place_of_proof(claim: &ReleaseClaim) -> Place<'_> {
    match claim.request() {
        Some(request) => Place::Named(&request.product),
        None => Place::Handles(vec![claim.handle()]),
    }
}

fn place_of_code(typed: &TypedCode) -> Place<'static> {
    Place::Handles(handles_of(typed))
}

/// Of each reading.
fn handles_of(typed: &TypedCode) -> Vec<Handle> {
    typed.readings().iter().map(|reading| reading.code.handle()).collect()
}

fn act(
    deactivation: &Deactivation,
) -> impl Fn(&Records, &Moment) -> Result<Step, Refusal> + Send + Sync + '_ {
    move |records, moment| match deactivation {
        Deactivation::Proof(claim) => decision::redeem(claim, records, moment),
        Deactivation::Code(typed) => decision::redeem_code(typed, records, moment),
    }
}

//! Makes decisions over the database: the one place that runs verifications, signs, stores and notes.
//!
//! The writer's lock is never held while a verification runs. First an act is looked at in a transaction that reads,
//! to find out which verifications it takes; they run while nothing is locked. Then it is decided in the transaction
//! that writes, from records that are looked up anew and from the facts. The first look also says what to lock there.
//! Should a verification or a lock be missing, that transaction ends, the verification runs, and the act begins again.

use std::{mem, sync::Arc, time::Duration};

use nodelock::{
    ErrorKind, Page, Random as _, Roots, SystemRandom, Timestamp,
    authority::{
        Records, Reply, SeatState, Verification,
        decision::{Change, Decision, EventKind, Moment, Refusal, Ruling, Step},
    },
    code::Handle,
};
use tracing::warn;

use super::{
    Selling, Service,
    limits::Limit,
    off_thread,
    permit::noting,
    selling::{Place, may_be_elsewhere},
    unknown_ruling,
};
use crate::{
    domain::{Actor, Digest, network, rights::Permit},
    failure::{Failure, Result},
    store::{self, Locks, Tx},
};

/// A function of the library's decision layer with its message.
pub(super) type Act<'a> = dyn Fn(&Records, &Moment) -> Result<Step, Refusal> + Send + Sync + 'a;

/// A decision that is stored, and its signed answer.
pub(super) struct Settled {
    pub(super) ruling: Ruling,
    pub(super) reply: Reply,
}

/// When, for whom and for which product an act is decided, and the page that its answer is signed under.
struct Case<'a> {
    occasion: &'a Permit<'a>,
    page: Page,
    /// The digest of the audit's chain at that page.
    chain: Option<Digest>,
    /// What it is about: nothing that belongs to another product is found.
    selling: &'a Selling,
    longest_lease: Duration,
}

/// How far an act comes with what is known.
pub(super) enum Considered {
    Decided(Box<Decision>),
    Refused(Refusal),
    /// These must run first.
    Needs(Vec<Verification>),
}

impl Service {
    /// Decides one act. What changes nothing takes no writer's lock.
    ///
    /// Fails with the refusal of the act, with [`Failure::TooManyUnseen`](crate::failure::Failure::TooManyUnseen), and
    /// when the issuer cannot sign. Nothing is stored then. A seat that is given up is stored all the same, with no
    /// receipt in the reply: the same proof or code gets it later.
    pub(super) async fn decide(
        &self,
        act: &Act<'_>,
        place: &Place<'_>,
        occasion: &Permit<'_>,
    ) -> Result<Settled> {
        self.decide_within(act, place, None, occasion).await
    }

    /// The same for an act with codes that were not counted when they came: they count for `codes` before they are
    /// tried.
    ///
    /// Fails with [`Failure::PeerMustWait`](crate::failure::Failure::PeerMustWait), too.
    pub(super) async fn decide_within(
        &self,
        act: &Act<'_>,
        place: &Place<'_>,
        codes: Option<&Limit>,
        occasion: &Permit<'_>,
    ) -> Result<Settled> {
        let decided = self.decide_somewhere(act, place, codes, occasion).await;
        noting(&self.database, occasion, decided).await
    }

    async fn decide_somewhere(
        &self,
        act: &Act<'_>,
        place: &Place<'_>,
        codes: Option<&Limit>,
        occasion: &Permit<'_>,
    ) -> Result<Settled> {
        let mut first = None;
        for selling in self.places(place).await? {
            match self.decide_for(act, &selling, codes, occasion).await {
                // Two devices of two products may have drawn one handle.
                Err(failure) if may_be_elsewhere(&failure) => first = first.or(Some(failure)),
                decided => return decided,
            }
        }
        Err(first.unwrap_or_else(unknown_ruling))
    }

    async fn decide_for(
        &self,
        act: &Act<'_>,
        selling: &Selling,
        codes: Option<&Limit>,
        occasion: &Permit<'_>,
    ) -> Result<Settled> {
        let case = self.case(selling, occasion).await?;
        let mut facts = Records::new();
        let locks = loop {
            let mut tx = self.database.read().await?.of_product(&selling.id);
            let considered = consider(&mut tx, act, &facts, &self.moment(&case)?).await?;
            let locks = match &considered {
                Considered::Decided(decision) => Locks::of_decision(&tx, decision),
                _ => Locks::default(),
            };
            drop(tx);
            match considered {
                Considered::Needs(verifications) => {
                    self.run(verifications, &mut facts, codes, occasion).await?
                }
                Considered::Refused(refusal) => return Err(refusal.into()),
                Considered::Decided(decision) if changes_nothing(&decision) => {
                    let reply = sign(&decision, &case)?;
                    return Ok(Settled { ruling: decision.ruling, reply });
                }
                Considered::Decided(_) => break locks,
            }
        };
        let mut settled = self.settle(&[act], facts, locks, codes, &case).await?;
        settled.remove(0)
    }

    /// Decides several acts in as few transactions as possible, in order. Each is stored before the next is looked up,
    /// and one that is refused changes nothing about the others.
    ///
    /// Fails when the database does. What was settled in a transaction before is stored then.
    pub(super) async fn decide_together(
        &self,
        acts: &[&Act<'_>],
        selling: &Selling,
        occasion: &Permit<'_>,
    ) -> Result<Vec<Result<Settled>>> {
        let case = self.case(selling, occasion).await?;
        let mut facts = Records::new();
        let locks = loop {
            let (mut verifications, mut locks) = (Vec::new(), Locks::default());
            let mut tx = self.database.read().await?.of_product(&selling.id);
            for act in acts {
                match consider(&mut tx, *act, &facts, &self.moment(&case)?).await? {
                    Considered::Needs(more) => verifications.extend(more),
                    Considered::Decided(decision) => locks.add(Locks::of_decision(&tx, &decision)),
                    Considered::Refused(_) => {}
                }
            }
            drop(tx);
            if verifications.is_empty() {
                break locks;
            }
            self.run(verifications, &mut facts, None, occasion).await?;
        };
        self.settle(acts, facts, locks, None, &case).await
    }

    /// Decides in transactions that write. One ends early when a verification or a lock is missing, and when a
    /// verification must not run before what was decided so far is stored.
    async fn settle(
        &self,
        acts: &[&Act<'_>],
        mut facts: Records,
        mut locks: Locks,
        codes: Option<&Limit>,
        case: &Case<'_>,
    ) -> Result<Vec<Result<Settled>>> {
        let occasion = case.occasion;
        let mut settled = Vec::new();
        while settled.len() < acts.len() {
            let mut tx = self.database.write_with(&locks).await?.of_product(&case.selling.id);
            let mut verifications = Vec::new();
            while let Some(act) = acts.get(settled.len()).filter(|_| verifications.is_empty()) {
                let considered = consider(&mut tx, *act, &facts, &self.moment(case)?).await?;
                if let Considered::Decided(decision) = &considered
                    && let Some(more) = tx.lacks(decision)
                {
                    locks.add(more);
                    break;
                }
                match considered {
                    Considered::Needs(missing) => verifications = missing,
                    Considered::Refused(refusal) => settled.push(Err(refusal.into())),
                    Considered::Decided(mut decision) => match self.admit_and_sign(&decision, case) {
                        Err(failure) => settled.push(Err(failure)),
                        Ok(reply) => {
                            if let Actor::Bearer(bearer) = &occasion.actor {
                                bearer.answer(&decision.ruling, &reply)?;
                            }
                            if let Err(failure) = store(&mut tx, &decision, occasion).await {
                                // Its caller may begin again at once.
                                tx.undo().await;
                                return Err(failure);
                            }
                            verifications = mem::take(&mut decision.verifications);
                            if verifications.is_empty() {
                                settled.push(Ok(Settled { ruling: decision.ruling, reply }));
                            }
                        }
                    },
                }
            }
            tx.commit().await?;
            self.run(verifications, &mut facts, codes, occasion).await?;
        }
        Ok(settled)
    }

    async fn case<'a>(&self, selling: &'a Selling, occasion: &'a Permit<'a>) -> Result<Case<'a>> {
        let page = self.page().await?;
        let chain = self.chain_at(page);
        Ok(Case { occasion, page, chain, selling, longest_lease: self.sellings().longest_lease() })
    }

    fn moment(&self, case: &Case<'_>) -> Result<Moment> {
        moment((&case.selling.signer.roots, case.longest_lease), case.occasion.time, case.page)
    }

    /// Asks the limit for what nobody asked for, and signs.
    fn admit_and_sign(&self, decision: &Decision, case: &Case<'_>) -> Result<Reply> {
        if let Some(peer) = case.occasion.limited_peer() {
            self.limits.unseen.take(peer, &unseen(decision))?;
        }
        // A license that was lost is entered again by what its issuer signed, and that may not be another product's.
        let is_strange =
            |change: &Change| matches!(change, Change::License(terms) if terms.product != case.selling.name);
        if decision.store.iter().any(is_strange) {
            let text = format!("the license that came along is not of product {}", case.selling.id);
            return Err(Failure::rule(ErrorKind::UnknownSeat, text));
        }
        sign(decision, case)
    }

    /// Runs verifications. No transaction is open. Signatures are verified at once; each code waits for its turn.
    async fn run(
        &self,
        verifications: Vec<Verification>,
        facts: &mut Records,
        codes: Option<&Limit>,
        occasion: &Permit<'_>,
    ) -> Result<()> {
        let (slow, quick): (Vec<_>, Vec<_>) = verifications.into_iter().partition(Verification::is_slow);
        let peer = occasion.limited_peer().map(network);
        if let (Some(codes), Some(peer)) = (codes, peer) {
            codes.take_all(peer, u32::try_from(slow.len()).unwrap_or(u32::MAX))?;
        }
        if !quick.is_empty() {
            let (run, database) = (Arc::clone(&self.run), self.database.clone());
            let found =
                off_thread(move || quick.iter().map(|quick| run(quick, &database)).collect::<Vec<_>>());
            found.await?.into_iter().for_each(|fact| facts.add_fact(fact));
        }
        for verification in slow {
            let turn = self.derivations.turn(peer).await;
            let (run, database) = (Arc::clone(&self.run), self.database.clone());
            let found = off_thread(move || {
                // It lasts as long as the work, also when nobody waits for that any more.
                let _turn = turn;
                run(&verification, &database)
            });
            let fact = found.await?;
            facts.add_fact(fact);
            // The codes after one that fits are of no use.
            if fact.holds() {
                break;
            }
        }
        Ok(())
    }
}

/// Signs the answer to a decision. What cannot be answered must not be stored, except that a seat is given up: its
/// machine has lost the license already, so the receipt can wait until the issuer may sign.
fn sign(decision: &Decision, case: &Case<'_>) -> Result<Reply> {
    match case.selling.signer.issuer.reply_with_chain(decision, case.occasion.time, case.chain) {
        Err(error) if matches!(decision.ruling, Ruling::Released { .. }) => {
            warn!(event = "receipt-not-signed", %error);
            Ok(Reply::default())
        }
        reply => Ok(reply?),
    }
}

/// A moment under that page, with a token of its own.
pub(super) fn moment(
    (roots, longest_lease): (&Roots, Duration),
    now: Timestamp,
    page: Page,
) -> Result<Moment> {
    let roots = Arc::new(roots.clone());
    let mut moment = Moment { now, token: [0; 16], page, longest_lease, roots };
    SystemRandom.fill(&mut moment.token)?;
    Ok(moment)
}

/// Calls an act until it decides, or needs a verification.
pub(super) async fn consider(
    tx: &mut Tx,
    act: &Act<'_>,
    facts: &Records,
    moment: &Moment,
) -> Result<Considered> {
    let mut records = facts.facts();
    loop {
        match act(&records, moment) {
            Err(refusal) => return Ok(Considered::Refused(refusal)),
            Ok(Step::Decided(decision)) => return Ok(Considered::Decided(decision)),
            Ok(Step::Needs(lookup)) if lookup.queries.is_empty() => {
                return Ok(Considered::Needs(lookup.verifications));
            }
            Ok(Step::Needs(lookup)) => {
                for query in lookup.queries {
                    let found = store::find(tx, &query).await?;
                    records.add(query, found)?;
                }
            }
        }
    }
}

pub(super) async fn store(tx: &mut Tx, decision: &Decision, occasion: &Permit<'_>) -> Result<()> {
    for change in &decision.store {
        store::apply(tx, change, occasion).await?;
    }
    for event in &decision.events {
        store::note(tx, event, occasion).await?;
        // Why it was refused before is of no use once the vendor has freed its seat.
        if event.kind == EventKind::Released
            && let Some(seat) = event.seat
        {
            store::forget_refusals_of_seat(tx, seat).await?;
        }
    }
    Ok(())
}

fn changes_nothing(decision: &Decision) -> bool {
    decision.store.is_empty() && decision.events.is_empty() && decision.verifications.is_empty()
}

/// The seats that nobody asked for or that wait for approval, and that a decision keeps something about. A request that
/// its cancellation came before is none of them: its seat takes the place of the evidence that was kept.
fn unseen(decision: &Decision) -> Vec<Handle> {
    let was_kept = |handle: &Handle| {
        let forgets = |change: &Change| matches!(change, Change::Forget(e) if e.handle() == *handle);
        decision.store.iter().any(forgets)
    };
    let kept = decision.store.iter().filter_map(|change| match change {
        Change::Keep(evidence) => Some(evidence.handle()),
        Change::Insert { seat, .. } if seat.state() == SeatState::Cancelled => Some(seat.handle()),
        Change::Approval(approval) => Some(approval.name().handle),
        _ => None,
    });
    kept.filter(|handle| !was_kept(handle)).collect()
}

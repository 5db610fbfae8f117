//! What is sent and what comes of it: messages are lost, doubled and late, and answers are lost.

use super::World;
use crate::{
    ErrorKind,
    authority::{
        ActivationFile, CheckInClaim, Records, ReleaseClaim, Reply,
        decision::{self, Change, Decision, Event, EventKind, Moment, Refusal, Ruling, Step},
    },
    model::random::{promise::Kept, script::FLAGGED},
};

pub(super) const CAME_LATE: &str = "a message came late";

/// A message to the authority.
#[derive(Clone)]
pub(super) enum Message {
    Request(Vec<u8>),
    Proof(Vec<u8>),
    CheckIn(Vec<u8>),
}

impl Message {
    fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Proof(_) => "proof",
            Self::CheckIn(_) => "check-in",
        }
    }
}

impl World<'_> {
    /// An answer reaches the device that asked.
    pub(super) fn apply(&mut self, at: usize, reply: &Reply) {
        self.installations[at].apply(reply, self.now);
        if let Some(license) = &reply.license {
            self.promise.heard(license.handle.get(), license.issued.unix_seconds());
        }
    }

    /// Sends a message, and returns the answer that comes back, if one does.
    pub(super) fn post(&mut self, message: Message) -> Kept<Option<Result<Reply, ErrorKind>>> {
        if !self.late.is_empty() && self.dice.once_in(3) {
            let at = self.dice.below(self.late.len());
            let late = self.late.swap_remove(at);
            self.count(CAME_LATE);
            let _ = self.hear(&late)?;
        }
        match self.dice.below(16) {
            0 => {
                self.count("a message was lost");
                return Ok(None);
            }
            1 | 2 => {
                self.late.push(message);
                return Ok(None);
            }
            3 => {
                self.count("a message came twice");
                let _ = self.hear(&message)?;
            }
            4 => self.late.push(message.clone()),
            _ => {}
        }
        let answer = self.hear(&message)?;
        let is_lost = self.dice.below(8) < 2;
        if is_lost {
            self.count("an answer was lost");
        }
        Ok(Some(answer).filter(|_| !is_lost))
    }

    /// What the authority makes of a message.
    pub(super) fn hear(&mut self, message: &Message) -> Kept<Result<Reply, ErrorKind>> {
        let heard = match message {
            Message::Request(bytes) => {
                let file = ActivationFile::read(bytes).map_err(|error| error.to_string())?;
                self.decide(|records, moment| decision::activate(&file, None, records, moment))
            }
            Message::Proof(bytes) => {
                let claim = ReleaseClaim::read(bytes).map_err(|error| error.to_string())?;
                self.decide(|records, moment| decision::redeem(&claim, records, moment))
            }
            Message::CheckIn(bytes) => {
                let claim = CheckInClaim::read(bytes).map_err(|error| error.to_string())?;
                self.decide(|records, moment| decision::check_in(&claim, records, moment))
            }
        };
        let answer = match heard {
            Ok((Ruling::Refused(refusal), _)) => Err(refusal.kind()),
            Ok((_, reply)) => Ok(reply),
            Err(kind) => Err(kind),
        };
        // Also where nobody waits for the answer: a copy of the store may get it.
        if let Ok(reply) = &answer {
            let receipts = reply.receipts.iter().map(|receipt| receipt.handle);
            let over = receipts.chain(reply.revocation.iter().map(|word| word.handle));
            over.for_each(|handle| self.promise.told(handle.get()));
        }
        self.tell((message.name(), answer.as_ref().map(what)));
        if let Err(kind) = &answer {
            self.refused(message.name(), *kind)?;
        }
        Ok(answer)
    }

    pub(super) fn refused(&mut self, what: &str, kind: ErrorKind) -> Kept {
        self.count(format!("refused: {} to a {what}", kind.code()));
        match kind {
            ErrorKind::NoFreeSeat => self.promise.refused(self.now, &self.seen()),
            ErrorKind::NoActivationLeft => self.promise.refused_activation(&self.seen()),
            _ => Ok(()),
        }
    }

    /// Makes a decision, stores it and signs the answer.
    pub(super) fn decide(
        &mut self,
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<(Ruling, Reply), ErrorKind> {
        let moment = self.moment();
        let decided = decision::settle(&mut self.ledger, |records| act(records, &moment));
        let decision = decided.map_err(|error| error.kind())?;
        for event in &decision.events {
            self.count(format!("noted: {}", event.kind.name()));
            if event.kind == EventKind::Healed && event.detail.contains("more than were sold") {
                self.count(FLAGGED);
            }
        }
        self.breach = self.breach.take().or_else(|| self.broken(&decision));
        let reply = self.vendor.issuer.reply(&decision, moment.now).map_err(|error| error.kind())?;
        Ok((decision.ruling, reply))
    }

    /// What a decision broke that nothing shows afterwards.
    fn broken(&self, decision: &Decision) -> Option<String> {
        let is = |kind: EventKind| move |event: &&Event| event.kind == kind;
        let of = |kind| decision.events.iter().filter(is(kind)).filter_map(|event| event.seat);
        // What is entered again was granted once, unless it makes another seat end.
        let healed =
            decision.events.iter().filter(is(EventKind::Healed)).find(|event| event.before.is_none());
        if let Some(name) = healed.and_then(|event| event.seat)
            && of(EventKind::Replaced).chain(of(EventKind::Returned)).next().is_none()
        {
            let seats = decision.store.iter().rev().filter_map(|change| match change {
                Change::Insert { seat, .. } | Change::Update(seat) => Some(seat),
                _ => None,
            });
            let is_free = seats.clone().all(|seat| seat.name() != name || !seat.is_activation());
            if is_free {
                return Some(format!("A: seat {} is entered again, and used no activation up", name.handle));
            }
        }
        let kinds = [EventKind::HeldTakenOver, EventKind::Lost, EventKind::Replaced];
        if let Ruling::Granted(seat) = &decision.ruling
            && seat.is_activation()
            && kinds.into_iter().flat_map(of).next().is_some()
        {
            return Some(format!("A: seat {} took a place and used an activation up", seat.handle()));
        }
        // Nothing but a message of the time before its loss speaks for a store that was lost.
        let lost = of(EventKind::TakenBack).find(|seat| self.lost_seats.contains(&seat.handle.get()))?;
        let is_its_own = of(EventKind::Replaced).any(|other| other.device_key == lost.device_key);
        let is_taken = is_its_own && !self.is_clock_set;
        is_taken.then(|| format!("S2: the lost seat {} took its place back from its own device", lost.handle))
    }
}

fn what(reply: &Reply) -> String {
    let license = reply.license.iter().map(|license| format!("license {}", license.handle));
    let receipts =
        reply.receipts.iter().map(|receipt| format!("receipt {} {}", receipt.handle, receipt.outcome));
    let revocation = reply.revocation.iter().map(|word| format!("revocation {}", word.handle));
    license.chain(receipts).chain(revocation).collect::<Vec<_>>().join(", ")
}

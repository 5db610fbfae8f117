//! What an application does at each start, in one call (docs/PROTOCOL.md, Starts).

use std::time::Duration;

#[cfg(feature = "transport")]
use super::Online;
use super::{Client, Status};
use crate::{Error, ErrorKind, GraceReason, MachineReason, Result, Verdict};

/// What a start found and did.
///
/// ```
/// # use nodelock::{Renewal, Started, testing::{Machine, TestAuthority}};
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let device = authority.client(&Machine::new("desk")).build()?;
/// # device.activate(&license_key)?;
/// use std::time::Duration;
///
/// authority.clock().advance_days(60); // two thirds of the lease
/// let started: Started = device.start(Duration::from_secs(5))?;
/// assert!(started.status().is_usable() && matches!(started.renewal(), Renewal::Done));
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Debug)]
pub struct Started {
    status: Status,
    renewal: Renewal,
    unrecorded: Option<Error>,
}

impl Started {
    /// What a check finds now, after whatever was done.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What became of the renewal.
    pub fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    /// The same, by itself.
    pub fn into_renewal(self) -> Renewal {
        self.renewal
    }

    /// Why the store could not record that time has passed; none if it did, or if there was nothing to record. A full
    /// disk keeps nobody from working.
    pub fn unrecorded(&self) -> Option<&Error> {
        self.unrecorded.as_ref()
    }

    #[cfg(feature = "capi")]
    pub(crate) fn into_parts(self) -> (Status, Renewal, Option<Error>) {
        (self.status, self.renewal, self.unrecorded)
    }
}

/// What became of a renewal: of asking the authority for what is due.
#[derive(Debug)]
#[non_exhaustive]
pub enum Renewal {
    /// Nothing is due, and nothing was sent.
    NotDue,
    /// The authority answered. What it said is in the status.
    Done,
    /// Something is due, and this is why it did not come. A later start asks again.
    Due(Error),
}

/// What says that there is nobody to ask.
pub(super) const NO_AUTHORITY: &str =
    "this client has no authority to ask: its settings name none, so carry the file by hand";

/// What calls for the authority.
#[derive(Clone, Copy)]
struct Due {
    /// The license asks to be renewed by now, or its machine has changed.
    license: bool,
    /// A request waits for its answer.
    pending: bool,
    /// Seats were given up whose receipts have not come.
    outstanding: bool,
}

impl Due {
    fn new(status: &Status) -> Self {
        // From a machine that shows too little it would be refused.
        let changed = match status.verdict() {
            Verdict::Grace { reason, .. } => *reason == GraceReason::MachineChanged,
            Verdict::WrongMachine { reason } => *reason == MachineReason::GraceOver,
            _ => false,
        };
        Self {
            license: status.license().is_some() && (status.renewal_due() || changed),
            pending: status.pending().is_some(),
            outstanding: status.outstanding() > 0,
        }
    }

    fn is_any(self) -> bool {
        self.license || self.pending || self.outstanding
    }
}

impl Client {
    /// All that an application does when it starts: [`check`](Self::check), [`observe`](Self::observe) where that has
    /// something to record, and what is due with the authority: the license's renewal, a request that waits for its
    /// answer, seats that were given up. It waits for the network `limit` at most; with zero it uses none, and says
    /// what is due.
    ///
    /// What fails on the way to the authority fails no start: a usable license stays usable, [`Started::renewal`] says
    /// why the renewal did not come, and a later start asks again. Starts that follow within a pause do not: a minute
    /// after the first failure, twice as long after each further one, an hour at most, and a minute at most while the
    /// license is not usable. The store keeps that. A start that was cancelled is no failure: the next one asks at
    /// once. Nothing is sent that a check-in would not send, and nothing goes on when the call has returned.
    ///
    /// An application that runs for days calls it once a day, too.
    ///
    /// The limit holds for all exchanges together. Beside it a store that another process writes to is waited for, 5
    /// seconds at most, and what a [`Transport`](crate::Transport) takes beyond the time that it is given;
    /// `HttpTransport` says what.
    ///
    /// Fails as [`check`](Self::check) does.
    ///
    /// ```
    /// # use nodelock::{Client, Roots, SigningKey, Store, SystemRandom};
    /// # let root = SigningKey::generate(&SystemRandom)?.public_key();
    /// # let client = Client::builder("Example Editor", Roots::new([root])).store(Store::in_memory()).build()?;
    /// use nodelock::Renewal;
    /// use std::time::Duration;
    ///
    /// let started = client.start(Duration::from_secs(3))?;
    /// if let Renewal::Due(why) = started.renewal() {
    ///     eprintln!("not renewed yet: {why}");
    /// }
    /// assert!(!started.status().is_usable(), "nobody has activated it");
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn start(&self, limit: Duration) -> Result<Started> {
        #[cfg(feature = "transport")]
        return self.online().start(limit);
        #[cfg(not(feature = "transport"))]
        self.start_with(limit, |_, _| Err(Error::new(ErrorKind::Unsupported, NO_AUTHORITY)))
    }

    /// A start, with `ask` to ask the authority.
    fn start_with(&self, limit: Duration, ask: impl FnOnce(&Status, Due) -> Result<()>) -> Result<Started> {
        let mut status = self.check()?;
        let recorded = if status.should_observe() { self.observe() } else { Ok(false) };
        if let Ok(true) = recorded {
            status = self.check()?;
        }
        let due = Due::new(&status);
        let renewal = match due.is_any() {
            false => Renewal::NotDue,
            true => match self.may_ask(&status, limit).and_then(|()| ask(&status, due)) {
                Ok(()) => Renewal::Done,
                Err(error) => Renewal::Due(error),
            },
        };
        if due.is_any() {
            status = self.check()?;
        }
        Ok(Started { status, renewal, unrecorded: recorded.err() })
    }

    /// Fails where a start asks nobody, and changes nothing.
    fn may_ask(&self, status: &Status, limit: Duration) -> Result<()> {
        #[cfg(feature = "transport")]
        self.authority()?;
        let loaded = self.load()?;
        let unanswered = loaded.unanswered.as_ref();
        if let Some(error) = unanswered.and_then(|last| last.in_the_way(self.clock.now(), status.is_usable()))
        {
            return Err(error);
        }
        if limit.is_zero() {
            return Err(Error::new(
                ErrorKind::TimedOut,
                "this start waits 0 ms for the network, so nothing was asked",
            ));
        }
        Ok(())
    }
}

#[cfg(feature = "transport")]
impl Online<'_> {
    /// [`Client::start`], to be followed or cancelled.
    pub fn start(&self, limit: Duration) -> Result<Started> {
        self.client.start_with(limit, |status, due| {
            let due = self.without_waiting(due)?;
            self.cancel.check()?;
            let now = self.client.clock.now();
            // Before anything is sent: of many starts at once one asks, and one that is killed has asked.
            let before = self.client.change(|record, _| record.ask_at_start(now, status.is_usable()))?;
            // Whoever may work is not kept waiting for a second attempt: the next start makes it.
            let online = if status.is_usable() { self.once() } else { self.clone() };
            let asked = online.ending_after(limit).ask(status, due);
            let why = asked.as_ref().err().map(Error::kind);
            // Whoever could not write to the store does not try once more: the note that was made first stands.
            if why.is_none_or(|kind| !is_the_stores(kind)) {
                // One that cannot be written costs the next start a pause, or one more question.
                let _ = self.client.change(|record, _| {
                    match why {
                        Some(ErrorKind::Cancelled) if self.cancel.is_cancelled() => {
                            record.gave_up_asking_at_start(before, now)
                        }
                        why => record.asked_at_start(why, now),
                    }
                    Ok(())
                });
            }
            asked
        })
    }

    /// What of it may be asked for before the next seat lapses.
    fn without_waiting(&self, due: Due) -> Result<Due> {
        let Some(lapse) = self.client.next_lapse().filter(|lapse| self.client.clock.now() < *lapse) else {
            return Ok(due);
        };
        match due.outstanding {
            true => Ok(Due { license: false, pending: false, ..due }),
            false => Err(Error::new(
                ErrorKind::NoFreeSeat,
                format!("no seat is free; the next one lapses at {lapse}"),
            )),
        }
    }

    /// Asks for all that is due. What lets the user work comes first, so that nothing else can take its time away: the
    /// renewal of a license that is usable, the answer to a request otherwise.
    fn ask(&self, status: &Status, due: Due) -> Result<()> {
        let renew_first = status.is_usable();
        let mut refused = Ok(());
        if due.license && renew_first {
            refused = still(refused, self.renew_at_start(due))?;
        }
        if due.pending
            && let Some(pending) = self.client.pending()?
        {
            refused = still(refused, self.answer(&pending).map(drop))?;
        }
        // A license that a request has set aside is renewed all the same, unless the requested one came in its place.
        if due.license && !renew_first && (refused.is_err() || !due.pending) {
            refused = still(refused, self.renew_at_start(due))?;
        }
        if due.outstanding {
            refused = still(refused, self.hand_in().map(drop))?;
        }
        refused
    }

    fn renew_at_start(&self, due: Due) -> Result<()> {
        let renew = || self.renew(&self.client.check_in_offline()?).map(drop);
        match renew() {
            // The seat that is wanted may be one that was given up here.
            Err(e) if e.kind() == ErrorKind::NoFreeSeat && due.outstanding => {
                self.hand_in()?;
                renew()
            }
            renewed => renewed,
        }
    }
}

/// The first refusal so far. Fails at once where there is no way to the authority, or no time left.
#[cfg(feature = "transport")]
fn still(before: Result<()>, now: Result<()>) -> Result<Result<()>> {
    let ends_it = |kind| {
        matches!(
            kind,
            ErrorKind::Unreachable
                | ErrorKind::TimedOut
                | ErrorKind::Cancelled
                | ErrorKind::TlsUntrusted
                | ErrorKind::TlsWrongHost
                | ErrorKind::TlsExpired
        )
    };
    match now {
        Err(error) if ends_it(error.kind()) => Err(error),
        now => Ok(before.and(now)),
    }
}

#[cfg(feature = "transport")]
fn is_the_stores(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Busy
            | ErrorKind::NoLocks
            | ErrorKind::Corrupt
            | ErrorKind::NoSpace
            | ErrorKind::ReadOnly
            | ErrorKind::AccessDenied
            | ErrorKind::Io
    )
}

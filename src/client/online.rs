//! The online calls: each is the offline one, with a transport to carry the messages.
//!
//! Whatever happens on the way, the store is where the offline operation left it: a request that was not answered stays
//! pending, a seat given up stays outstanding. So every call may be made again, for ever, and nothing here is needed to
//! free a seat: the same proof may be carried by hand.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{
    ActivationRequestOptions, Authority, CheckIn, Client, DeactivateError, Deactivation, PendingRequest,
    Status,
    authority_message::AuthorityMessage,
    reply::{ReplyBody, bad_reply, bundle, read},
    start::NO_AUTHORITY,
};
use crate::{
    Already, DeactivationReceipt, Error, ErrorKind, Reason, Result,
    message::{Kind, PreflightBody, PreflightRequest, Signed},
    system,
    transport::{CancelToken, Post, USER_AGENT},
};

/// The largest answer that is looked at: a license of the largest size with its receipts.
const LIMIT: usize = 768 * 1024;
/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// However long a server asks to be left alone, one call waits no longer than this for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an online call is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A request is on its way, for the first time or again.
    Sending {
        /// 1 for the first time.
        attempt: u32,
    },
    /// The call waits before it tries again.
    Waiting {
        /// How long.
        pause: Duration,
    },
    /// The license is gone from this machine, and no tombstone could be left: a warning, see
    /// [`Deactivation::tombstone_error`].
    NoTombstone,
}

/// The online calls of a client, with a way to follow and to cancel them.
#[derive(Clone)]
#[must_use]
pub struct Online<'c> {
    pub(super) client: &'c Client,
    pub(super) cancel: CancelToken,
    end: Option<Instant>,
    /// How often each exchange is tried at most, if not as often as the client was told.
    attempts: Option<u32>,
    progress: Option<&'c (dyn Fn(Progress) + Sync)>,
}

impl Client {
    /// The online calls, to be followed or cancelled.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// use std::time::Duration;
    ///
    /// let status = client.online().within(Duration::from_secs(60)).activate(&license_key)?;
    /// assert!(status.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn online(&self) -> Online<'_> {
        Online { client: self, cancel: CancelToken::new(), end: None, attempts: None, progress: None }
    }

    /// [`Online::activate`], neither followed nor cancelled.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// let status = client.activate(&license_key)?;
    /// assert!(status.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn activate(&self, options: impl Into<ActivationRequestOptions>) -> Result<Status> {
        self.online().activate(options)
    }

    /// [`Online::deactivate`], neither followed nor cancelled.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// use nodelock::Reason;
    ///
    /// match client.deactivate(Reason::Moved) {
    ///     Ok(receipt) => println!("seat {} is {}", receipt.handle, receipt.outcome),
    ///     Err(error) => match error.deactivation() {
    ///         Some(given_up) => println!("read this to the vendor: {}", given_up.code()),
    ///         None => println!("nothing has changed: {error}"),
    ///     },
    /// }
    /// # assert_eq!(authority.usage(&license_key)?.taken, 0);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn deactivate(&self, reason: Reason) -> Result<DeactivationReceipt, DeactivateError> {
        self.online().deactivate(reason)
    }

    /// [`Online::check_in`], neither followed nor cancelled.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// authority.clock().advance_days(60);
    /// assert!(client.check()?.renewal_due());
    /// assert!(!client.check_in()?.renewal_due());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn check_in(&self) -> Result<Status> {
        self.online().check_in()
    }

    /// [`Online::recover`], neither followed nor cancelled.
    ///
    /// ```
    /// # use nodelock::{Store, Verdict, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let folder = std::env::temp_dir().join(format!("nodelock-recover-{}", std::process::id()));
    /// # let store = || Store::in_directory(&folder, None);
    /// # let start = || authority.client(&Machine::new("desk")).store(store()).build();
    /// # start()?.activate(&license_key)?;
    /// # std::fs::write(folder.join("state"), "damaged").unwrap();
    /// let client = start()?;
    /// assert!(matches!(client.check()?.verdict(), Verdict::Damaged { .. }));
    /// // The device's key is whole, and proves whose seat it was.
    /// assert!(client.recover()?.is_usable());
    /// assert_eq!(authority.usage(&license_key)?.taken, 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn recover(&self) -> Result<Status> {
        self.online().recover()
    }

    pub(super) fn authority(&self) -> Result<&Authority> {
        self.authority.as_ref().ok_or_else(|| Error::new(ErrorKind::Unsupported, NO_AUTHORITY))
    }

    fn preflight_request(&self) -> Result<PreflightRequest> {
        let body = PreflightBody {
            handle: self.active()?.activation.handle,
            nonce: system::random(&*self.random)?,
            time: self.clock.now(),
            extensions: Vec::new(),
        };
        Signed::sign_by_device(body, &self.known_device_key()?)
    }
}

impl fmt::Debug for Online<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Online")
            .field("client", self.client)
            .field("cancel", &self.cancel)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl<'c> Online<'c> {
    /// Ends the call with [`ErrorKind::Cancelled`] when `cancel` is used. What was done until then stays done.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// use nodelock::{CancelToken, ErrorKind};
    ///
    /// let cancel = CancelToken::new();
    /// cancel.cancel(); // from the thread that has the button
    /// let stopped = client.online().cancel_with(&cancel).activate(&license_key);
    /// assert!(stopped.is_err());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn cancel_with(mut self, cancel: &CancelToken) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Ends the call with [`ErrorKind::TimedOut`] that long after now, however many exchanges and attempts it takes.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// use std::time::Duration;
    ///
    /// let stopped = client.online().within(Duration::ZERO).activate(&license_key);
    /// assert_eq!(stopped.unwrap_err().kind(), nodelock::ErrorKind::TimedOut);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn within(mut self, duration: Duration) -> Self {
        self.end = Instant::now().checked_add(duration);
        self
    }

    /// Tries each exchange once.
    pub(super) fn once(&self) -> Self {
        Self { attempts: Some(1), ..self.clone() }
    }

    /// Ends the call that long after now, or when it was to end before if that is earlier.
    pub(super) fn ending_after(self, limit: Duration) -> Self {
        let end = Instant::now().checked_add(limit);
        Self { end: self.end.into_iter().chain(end).min(), ..self }
    }

    /// Calls `progress` from the calling thread, with no lock held.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// let told = std::sync::Mutex::new(0);
    /// let tell = |progress| {
    ///     println!("{progress:?}");
    ///     *told.lock().unwrap() += 1;
    /// };
    /// client.online().progress(&tell).activate(&license_key)?;
    /// # assert_eq!(*told.lock().unwrap(), 1);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn progress(mut self, progress: &'c (dyn Fn(Progress) + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Takes a seat: [`Client::begin`], unless the request is pending already, then sends it and installs the answer.
    ///
    /// When the authority refuses for good (no such license key, license ended), the request is cancelled, nothing is
    /// pending any more, and a license that was set aside is active again. When it cannot be reached, or no seat is
    /// free, the request stays pending: call again, or carry it by hand. The error says what seats there are
    /// ([`Error::seats`]), and [`start`](Self::start) asks again once the next one has lapsed.
    ///
    /// Without a license key it asks with the client's [deployment key](super::ClientBuilder::deployment_key), if it
    /// has one, and for a trial otherwise. A deployment key that is not valid or used up leaves the request pending,
    /// too: a client with another one sends it again.
    ///
    /// Where the options name [a seat to take the place of](ActivationRequestOptions::instead_of), a request that
    /// waits for a seat is taken back first. That fails with [`ErrorKind::NoFreeSeat`] when the seat may not be
    /// replaced: its device was heard of within seven days, or the license allows no more. The request stays pending
    /// then, and another call may name another seat.
    ///
    /// Fails with what the authority says ([`ErrorKind::UnknownLicense`], [`ErrorKind::NoFreeSeat`],
    /// [`ErrorKind::LicenseEnded`], …), as [`Transport::post`](crate::Transport::post) does, as [`Client::begin`] and
    /// [`Client::accept`] do, and with [`ErrorKind::Unsupported`] when the client was set up without an authority.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// let status = client.online().activate(&license_key)?;
    /// assert!(status.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn activate(&self, options: impl Into<ActivationRequestOptions>) -> Result<Status> {
        self.activate_with(&options.into())
    }

    pub(crate) fn activate_with(&self, options: &ActivationRequestOptions) -> Result<Status> {
        self.client.authority()?;
        let typed = options.read_key(self.client.license_keys)?;
        if options.instead_of.is_some() {
            return self.replace(options, &typed);
        }
        let pending = match self.client.pending()? {
            Some(pending) if pending.request().license_key == typed => pending,
            Some(_) if !self.client.replace.request => return Err(Error::already_active(Already::Pending)),
            _ => match self.client.begin_with(options) {
                // Each refused request leaves one; the authority is there, so it can take them.
                Err(e) if e.kind() == ErrorKind::TooManyOutstanding => {
                    self.hand_in()?;
                    self.client.begin_with(options)?
                }
                begun => begun?,
            },
        };
        match self.answer(&pending) {
            // Others crowd the handle that was drawn, so another one is drawn, once.
            Err(e) if e.kind() == ErrorKind::CrowdedHandle => self.answer(&self.client.begin_with(options)?),
            answered => answered,
        }
    }

    /// Takes a seat in place of another one, in place of a request that waits for a seat.
    fn replace(&self, options: &ActivationRequestOptions, typed: &str) -> Result<Status> {
        if let Some(pending) = self.client.pending()? {
            if pending.request().license_key != typed {
                return Err(Error::already_active(Already::Pending));
            }
            if pending.request().replaces() == options.instead_of {
                return self.answer(&pending);
            }
            let handle = Some(pending.request().handle);
            self.client.give_up(Reason::Cancelled, false, handle, &|| self.may_go_on())?;
        }
        self.answer(&self.client.begin_with(options)?)
    }

    /// Sends a pending request and takes in the answer.
    pub(super) fn answer(&self, pending: &PendingRequest) -> Result<Status> {
        // A deployment key says whose seat it is; a request that says so itself needs none.
        let says_whose = !pending.request().license_key.is_empty() || pending.recovery().is_some();
        let authorization = self.client.authorization.as_ref().filter(|_| !says_whose);
        let authorization = authorization.map(|authorization| authorization.as_str());
        let reply = self.post_as(authorization, "/v1/activations", "request", &pending.to_base64url());
        match reply {
            Ok(reply) => {
                let messages = reply.license.iter().chain(reply.receipts.iter().flatten());
                self.client.apply(&bundle(messages)?, Some(Kind::License))?;
                self.client.check()
            }
            Err(refused) if refused.kind().ends_a_request() => {
                // Of this request: another process may have begun anew meanwhile. What matters to the caller is the
                // refusal.
                let handle = Some(pending.request().handle);
                let _ = self.client.give_up(Reason::Cancelled, false, handle, &|| Ok(()));
                Err(refused)
            }
            Err(e) => {
                self.wait_for_a_seat(&e);
                Err(e)
            }
        }
    }

    /// Gives the seat up: asks the authority first whether it may, then [`Client::deactivate_offline`], then sends the
    /// proof and takes in the receipt.
    ///
    /// An authority that cannot be reached, or that says that no deactivation is left, is reported while the license is
    /// still active. So is a cancellation that comes before the license is given up. Once it is, the error carries the
    /// proof and the code.
    pub fn deactivate(&self, reason: Reason) -> Result<DeactivationReceipt, DeactivateError> {
        let ask = || {
            let preflight = self.client.preflight_request()?;
            let reply = self.post("/v1/deactivations/preflight", "request", &preflight.to_base64url())?;
            Ok::<_, Error>((preflight, reply))
        };
        let (preflight, reply) = match ask() {
            // An authority that was restored enters the seat again first.
            Err(error) if error.kind() == ErrorKind::UnknownSeat => {
                self.check_in()?;
                ask()?
            }
            asked => asked?,
        };
        match reply.allowed {
            Some(true) => {}
            Some(false) => {
                let text =
                    "the authority says that the license allows no more deactivations; it stays active here";
                return Err(Error::new(ErrorKind::DeactivationNotAllowed, text).into());
            }
            None => return Err(bad_reply("it does not say whether the seat may be given up").into()),
        }
        // The authority's word is newer than what the license said when it was issued. A call that was cancelled, or
        // whose time is up, when this word came keeps the license.
        let (reason, handle) = (reason.of_deactivation(), Some(preflight.handle));
        let deactivation = self.client.give_up(reason, true, handle, &|| self.may_go_on())?;
        if deactivation.tombstone_error().is_some() {
            self.say(Progress::NoTombstone);
        }
        self.send(&deactivation)
            .map_err(|error| DeactivateError { error, deactivation: Some(Box::new(deactivation)) })
    }

    /// Sends what was given up and has no receipt, oldest first, all of it even if some is refused. Returns the
    /// receipts; none if nothing was outstanding. Fails with the first failure.
    ///
    /// ```
    /// # use nodelock::testing::{Machine, TestAuthority};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// # client.activate(&license_key)?;
    /// # client.deactivate_offline(nodelock::Reason::Moved)?;
    /// let receipts = client.online().hand_in()?;
    /// assert_eq!((receipts.len(), client.check()?.outstanding()), (1, 0));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn hand_in(&self) -> Result<Vec<DeactivationReceipt>> {
        let outstanding = self.client.outstanding()?;
        let sent: Vec<_> = outstanding.iter().map(|deactivation| self.send(deactivation)).collect();
        sent.into_iter().collect()
    }

    fn send(&self, deactivation: &Deactivation) -> Result<DeactivationReceipt> {
        let reply = self.post("/v1/deactivations", "proof", &deactivation.to_base64url())?;
        let answers = self.client.apply(&bundle(&reply.receipt)?, Some(Kind::DeactivationReceipt))?;
        // The receipt of another seat, be it as genuine as can be, says nothing of this one.
        let receipt = answers.into_iter().find_map(|answer| match answer {
            AuthorityMessage::Receipt(receipt) if receipt.handle == deactivation.handle() => Some(receipt),
            _ => None,
        });
        receipt.ok_or_else(|| {
            let text = format!("the receipt that came is not for seat {}", deactivation.handle());
            Error::new(ErrorKind::WrongRequest, text)
        })
    }

    /// Renews the license, and with it the machine's fingerprint and the time; or learns that the vendor released the
    /// seat, which ends the license here ([`Verdict::Revoked`](crate::Verdict::Revoked)). What is outstanding is
    /// handed in first.
    ///
    /// Fails with [`ErrorKind::NotActive`], with what the authority says, and as
    /// [`Transport::post`](crate::Transport::post) does.
    pub fn check_in(&self) -> Result<Status> {
        let request = self.client.check_in_offline()?;
        // A seat that cannot be acknowledged now must not keep this one from being renewed.
        if let Err(e) = self.hand_in()
            && e.kind() == ErrorKind::Cancelled
        {
            return Err(e);
        }
        self.renew(&request)
    }

    /// Sends a check-in and takes in the answer.
    pub(super) fn renew(&self, request: &CheckIn) -> Result<Status> {
        let alone = request.request().to_base64url();
        let reply = match self.post("/v1/checkins", "request", &alone) {
            // Its ledger was restored, perhaps: once more, with all that the device has of it.
            Err(e) if e.kind() == ErrorKind::LicenseWanted => {
                self.post("/v1/checkins", "request", &request.to_base64url())
            }
            reply => reply,
        };
        let reply = reply.inspect_err(|e| self.wait_for_a_seat(e))?;
        let kind = if reply.revocation.is_some() { Kind::Revocation } else { Kind::License };
        self.client.apply(&bundle(reply.license.iter().chain(&reply.revocation))?, Some(kind))?;
        self.client.check()
    }

    /// Takes a new seat in place of the one whose record is damaged: the device's key says so, and the authority frees
    /// the old seat and grants the new one in one transaction, without counting a deactivation.
    ///
    /// Fails with [`ErrorKind::AlreadyActive`] when there is nothing to recover from, [`ErrorKind::UnknownSeat`] when
    /// the authority knows no seat of this device, [`ErrorKind::WrongMachine`] when this is not the seat's machine,
    /// [`ErrorKind::Outdated`] when the clock is behind the one that the seat was asked for by, and as
    /// [`activate`](Self::activate) does.
    pub fn recover(&self) -> Result<Status> {
        self.client.authority()?;
        let pending = match self.client.pending() {
            Ok(Some(pending)) if pending.recovery().is_some() => pending,
            _ => self.client.recover_offline()?,
        };
        self.answer(&pending)
    }

    /// Notes from when on it is worth asking for a seat again.
    fn wait_for_a_seat(&self, refused: &Error) {
        *self.client.next_lapse() = refused.seats().and_then(|seats| seats.next_lapse);
    }

    fn post(&self, path: &str, member: &str, message: &str) -> Result<ReplyBody> {
        self.post_as(None, path, member, message)
    }

    /// Posts until it is answered, refused, or there was enough trying. Everything that is posted is idempotent.
    fn post_as(
        &self,
        authorization: Option<&str>,
        path: &str,
        member: &str,
        message: &str,
    ) -> Result<ReplyBody> {
        let authority = self.client.authority()?;
        let url = format!("{}{path}", authority.url);
        // Base64url has nothing that JSON would escape.
        let body = format!(r#"{{"{member}":"{message}"}}"#);
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            self.cancel.check()?;
            let timeout = self.left(authority.timeout)?;
            self.say(Progress::Sending { attempt });
            let answer = authority.transport.post(&Post {
                url: &url,
                body: body.as_bytes(),
                user_agent: USER_AGENT,
                authorization,
                limit: LIMIT,
                timeout,
                cancel: &self.cancel,
            });
            let (error, asked) = match answer {
                Ok(answer) => match read(&answer) {
                    Ok(reply) => return Ok(reply),
                    Err(e) => (e, answer.retry_after),
                },
                Err(e) => (e, None),
            };
            if attempt >= self.attempts.unwrap_or(authority.attempts) || !may_pass(error.kind()) {
                return Err(error);
            }
            // Half of it at random, so that machines that failed together do not come back together.
            let [random] = system::random::<1>(&*self.client.random)?;
            let jittered = pause / 2 + pause.mul_f32(f32::from(random) / 510.0);
            let wait = asked.unwrap_or(jittered).min(LONGEST_PAUSE);
            // Whoever would wake too late hears now what went wrong.
            if self.end.is_some_and(|end| Instant::now() + wait >= end) {
                return Err(error);
            }
            self.say(Progress::Waiting { pause: wait });
            self.cancel.sleep(wait)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("the last attempt returned")
    }

    /// Fails once the call was cancelled, or its time is up.
    fn may_go_on(&self) -> Result<()> {
        self.cancel.check()?;
        self.left(Duration::MAX).map(drop)
    }

    /// How much of `duration` the end of the call leaves.
    fn left(&self, duration: Duration) -> Result<Duration> {
        let Some(end) = self.end else { return Ok(duration) };
        match end.saturating_duration_since(Instant::now()).min(duration) {
            Duration::ZERO => {
                Err(Error::new(ErrorKind::TimedOut, "the time of the call was over before it was answered"))
            }
            left => Ok(left),
        }
    }

    fn say(&self, progress: Progress) {
        if let Some(listener) = self.progress {
            listener(progress);
        }
    }
}

/// Whether trying again may help.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::ServerBusy | ErrorKind::ServerFailed
    )
}

//! An authority in place of the network.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Fault, Machine, TestClock, Vendor};
use crate::{
    Answer, Authority, Client, ClientBuilder, Post, Result, Roots, Store, Transport, authority::Usage,
    code::Handle, transport::too_long,
};

/// An authority in memory, as a [`Transport`]: it answers the online calls of any number of clients. Clones are the
/// same authority.
///
/// What an authority limits by the address of its peer, such as how many unknown license keys one may try, is not
/// limited here. All else is decided as a real authority decides it.
///
/// ```
/// use nodelock::testing::{Machine, TestAuthority};
///
/// let authority = TestAuthority::new("Example Editor");
/// let license_key = authority.sell(1)?;
/// let client = authority.client(&Machine::new("desk")).build()?;
/// assert!(client.activate(&license_key)?.is_usable());
/// assert_eq!(authority.usage(&license_key)?.taken, 1);
/// # Ok::<(), nodelock::Error>(())
/// ```
#[derive(Clone)]
pub struct TestAuthority(Arc<Shared>);

struct Shared {
    product: String,
    /// Beside the vendor, so that a test may ask for them while it holds the vendor.
    clock: TestClock,
    roots: Roots,
    vendor: Mutex<Vendor>,
    way: Mutex<Way>,
}

/// The way to it.
#[derive(Default)]
struct Way {
    next: VecDeque<Option<Fault>>,
    always: Option<Fault>,
    calls: Vec<String>,
}

impl TestAuthority {
    /// Where clients find it. Nothing is ever sent there.
    pub const URL: &str = "https://authority.invalid";

    /// The authority of a vendor of `product`, with the same keys in every run.
    ///
    /// # Panics
    ///
    /// If the product is not 1 to 64 bytes on one line.
    pub fn new(product: &str) -> Self {
        Self::with_seed(product, "")
    }

    /// The same with keys from a seed: another seed, like another product, is another vendor, whose licenses the first
    /// one's applications do not trust.
    ///
    /// # Panics
    ///
    /// If the product is not 1 to 64 bytes on one line.
    pub fn with_seed(product: &str, seed: &str) -> Self {
        let vendor = Vendor::new(product, seed).expect("a product is 1 to 64 bytes on one line");
        Self(Arc::new(Shared {
            product: product.to_owned(),
            clock: vendor.clock.clone(),
            roots: vendor.roots.clone(),
            vendor: Mutex::new(vendor),
            way: Mutex::default(),
        }))
    }

    /// Sells a license of that many seats on the defaults: valid from now on, a lease of 90 days, deactivations without
    /// limit. Returns its key. For other terms see [`Vendor::sell_with`].
    pub fn sell(&self, seats: u32) -> Result<String> {
        self.vendor().sell(seats)
    }

    /// A client on that machine, to be finished by the application under test: with this authority, its roots and its
    /// clock, and with an empty store in memory.
    ///
    /// It tries each exchange once, so that a [`Fault`] is what the application gets to see, and at once. For an
    /// application that tries again, name this authority anew, with [`Authority::attempts`]; its pauses are on the real
    /// clock.
    ///
    /// Give it a store of its own to start the application twice: [`ClientBuilder::store`] with a clone.
    ///
    /// ```
    /// # use nodelock::{Store, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// // What lasts is the store: the application is started twice.
    /// let (machine, store) = (Machine::new("desk"), Store::in_memory());
    /// let first = authority.client(&machine).store(store.clone()).build()?;
    /// first.activate(&license_key)?;
    /// drop(first);
    /// assert!(authority.client(&machine).store(store).build()?.check()?.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn client(&self, machine: &Machine) -> ClientBuilder {
        let machine = machine.clone();
        Client::builder(&*self.0.product, self.roots())
            .authority(self.as_authority())
            .store(Store::in_memory())
            .clock(self.clock())
            .probe(move || machine.probe())
    }

    /// This authority as its clients know it.
    pub(crate) fn as_authority(&self) -> Authority {
        Authority::new(Self::URL, self.clone()).attempts(1)
    }

    /// The clock of the authority and of its [clients](Self::client). It stands still until it is moved.
    pub fn clock(&self) -> TestClock {
        self.0.clock.clone()
    }

    /// What applications trust.
    pub fn roots(&self) -> Roots {
        self.0.roots.clone()
    }

    /// How many seats of a license are taken, and how many deactivations were used.
    ///
    /// Fails with [`ErrorKind::UnknownLicense`](crate::ErrorKind::UnknownLicense).
    ///
    /// ```
    /// # use nodelock::{Reason, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// client.activate(&license_key)?;
    /// client.deactivate(Reason::Moved)?;
    /// let usage = authority.usage(&license_key)?;
    /// assert_eq!((usage.taken, usage.deactivated), (0, 1));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn usage(&self, license_key: &str) -> Result<Usage> {
        self.locked().usage(license_key)
    }

    /// Releases the seat of a device that is lost: [`Vendor::release`].
    ///
    /// ```
    /// # use nodelock::{Verdict, testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// let seat = client.activate(&license_key)?.license().unwrap().handle;
    /// authority.release(seat, "It was stolen.")?;
    /// assert!(matches!(client.check_in()?.verdict(), Verdict::Revoked { .. }));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn release(&self, seat: Handle, notice: &str) -> Result<()> {
        self.vendor().release(seat, notice).map(drop)
    }

    /// The vendor, for what is not done over a network: other terms, files that are carried by hand, a restored ledger.
    ///
    /// Nothing is answered meanwhile. So do not hold it across an online call, nor across a call of this authority,
    /// which would wait for ever; [`clock`](Self::clock) and [`roots`](Self::roots) may be asked for. These two stay
    /// what they were at first, whatever is put into the vendor's fields.
    ///
    /// ```
    /// # use nodelock::{testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// // Carried by hand.
    /// let request = client.begin(&license_key)?;
    /// let reply = authority.vendor().activate(&request.to_bytes())?;
    /// assert!(client.accept(&reply.to_bytes())?.status().is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn vendor(&self) -> MutexGuard<'_, Vendor> {
        let mut vendor = self.locked();
        // An authority notes a page in each minute. One that cannot has no random bytes, which seeded ones never lack.
        let _ = vendor.serve();
        vendor
    }

    /// Lets the next exchange meet that fault, or the one after those that are waiting to be met. With none that
    /// exchange meets no fault, whatever [`fail`](Self::fail) says.
    ///
    /// A call may be several exchanges: `deactivate` asks whether it may, then sends its proof, and `check_in` hands in
    /// what is outstanding first.
    ///
    /// ```
    /// # use nodelock::{ErrorKind, testing::{Fault, Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// authority.fail_next(Fault::Down);
    /// assert_eq!(client.activate(&license_key).unwrap_err().kind(), ErrorKind::Unreachable);
    /// assert!(client.activate(&license_key)?.is_usable()); // the same request
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn fail_next(&self, fault: impl Into<Option<Fault>>) {
        self.way().next.push_back(fault.into());
    }

    /// Lets every exchange meet that fault, until this is called again with none.
    ///
    /// ```
    /// # use nodelock::{testing::{Fault, Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// client.activate(&license_key)?;
    /// authority.fail(Fault::Down);
    /// assert!(client.check_in().is_err());
    /// assert!(client.check()?.is_usable()); // a lease lasts for days
    /// authority.fail(None);
    /// assert!(client.check_in()?.is_usable());
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.way().always = fault.into();
    }

    /// The paths of the exchanges since this was asked last, whatever came of them: to see that nothing was sent.
    ///
    /// ```
    /// # use nodelock::{testing::{Machine, TestAuthority}};
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = authority.client(&Machine::new("desk")).build()?;
    /// client.activate(&license_key)?;
    /// assert_eq!(authority.take_calls(), ["/v1/activations"]);
    /// client.check()?;
    /// assert!(authority.take_calls().is_empty()); // a check needs no network
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.way().calls)
    }

    fn locked(&self) -> MutexGuard<'_, Vendor> {
        self.0.vendor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for TestAuthority {
    fn post(&self, post: &Post<'_>) -> Result<Answer> {
        post.cancel.check()?;
        let fault = {
            let mut way = self.way();
            let path = post.url.find("/v1/").map_or(post.url, |at| &post.url[at..]).to_owned();
            way.calls.push(path);
            way.next.pop_front().unwrap_or(way.always)
        };
        let decide = || self.vendor().answer(post);
        let answer = match fault {
            Some(fault) => fault.meet(post, decide)?,
            None => decide(),
        };
        match answer.body.len() > post.limit {
            true => Err(too_long(post.limit)),
            false => Ok(answer),
        }
    }
}

impl std::fmt::Debug for TestAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestAuthority").field("product", &self.0.product).finish_non_exhaustive()
    }
}

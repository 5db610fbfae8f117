//! The calls that wait, as futures on tokio, feature `tokio`.

use std::{
    panic,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{Client, DeactivateError, Online, Started, Status};
use crate::{ActivationRequestOptions, CancelToken, DeactivationReceipt, Error, ErrorKind, Reason, Result};

/// A client whose calls are futures, for an application on tokio.
///
/// Each future runs the blocking call on tokio's pool for that, [`spawn_blocking`]: files, the 100,000 rounds that a
/// request costs, and the exchange itself. The thread that polls does none of it. Two things may start another thread:
/// `HttpTransport`, for as long as it looks a host's name up, and a [`Transport`](crate::Transport) of the host.
///
/// A future that is dropped cancels its call. What was done until then stays done, as after [`Online::cancel_with`]:
/// a request that was not answered stays pending, and a seat that was given up stays outstanding. The next call, or
/// the next start, goes on from there. Nothing is sent after the drop, and a license that was not given up before
/// stays.
///
/// The call itself ends a little later. An exchange that is under way ends within a fraction of a second, and a change
/// of the store that has begun is carried to its end: it waits for the store's lock (5 s at most,
/// [`Store`](crate::Store)), derives for a tenth of a second if it makes a request, and syncs. A new call on the same
/// store waits for that.
///
/// [`Client::check`] may be called in place ([`client`](Self::client)), where the store is on a disk of this computer.
/// It asks for the state of one file. If that has changed, it reads the store's two small files, looks for tombstones
/// and verifies the license, and other threads that check meanwhile wait. The first check also probes the machine. For
/// a home directory on a network use `run(|client| client.check())`.
///
/// A future must be polled inside of a tokio runtime, of either kind. It panics elsewhere, and where the operating
/// system gives tokio no thread at all.
///
/// ```
/// use nodelock::{AsyncClient, Client, testing::{Machine, TestAuthority}};
///
/// # fn main() -> nodelock::Result<()> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let authority = TestAuthority::new("Example Editor");
/// # let license_key = authority.sell(1)?;
/// # let client = authority.client(&Machine::new("desk")).build()?;
/// let client = AsyncClient::new(client);
/// assert!(client.activate(&license_key).await?.is_usable());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncClient {
    client: Arc<Client>,
}

impl AsyncClient {
    /// The calls of `client` as futures. It may be shared with code that blocks.
    pub fn new(client: impl Into<Arc<Client>>) -> Self {
        Self { client: client.into() }
    }

    /// The client itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// [`Client::start`]. Zero uses no network. The limit counts from when a thread of the pool is free.
    ///
    /// ```
    /// # use nodelock::{AsyncClient, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// client.activate(&license_key).await?;
    /// let started = client.start(std::time::Duration::from_secs(5)).await?;
    /// assert!(started.status().is_usable());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn start(&self, limit: Duration) -> Result<Started> {
        self.online(move |online| online.start(limit)).await
    }

    /// [`Online::activate`].
    ///
    /// ```
    /// # use nodelock::{AsyncClient, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// assert!(client.activate(&license_key).await?.is_usable());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn activate(&self, options: impl Into<ActivationRequestOptions>) -> Result<Status> {
        let options = options.into();
        self.online(move |online| online.activate_with(&options)).await
    }

    /// [`Online::deactivate`].
    ///
    /// ```
    /// # use nodelock::{AsyncClient, Reason, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// client.activate(&license_key).await?;
    /// client.deactivate(Reason::Moved).await?;
    /// assert_eq!(authority.usage(&license_key)?.taken, 0);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn deactivate(&self, reason: Reason) -> Result<DeactivationReceipt, DeactivateError> {
        self.online(move |online| online.deactivate(reason)).await
    }

    /// [`Online::hand_in`].
    ///
    /// ```
    /// # use nodelock::{AsyncClient, Reason, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// client.activate(&license_key).await?;
    /// client.run(|client| client.deactivate_offline(Reason::Moved)).await?;
    /// assert_eq!(client.hand_in().await?.len(), 1);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn hand_in(&self) -> Result<Vec<DeactivationReceipt>> {
        self.online(|online| online.hand_in()).await
    }

    /// [`Online::check_in`]: renews the license.
    ///
    /// ```
    /// # use nodelock::{AsyncClient, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// client.activate(&license_key).await?;
    /// assert_eq!(client.check_in().await?.license().unwrap().revision, 2);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn check_in(&self) -> Result<Status> {
        self.online(|online| online.check_in()).await
    }

    /// [`Online::recover`].
    pub async fn recover(&self) -> Result<Status> {
        self.online(|online| online.recover()).await
    }

    /// Any other call that waits for a disk or computes for long: [`begin`](Client::begin),
    /// [`accept`](Client::accept), [`deactivate_offline`](Client::deactivate_offline), [`observe`](Client::observe).
    /// A future that is dropped before `act` has begun never begins it; later it is carried to its end. So the online
    /// calls have methods of their own here: inside of `act` none is cancelled, and HTTP takes a thread of its own.
    ///
    /// Fails with [`ErrorKind::Cancelled`] when the runtime shuts down first.
    ///
    /// ```
    /// # use nodelock::{AsyncClient, testing::{Machine, TestAuthority}};
    /// # fn main() -> nodelock::Result<()> {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// # let authority = TestAuthority::new("Example Editor");
    /// # let license_key = authority.sell(1)?;
    /// # let client = AsyncClient::new(authority.client(&Machine::new("desk")).build()?);
    /// let request = client.run(move |client| client.begin(license_key)).await?;
    /// assert!(request.to_text().starts_with("-----BEGIN NODELOCK ACTIVATION REQUEST-----"));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub async fn run<T, E>(&self, act: impl FnOnce(&Client) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let client = Arc::clone(&self.client);
        Call { task: spawn_blocking(move || act(&client)), cancel: CancelToken::new() }.await
    }

    async fn online<T, E>(
        &self,
        act: impl FnOnce(Online<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (client, cancel) = (Arc::clone(&self.client), CancelToken::on_a_blocking_thread());
        let given = cancel.clone();
        let task = spawn_blocking(move || act(client.online().cancel_with(&given)));
        Call { task, cancel }.await
    }
}

/// A call on a thread of the pool, which ends when this is dropped.
struct Call<T, E> {
    task: JoinHandle<Result<T, E>>,
    cancel: CancelToken,
}

impl<T, E: From<Error>> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, E>> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(context)) {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panicked) => panic::resume_unwind(panicked),
                Err(_) => {
                    Err(Error::new(ErrorKind::Cancelled, "the runtime shut down before the call was over")
                        .into())
                }
            },
        })
    }
}

impl<T, E> Drop for Call<T, E> {
    fn drop(&mut self) {
        self.cancel.cancel();
        // Of a call that waits for a thread nothing is left.
        self.task.abort();
    }
}

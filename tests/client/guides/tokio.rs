use std::time::Duration;

use nodelock::{AsyncClient, DeactivateError, Reason, Renewal, Result};

/// At each start, and once a day in an application that runs for days. Returns whether it may run.
pub async fn start(client: &AsyncClient) -> Result<bool> {
    let started = client.start(Duration::from_secs(3)).await?;
    if let Renewal::Due(why) = started.renewal() {
        eprintln!("not renewed yet: {why}");
    }
    Ok(started.status().is_usable())
}

/// Takes a seat, and gives up when `closed` comes first: the user has closed the window.
pub async fn activate(
    client: &AsyncClient,
    license_key: &str,
    closed: impl Future<Output = ()>,
) -> Option<Result<bool>> {
    tokio::select! {
        status = client.activate(license_key) => Some(status.map(|status| status.is_usable())),
        // The future of the call is dropped, which cancels it. Its request stays pending, and the next start asks
        // again.
        () = closed => None,
    }
}

/// Gives the seat back: the code frees it if the authority has not answered.
pub async fn give_back(client: &AsyncClient) -> Result<Option<String>, DeactivateError> {
    match client.deactivate(Reason::Moved).await {
        Ok(_) => Ok(None),
        Err(error) => match error.deactivation() {
            Some(given_up) => Ok(Some(given_up.code().to_string())),
            None => Err(error),
        },
    }
}

use std::time::Duration;

use nodelock::{
    Authority, Client, ClientBuilder, ErrorKind, HttpOptions, Limit, Reason, Renewal, Result, Roots, Verdict,
};

/// `root` is your public key and `authority` your server's address: constants of your application.
pub fn client(root: &str, authority: &str) -> Result<Client> {
    let authority = Authority::new(authority, HttpOptions::default().build()?);
    settings(Client::builder("Example Editor", Roots::new([root.parse()?])).authority(authority)).build()
}

/// What your application sets, and its tests on the builder that `TestAuthority::client` gives them. Whoever types
/// another license key means that one.
pub fn settings(builder: ClientBuilder) -> ClientBuilder {
    builder.application_version(env!("CARGO_PKG_VERSION")).replace_request(true)
}

/// At each start, and once a day in an application that runs for days. Returns what to tell the user if it may not run.
pub fn start(client: &Client) -> Result<Option<String>> {
    let started = client.start(Duration::from_secs(3))?;
    if let Renewal::Due(why) = started.renewal() {
        eprintln!("not renewed yet: {why}"); // a license that is usable stays so
    }
    Ok(match started.status().verdict() {
        verdict if verdict.is_usable() => None,
        Verdict::Unlicensed { pending: true } => Some("Waiting for a seat.".to_owned()), // each start asks again
        Verdict::Unlicensed { .. } | Verdict::Deactivated => Some("Enter your license key.".to_owned()),
        verdict => Some(verdict.to_string()), // the documents of `Verdict` say what to do about each
    })
}

/// Takes a seat. What it returns is for the user.
pub fn activate(client: &Client, license_key: &str) -> Result<String> {
    match client.activate(license_key) {
        Ok(status) => {
            let licensee = status.license().map(|license| license.licensee.as_str()).unwrap_or_default();
            Ok(format!("Licensed to {licensee}."))
        }
        Err(error) if error.kind() == ErrorKind::NoFreeSeat => {
            let next = error.seats().and_then(|seats| seats.next_lapse);
            Ok(match next {
                Some(time) => format!("Every seat is taken. One is free on {time} if nobody renews it."),
                None => "Every seat is taken.".to_owned(),
            })
        }
        Err(error) => Err(error),
    }
}

/// Whether one more project may be opened.
pub fn may_open(client: &Client, projects: u64) -> Result<bool> {
    let limit = client.check()?.feature_limit("projects");
    Ok(limit.is_some_and(|limit: Limit| limit.allows(projects + 1)))
}

/// Gives the seat back. If the network goes on the way, the code frees the seat over the phone.
pub fn give_back(client: &Client) -> Result<Option<String>> {
    match client.deactivate(Reason::Moved) {
        Ok(_) => Ok(None),
        Err(failed) => match failed.deactivation() {
            Some(given_up) => Ok(Some(given_up.code().to_string())),
            None => Err(failed.into_error()), // the license is still active
        },
    }
}

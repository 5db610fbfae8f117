use nodelock::{Authority, Client, HttpOptions, Reason, Renewal, Result, Roots, Verdict};
use std::time::Duration;

/// `root` is your public key and `authority` your server's address: constants of your application.
pub fn client(root: &str, authority: &str) -> Result<Client> {
    Client::builder("Example Editor", Roots::new([root.parse()?]))
        .authority(Authority::new(authority, HttpOptions::default().build()?))
        .replace_request(true) // whoever types another license key means that one
        .build()
}

/// At each start, and once a day in an application that runs for days. Returns whether it may run.
pub fn start(client: &Client) -> Result<bool> {
    // Checks, and renews the license when that is due. It waits for the network for 3 seconds at most.
    let started = client.start(Duration::from_secs(3))?;
    if let Renewal::Due(why) = started.renewal() {
        eprintln!("not renewed yet: {why}"); // a license that is usable stays so, and a later start asks again
    }
    let status = started.status();
    match status.verdict() {
        verdict if verdict.is_usable() => println!("export: {}", status.has_feature("export")),
        Verdict::Unlicensed { .. } | Verdict::Deactivated => println!("enter your license key"),
        verdict => println!("{verdict}"), // "expired at 2027-…": see the table in the documents of `Verdict`
    }
    Ok(status.is_usable())
}

/// Takes a seat, with the license key that the user enters.
pub fn activate(client: &Client, license_key: &str) -> Result<()> {
    client.activate(license_key).map(drop)
}

/// Gives the seat back without a network: the license is gone here, durably, and this code frees the seat.
pub fn give_back(client: &Client) -> Result<String> {
    Ok(client.deactivate_offline(Reason::Moved)?.code().to_string()) // 17KX2-M928T-5CY4T-QKFFW-EZFWM
}

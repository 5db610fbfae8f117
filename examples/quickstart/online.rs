//! With the vendor's authority as a server, and a network that fails when it matters.

use std::{path::Path, time::Duration};

use nodelock::{Authority, Client, ErrorKind, HttpOptions, Outcome, Reason, Roots, Verdict};

use super::{Result, builder, expect, mistype, server::Server, step};

/// A seat is taken, renewed, given back, taken again, and given back without a network.
pub fn run(folder: &Path) -> Result<()> {
    step("The vendor sets up an authority on SQLite and sells a license of one seat");
    let mut server = Server::start(&folder.join("authority"))?;
    let license_key = server.sell(1)?;
    println!("It listens at {}. The customer gets the license key {license_key}.", server.url());

    step("The application activates by license key");
    let client = application(&folder.join("machine"), &server)?;
    let status = client.activate(&license_key)?;
    expect(*status.verdict() == Verdict::Active, "the license is active")?;
    expect(server.taken()? == 1, "the authority knows of the seat")?;
    let license = status.license().ok_or("an active status comes with its license")?;
    println!("Its license: {}, for {}, revision {}.", status.verdict(), license.licensee, license.revision);

    step("It checks in, which renews the lease");
    let renewed = client.check_in()?;
    let renewed = renewed.license().ok_or("the license was renewed")?;
    expect(renewed.revision == license.revision + 1, "a check-in brings a newer license")?;
    println!("Its license: revision {}, leased until {}.", renewed.revision, time(renewed.lease_until));

    step("It gives its seat back");
    let receipt = client.deactivate(Reason::Moved)?;
    expect(receipt.outcome == Outcome::Returned && server.taken()? == 0, "the seat is free")?;
    println!("The authority says: {}. {} of 1 seats taken.", receipt.outcome, server.taken()?);

    step("It activates once more, and the network fails");
    expect(client.activate(&license_key)?.is_usable(), "the seat is taken again")?;
    server.stop()?;
    // The authority is asked before anything is given up, so nothing is lost by trying.
    let error = client.deactivate(Reason::Moved).err().ok_or("without a network it cannot succeed")?;
    expect(error.error().kind() == ErrorKind::Unreachable, "the authority is not reached")?;
    expect(client.check()?.is_usable(), "the license is still active")?;
    println!("{error}. The license is still {}.", client.check()?.verdict());

    step("So it gives the seat up without one, and shows a code");
    let given_up = client.deactivate_offline(Reason::Moved)?;
    expect(!client.check()?.is_usable(), "the license is gone")?;
    println!("Its license: {}. The code: {}", client.check()?.verdict(), given_up.code());

    step("The customer types the code into the authority's web page, with two errors");
    server.start_again()?;
    expect(server.taken()? == 1, "until then the authority holds the seat")?;
    let page = server.submit("/redeem", "deactivation", &mistype(&given_up.code().to_string()))?;
    expect(page.contains("is free"), "the page says that the seat is free")?;
    expect(server.taken()? == 0, "the seat is free")?;
    println!("{} of 1 seats taken.", server.taken()?);

    step("The application is back online and asks for what it missed");
    let receipts = client.online().hand_in()?;
    expect(receipts.len() == 1 && client.outstanding()?.is_empty(), "its receipt has come")?;
    expect(server.taken()? == 0, "a seat is freed once")?;
    println!("The receipt of seat {} has come; nothing is outstanding.", receipts[0].handle);
    server.stop()
}

/// The licensing of an application that knows where its vendor's authority is.
fn application(folder: &Path, server: &Server) -> Result<Client> {
    let http = HttpOptions::default().no_proxy().build()?;
    let client = builder(folder, Roots::new([server.root()]));
    // A person waits here, so it gives up soon.
    Ok(client
        .authority(Authority::new(server.url(), http).timeout(Duration::from_secs(10)).attempts(1))
        .build()?)
}

fn time(time: Option<nodelock::Timestamp>) -> String {
    time.map_or_else(|| "for ever".to_owned(), |time| time.to_string())
}

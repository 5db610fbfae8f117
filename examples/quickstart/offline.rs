//! Without a network: requests, licenses and proofs as files, and a code that is read over the phone.

use std::path::Path;

use nodelock::{
    ActivationRequestOptions, Client, ErrorKind, Limit, Outcome, Reason, Verdict,
    fingerprint::{Class, Component},
};

use super::{
    PRODUCT, Result, application, builder, expect, gone::computer, mistype, refused, step, vendor::Vendor,
};

/// Where the phone that scans a QR code lands. What follows the `#` never reaches a server's log.
const RETURN_PAGE: &str = "https://example.com/return#";

/// A seat goes from one machine to another.
pub fn run(folder: &Path) -> Result<()> {
    step("The vendor makes keys and sells a license of one seat");
    let mut vendor = Vendor::new(PRODUCT, 1)?;
    println!("The application embeds the root key  {}", vendor.root);
    println!("The customer gets the license key    {}", vendor.license_key);

    step("The application looks at the machine");
    let first = application(&folder.join("first"), vendor.roots())?;
    describe_machine(&first);
    let status = first.check()?;
    expect(*status.verdict() == Verdict::Unlicensed { pending: false }, "a new store holds no license")?;
    println!("Its license: {}.", status.verdict());

    step("It asks for a seat, the vendor answers, the application installs the answer");
    // The request is on the disk before it is shown, so nothing is lost if the power fails here. It holds the license
    // key and keyed hashes, and no secret.
    let request = first.begin(
        ActivationRequestOptions::of_key(&vendor.license_key).metadata("computer", "the first machine"),
    )?;
    println!("The request for seat {} has {} bytes.", request.request().handle, request.to_bytes().len());
    let license_file = vendor.activate(&request.to_bytes())?;
    println!("The license file begins:");
    license_file.lines().take_while(|line| !line.is_empty()).for_each(|line| println!("    {line}"));
    first.accept(license_file.as_bytes())?;

    step("Whenever it starts, the application checks its license");
    let status = first.check()?;
    expect(*status.verdict() == Verdict::Active, "the installed license is active")?;
    let license = status.license().ok_or("an active status comes with its license")?;
    println!("The license of {}, {} edition: {}.", license.licensee, license.edition, status.verdict());
    expect(status.has_feature("export"), "the license has the feature `export`")?;
    expect(!status.has_feature("import"), "the license does not have the feature `import`")?;
    expect(status.feature_limit("projects") == Some(Limit::UpTo(10)), "`projects` is limited to 10")?;
    println!("Features: export: yes; import: no; projects: up to 10.");
    if let Some(until) = license.lease_until {
        println!("To be renewed by {until}: so a copy of this folder does not live for ever.");
    }
    // Once in each run, a check may ask to write down that time has passed, so that a clock set back is noticed.
    if status.should_observe() {
        first.observe()?;
    }

    step("A second machine asks for a seat and is refused");
    println!("(It is this machine, in truth, which is made to look like other hardware.)");
    let second = builder(&folder.join("second"), vendor.roots()).probe(|| computer("second", 1)).build()?;
    let waiting = second.begin(
        ActivationRequestOptions::of_key(&vendor.license_key).metadata("computer", "the second machine"),
    )?;
    refused(vendor.activate(&waiting.to_bytes()), ErrorKind::NoFreeSeat, "the only seat is taken")?;

    step("The first machine gives its seat back, without a network");
    let given_up = first.deactivate_offline(Reason::Moved)?;
    let size = given_up.proof().len();
    expect(size <= 110, "a proof has at most 110 bytes")?;
    println!("The license was durably gone before this line was printed. The signed proof has {size} bytes.");
    println!("As a QR code that leads to the vendor's page:\n");
    println!("{}", given_up.qr_terminal(RETURN_PAGE)?);
    println!("Or, to read over the phone:    {}", given_up.code());

    step("From now on the first machine has no license");
    expect(*first.check()?.verdict() == Verdict::Deactivated, "the license is gone")?;
    println!("Its license: {}.", first.check()?.verdict());
    refused(first.accept(license_file.as_bytes()), ErrorKind::GivenUp, "the old license file stays dead")?;
    let again = first.outstanding()?;
    expect(again.len() == 1 && again[0].code() == given_up.code(), "the same code is shown again")?;
    println!("Until a receipt comes, it shows the same code whenever it is asked.");

    step("The vendor is read the code, and types it with two errors");
    let typed = mistype(&given_up.code().to_string());
    println!("typed:   {typed}");
    let (receipt, mended) = vendor.redeem_code(&typed)?;
    expect(mended.len() == 2, "two typing errors are mended")?;
    mended.iter().for_each(|correction| println!("mended:  {correction}"));
    expect(receipt.outcome == Outcome::Returned && vendor.usage().taken == 0, "the seat is free")?;
    println!("The seat is {}: {} of 1 seats taken.", receipt.outcome, vendor.usage().taken);

    step("The first machine takes in the receipt");
    first.accept(receipt.to_text().as_bytes())?;
    expect(first.outstanding()?.is_empty(), "nothing is outstanding after the receipt")?;
    println!("Nothing is outstanding. (A receipt is welcome, never required.)");

    step("The second machine's request is answered now");
    // The very same request as before: it was kept, and would have been after a restart too.
    let waiting = second.pending()?.ok_or("the second machine's request is still pending")?;
    let answer = vendor.activate(waiting.to_text().as_bytes())?;
    expect(second.accept(answer.as_bytes())?.status().is_usable(), "the second machine is licensed")?;
    println!("Its license: {}.", second.check()?.verdict());

    step("Somebody replays what the first machine said");
    let replayed = vendor.redeem(&given_up.to_bytes())?;
    expect(replayed.handle == receipt.handle, "the old proof speaks of the old seat only")?;
    expect(vendor.usage().taken == 1, "the old proof frees nothing again")?;
    refused(vendor.activate(&request.to_bytes()), ErrorKind::GivenUp, "the old request takes no seat")?;
    expect(second.check()?.is_usable(), "the second machine is still licensed")?;
    println!("The old proof changes nothing: {} of 1 seats taken.", vendor.usage().taken);

    Ok(())
}

/// What was found on the machine, never its values: those stay in memory, and only keyed hashes of them are sent.
fn describe_machine(client: &Client) {
    let probe = client.probe();
    let found: Vec<_> = probe.components().collect();
    let list = |is_found| {
        let names: Vec<_> =
            Component::ALL.iter().filter(|c| found.contains(c) == is_found).map(|c| c.name()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    println!("Found: {}. Not found: {}.", list(true), list(false));
    let answer = |yes| if yes { "yes" } else { "no" };
    let environment = probe.environment();
    println!(
        "Virtual machine: {}. Container: {}.",
        answer(environment.virtual_machine()),
        answer(environment.container())
    );
    if !found.iter().any(|component| component.class() == Class::HardwareUnique) {
        println!("Nothing of it is unique to this hardware, so the license will ask for renewal sooner.");
    }
}

use std::{fs, path::Path};

use nodelock::{Client, Reason, Result};

/// Asks for a seat. The user carries the file to the vendor, or mails what is in it.
pub fn ask(client: &Client, license_key: &str, file: &Path) -> Result<()> {
    // The same key gives the same request, so that nobody has to wonder whether the first file arrived. Another key
    // takes the request before it back, in a client that was built with `replace_request(true)`.
    write(file, &client.begin(license_key)?.to_text())
}

/// Takes in whatever the vendor sent: a license, a renewal, a receipt, a revocation. Returns whether the application
/// may run now.
pub fn take_in(client: &Client, file: &Path) -> Result<bool> {
    let answer = fs::read(file).map_err(|error| nodelock::Error::io(file.display().to_string(), error))?;
    let accepted = client.accept(&answer)?;
    for receipt in accepted.receipts() {
        println!("seat {} is {}", receipt.handle, receipt.outcome);
    }
    Ok(accepted.status().is_usable())
}

/// Asks for a renewal. From the 45th day of 90 on; `Status::renewal_due` says so.
pub fn ask_for_a_renewal(client: &Client, file: &Path) -> Result<()> {
    write(file, &client.check_in_offline()?.to_text())
}

/// Gives the seat up. When this returns, the license is gone here for good. The code frees the seat over the phone, and
/// the file frees it as well.
pub fn give_up(client: &Client, file: &Path) -> Result<String> {
    let given_up = client.deactivate_offline(Reason::Moved)?;
    // First of all the code is on the screen. `Client::outstanding` shows it again.
    println!("{}", given_up.code());
    write(file, &given_up.to_text())?;
    Ok(given_up.code().to_string())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|error| nodelock::Error::io(file.display().to_string(), error))
}

use nodelock::{ActivationRequestOptions, Client, ErrorKind, Result};

/// Asks for a trial, without a license key. What it returns is for the user.
pub fn try_out(client: &Client) -> Result<String> {
    match client.activate(ActivationRequestOptions::new()) {
        Ok(status) => {
            let end = status.license().and_then(|license| license.expires);
            Ok(end.map_or_else(|| "Licensed.".to_owned(), |end| format!("You can try it until {end}.")))
        }
        Err(error) if error.kind() == ErrorKind::TrialUsed => Ok(match error.trial_ended() {
            Some(end) => {
                format!("The trial on this computer ended on {end}. Enter the license key that you buy.")
            }
            None => "This computer shows no hardware to know it by. Ask us for a license key.".to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// Puts what was bought in the place of the trial, which stays if that fails.
pub fn buy(client: &Client, license_key: &str) -> Result<bool> {
    Ok(client.activate(license_key)?.is_usable())
}

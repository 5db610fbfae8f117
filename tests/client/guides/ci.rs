use std::{fs, path::Path};

use nodelock::{
    ActivationRequestOptions, Client, ClientBuilder, Error, Result, Store, Verdict, fingerprint::HostId,
};

/// `volume` outlives the container, and `contract` is what the customer signed: it is the same on each of their hosts.
pub fn in_a_container(builder: ClientBuilder, volume: &Path, contract: &str) -> ClientBuilder {
    builder.store(Store::in_directory(volume.join("license"), None)).host_id(contract, HostId::Replace)
}

/// Takes a seat where there is none yet, with nobody at the machine. `secret` is the file that the platform mounts the
/// deployment key at; a machine that has its seat starts without it.
pub fn enrolled(builder: impl Fn() -> ClientBuilder, secret: &Path) -> Result<Client> {
    let client = builder().build()?;
    let (Verdict::Unlicensed { .. } | Verdict::Deactivated) = client.check()?.verdict() else {
        return Ok(client);
    };
    let key = fs::read_to_string(secret).map_err(|error| Error::io(secret.display().to_string(), error))?;
    let client = builder().deployment_key(key).build()?;
    client.activate(ActivationRequestOptions::new())?;
    Ok(client)
}

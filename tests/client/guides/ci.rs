use std::path::Path;

use nodelock::{ClientBuilder, Store, fingerprint::HostId};

/// `volume` outlives the container, and `contract` is what the customer signed: it is the same on each of their hosts.
pub fn in_a_container(builder: ClientBuilder, volume: &Path, contract: &str) -> ClientBuilder {
    builder.store(Store::in_directory(volume.join("license"), None)).host_id(contract, HostId::Replace)
}

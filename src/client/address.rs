//! Where an authority can be: what its address is checked for before anything is sent there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Error, ErrorKind, Result};

/// Refuses an address that no authority has: a scheme that is not HTTP's, no host or one that cannot be, a port out of
/// range, or what does not belong there, such as a password. Plain HTTP is for this computer unless `plain` allows it.
///
/// The error names what is wrong, and not the address, which may hold a password.
pub(super) fn check(url: &str, plain: bool) -> Result<()> {
    let wrong = |what: &str| Error::new(ErrorKind::InvalidInput, format!("the authority's address: {what}"));
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| wrong("https://HOST is expected, or http://HOST on this computer"))?;
    let is = |expected| scheme.eq_ignore_ascii_case(expected);
    if !is("https") && !is("http") {
        return Err(wrong("its scheme must be https"));
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\')) {
        return Err(wrong("a space, ?, # or \\ cannot be in it"));
    }
    let place = rest.split('/').next().unwrap_or_default();
    if place.contains('@') {
        return Err(wrong("no user or password can be in it"));
    }
    let (host, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, port))) if host.parse::<Ipv6Addr>().is_ok() => (host, port),
        Some(_) => return Err(wrong("no IPv6 address is between the brackets")),
        None => place.find(':').map_or((place, ""), |colon| place.split_at(colon)),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(wrong("its port must be a number from 1 to 65535"));
    }
    let is_name =
        |host: &str| host.strip_suffix('.').unwrap_or(host).split('.').all(|label| !label.is_empty());
    if !is_name(host) {
        return Err(wrong("it has no host, or one with nothing between two dots"));
    }
    if is("http") && !plain && !is_here(host) {
        return Err(wrong("https is needed for another host than this one, unless plain HTTP is allowed"));
    }
    Ok(())
}

/// Where a URL leads, for a message: host and port, without a user, a password or a path.
pub(crate) fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // Also of an address that cannot be, such as one whose password has a slash.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// Whether a host is this computer, whatever its name service says.
pub(crate) fn is_here(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<Ipv4Addr>()
            .map(IpAddr::from)
            .or_else(|_| name.parse())
            .is_ok_and(|ip| ip.is_loopback())
}

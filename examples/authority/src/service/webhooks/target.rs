//! The address of a webhook.

use std::str::FromStr;

use hyper::Uri;

/// Longer than any address in use.
const LONGEST_URL: usize = 2_000;

/// Where a webhook is: the parts of its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) is_secure: bool,
    /// In small letters, and without brackets for an address of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What stands behind the scheme, as the header `Host` has it.
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong =
            "an address such as https://example.com/hooks is expected, without a name, a password or a `#`";
        let is_plain = text.len() <= LONGEST_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || text.contains('#') {
            return Err(wrong);
        }
        let uri: Uri = text.parse().map_err(|_| wrong)?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(wrong)?;
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(wrong);
        }
        // What stands behind the host and is no port is not left out.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            _ => authority.port_u16().ok_or(wrong)?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_secure, host, port, authority: authority.as_str().to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn an_address_is_taken_apart_or_refused() {
        let target: Target = "https://Example.com/hooks?a=b".parse().unwrap();
        assert_eq!((&*target.host, target.port, &*target.path), ("example.com", 443, "/hooks?a=b"));
        let target: Target = "http://[::1]:8080".parse().unwrap();
        assert_eq!((&*target.host, target.port, &*target.path), ("::1", 8080, "/"));
        for wrong in [
            "",
            "example.com",
            "ftp://example.com/",
            "https://jane:secret@example.com/",
            "https://example.com/a b",
            "https://example.com/#a",
            "https:///hooks",
            "https://example.com:99999/",
            "https://[::1]:65536/",
            "https://example.com:/",
            "/hooks",
            &format!("https://example.com/{}", "a".repeat(2_000)),
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}

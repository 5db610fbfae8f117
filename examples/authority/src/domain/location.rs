//! Where the database is.

use std::{path::PathBuf, str::FromStr};

/// Where the database is: a file or a server.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// A server of PostgreSQL, by its URL.
    Url(String),
}

impl FromStr for Location {
    type Err = String;

    /// A path, also as `sqlite:PATH`, or the URL of a server. Fails for another kind of server.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::File(path.split('?').next().unwrap_or(path).into()));
        }
        match text.split_once("://") {
            None => Ok(Self::File(text.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Url(text.to_owned())),
            Some((scheme, _)) => Err(format!(
                "{scheme}: is a kind of database that this program does not know; give postgres://… or the path of an SQLite file"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_and_a_server_is_one_of_postgresql() {
        for (text, path) in [
            ("authority.db", "authority.db"),
            ("/var/lib/a.db", "/var/lib/a.db"),
            ("sqlite:a.db", "a.db"),
            ("sqlite:///var/lib/a.db?mode=rwc", "/var/lib/a.db"),
        ] {
            assert!(
                matches!(text.parse(), Ok(Location::File(file)) if file == std::path::Path::new(path)),
                "{text}"
            );
        }
        assert!(matches!("postgres://host/name".parse(), Ok(Location::Url(_))));
        assert!("mysql://host/name".parse::<Location>().unwrap_err().contains("mysql"));
    }
}

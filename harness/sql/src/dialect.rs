//! Which client it is, by its own words.

use thiserror::Error;

/// A client's product and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whose client.
    pub product: Product,
    /// Major, minor and patch number of the distribution.
    pub version: (u16, u16, u16),
}

/// Whose client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MySQL, Percona Server included.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// Output of `--version` that no known client prints.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "finding out the client's dialect: `--version` printed `{found}`, expected a line such as `mysql  Ver 8.0.36 for Linux` or `mysql  Ver 15.1 Distrib 10.11.6-MariaDB`; point MESHPROOF_MYSQL at a MySQL or MariaDB client"
)]
pub struct DialectError {
    /// What was printed.
    pub found: String,
}

impl Dialect {
    /// From the output of `mysql --version`.
    pub fn detect(version: &str) -> Result<Self, DialectError> {
        let line = version
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let product = if line.contains("MariaDB") {
            Product::MariaDb
        } else {
            Product::MySql
        };
        let number = ["Distrib ", "from ", "Ver "]
            .iter()
            .find_map(|mark| numbers(line.split_once(mark)?.1));
        let version = number.ok_or_else(|| DialectError {
            found: line.to_owned(),
        })?;
        Ok(Self { product, version })
    }

    /// The option that keeps the client from TLS of its own. `--ssl-mode` came with MySQL 5.7.11;
    /// before it, and in MariaDB, it is `--skip-ssl`, which MySQL 8 no longer knows.
    pub fn without_tls(&self) -> &'static str {
        match self.product {
            Product::MySql if self.version >= (5, 7, 11) => "--ssl-mode=DISABLED",
            Product::MySql | Product::MariaDb => "--skip-ssl",
        }
    }
}

impl Dialect {
    /// The options with which the client gives up rather than speak without TLS of its own. None of them
    /// looks at the server's certificate. MariaDB's client knows no such demand but verification; with
    /// `--ssl` alone it goes on without (up to 11.3), so the session's cipher has to be looked at.
    pub fn with_tls(&self) -> &'static [&'static str] {
        match self.product {
            Product::MySql if self.version >= (5, 7, 11) => &["--ssl-mode=REQUIRED"],
            Product::MySql => &["--ssl"],
            Product::MariaDb => &["--ssl", "--skip-ssl-verify-server-cert"],
        }
    }
}

fn numbers(text: &str) -> Option<(u16, u16, u16)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let mut parts = text[..end].split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Product};

    #[test]
    fn reads_every_wording() {
        let cases = [
            (
                "mysql  Ver 14.14 Distrib 5.6.51, for Linux (x86_64) using  EditLine wrapper",
                Product::MySql,
                (5, 6, 51),
                "--skip-ssl",
            ),
            (
                "mysql  Ver 14.14 Distrib 5.7.44, for Linux (x86_64) using  EditLine wrapper",
                Product::MySql,
                (5, 7, 44),
                "--ssl-mode=DISABLED",
            ),
            (
                "/usr/bin/mysql  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)\n",
                Product::MySql,
                (8, 0, 36),
                "--ssl-mode=DISABLED",
            ),
            (
                "mysql  Ver 9.1.0 for Linux on aarch64 (MySQL Community Server - GPL)",
                Product::MySql,
                (9, 1, 0),
                "--ssl-mode=DISABLED",
            ),
            (
                "mysql  Ver 15.1 Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64) using  EditLine wrapper",
                Product::MariaDb,
                (10, 11, 6),
                "--skip-ssl",
            ),
            (
                "mariadb from 11.4.2-MariaDB, client 15.2 for debian-linux-gnu (x86_64) using  EditLine wrapper",
                Product::MariaDb,
                (11, 4, 2),
                "--skip-ssl",
            ),
        ];
        for (text, product, version, option) in cases {
            let dialect = Dialect::detect(text).unwrap();
            assert_eq!(
                (dialect.product, dialect.version),
                (product, version),
                "{text}"
            );
            assert_eq!(dialect.without_tls(), option, "{text}");
        }
        insta::assert_snapshot!(Dialect::detect("psql (PostgreSQL) 16.1").unwrap_err());
        assert!(Dialect::detect("").is_err());
    }
}

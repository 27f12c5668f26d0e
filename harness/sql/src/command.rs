//! The command line of one batch of SQL.

use crate::dialect::Dialect;

/// The environment variable that carries the password. It is never an argument: every process of
/// the machine may read those.
pub const PASSWORD_VARIABLE: &str = "MYSQL_PWD";

/// One call of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCommand {
    /// Path or name of the client program.
    pub program: String,
    /// Which client it is.
    pub dialect: Dialect,
    /// Name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// MySQL user.
    pub user: String,
    /// Database to use at once.
    pub database: Option<String>,
    /// Seconds that the client waits for TCP, and most clients for the greeting.
    pub connect_timeout: Option<u32>,
    /// Statements, separated by semicolons. `None`: they come by standard input.
    pub sql: Option<String>,
    /// Whether the client demands TLS of MySQL's own; else it has none.
    pub own_tls: bool,
}

impl BatchCommand {
    /// Program and arguments. Output is read with [`parse_batch`](crate::parse_batch); the password
    /// goes into the environment under [`PASSWORD_VARIABLE`].
    ///
    /// `--no-defaults` must be first: files of the machine shall not change what a case does.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.program.clone()];
        arguments.extend(
            [
                "--no-defaults",
                "--batch",
                "--skip-column-names",
                "--protocol=TCP",
            ]
            .map(str::to_owned),
        );
        if self.own_tls {
            arguments.extend(
                self.dialect
                    .with_tls()
                    .iter()
                    .map(|&option| option.to_owned()),
            );
        } else {
            arguments.push(self.dialect.without_tls().to_owned());
        }
        arguments.push(format!("--host={}", self.host));
        arguments.push(format!("--port={}", self.port));
        arguments.push(format!("--user={}", self.user));
        arguments.extend(
            self.connect_timeout
                .map(|seconds| format!("--connect-timeout={seconds}")),
        );
        arguments.extend(
            self.database
                .as_ref()
                .map(|database| format!("--database={database}")),
        );
        arguments.extend(self.sql.as_ref().map(|sql| format!("--execute={sql}")));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::BatchCommand;
    use crate::dialect::{Dialect, Product};

    #[test]
    fn builds_a_command_without_secrets() {
        let command = BatchCommand {
            program: "mysql".into(),
            dialect: Dialect {
                product: Product::MariaDb,
                version: (10, 11, 6),
            },
            host: "203.0.113.10.nip.io".into(),
            port: 3306,
            user: "root".into(),
            database: Some("test".into()),
            connect_timeout: Some(5),
            sql: Some("SELECT 1; SELECT 2".into()),
            own_tls: false,
        };
        insta::assert_snapshot!(command.arguments().join("\n"), @r"
        mysql
        --no-defaults
        --batch
        --skip-column-names
        --protocol=TCP
        --skip-ssl
        --host=203.0.113.10.nip.io
        --port=3306
        --user=root
        --connect-timeout=5
        --database=test
        --execute=SELECT 1; SELECT 2
        ");
    }
}

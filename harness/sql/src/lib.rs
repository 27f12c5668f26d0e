//! meshproof-sql.

//! meshproof-record.

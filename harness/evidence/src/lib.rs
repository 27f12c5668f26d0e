//! meshproof-evidence.

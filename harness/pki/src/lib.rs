//! meshproof-pki.

//! meshproof-pocket.

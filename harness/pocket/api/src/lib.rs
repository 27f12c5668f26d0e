//! meshproof-pocket-api.

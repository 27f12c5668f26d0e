//! meshproof-pocket-xds.

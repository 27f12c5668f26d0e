//! meshproof-pocket-node.

//! meshproof-cluster.

//! meshproof-toolchain.

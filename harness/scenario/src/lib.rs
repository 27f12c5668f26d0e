//! meshproof-scenario.

//! meshproof-runner.

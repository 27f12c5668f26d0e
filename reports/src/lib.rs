//! meshproof-reports.

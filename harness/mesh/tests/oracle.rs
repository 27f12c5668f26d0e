//! Compiled configuration against recorded configuration.
fn main() {}

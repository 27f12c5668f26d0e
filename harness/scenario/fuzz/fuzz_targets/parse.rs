//! Any text parses or is told what is wrong; any message can be rendered.
//!
//! `cargo +nightly fuzz run parse` in `harness/scenario`, with `tests/base.yaml` as a seed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_scenario::{Bindings, Source, parse, substitute};

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yaml", text);
    if let Err(errors) = parse(&source) {
        assert!(!errors.render().is_empty());
    }
    if let Err(errors) = substitute(&source, &Bindings::default()) {
        assert!(!errors.render().is_empty());
    }
});

//! What a server sent first, what a client printed, and how it ended: any text is read or said to be
//! unreadable, and nothing that is no greeting is taken for one.
//!
//! `cargo +nightly fuzz run first_packet` in `harness/sql`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_sql::{ClientEnd, FirstPacket, client_end, parse_batch};

fuzz_target!(|text: &str| {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).take(10).collect();
    if FirstPacket::read(text) == Some(FirstPacket::Greeting) {
        assert!(digits.ends_with("000a") || digits.ends_with("000A"), "{digits}");
    }
    if client_end(Some(0), text) == ClientEnd::Connected {
        assert_eq!(client_end(None, text), ClientEnd::Stopped);
    }
    // Whatever it prints, it is rows or an error in words.
    if let Err(error) = parse_batch(text) {
        assert!(!error.to_string().is_empty());
    }
});

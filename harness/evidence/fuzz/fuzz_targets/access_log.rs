//! `cargo +nightly fuzz run access_log`: a format string, a line break, a line. No input may panic,
//! and what is read must be the line again when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_evidence::{Format, HopLine, detect};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Some((format, line)) = text.split_once('\n') else { return };
    let _ = detect(line);
    let Ok(format) = Format::compile(format) else { return };
    let Ok(record) = format.parse(line) else { return };
    let _ = HopLine::from_record(&record);
    let values: Vec<&str> = record.iter().map(|(_, value)| value).collect();
    assert_eq!(format.render(&values).as_deref(), Ok(record.line()));
});

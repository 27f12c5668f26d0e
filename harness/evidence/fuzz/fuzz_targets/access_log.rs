//! `cargo +nightly fuzz run access_log`: the name of a format as run records have it, a zero byte, and
//! a log. No input may panic, and what is read must be the line again when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_evidence::access_log::Logged;
use meshproof_evidence::{Expected, Reader, detect, read_log};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Some((format, log)) = text.split_once('\0') else { return };
    let lines: Vec<&str> = log.lines().collect();
    let _ = detect(log);
    let _ = Expected::any_of_istio().settle(&lines);
    let Ok(reader) = Reader::new(format) else { return };
    assert_eq!(Reader::new(&reader.to_string()).expect("its own name"), reader);
    let _ = reader.lacks().count();
    let _ = read_log(&reader, &lines);
    match &reader {
        Reader::Text(format) => {
            let Ok(record) = format.parse(log) else { return };
            let values: Vec<&str> = record.iter().map(|(_, value)| value).collect();
            assert_eq!(format.render(&values).as_deref(), Ok(record.line()));
        }
        // What is omitted and what is `-` read the same.
        Reader::Json(format) if format.omits_empty() => {}
        Reader::Json(format) => {
            let Ok(record) = format.parse(log) else { return };
            let values: Vec<Option<&str>> = record.iter().map(|(_, value)| value.value().copied()).collect();
            let written = format.render(&values).expect("as many values as operators");
            let again = format.parse(&written).expect("what was written is read");
            let equal = |(a, b): (Logged<&str>, Logged<&str>)| assert_eq!(a, b);
            record.iter().map(|(_, a)| a).zip(again.iter().map(|(_, b)| b)).for_each(equal);
        }
    }
});

//! Any cluster file is compiled, or is told what is wrong and where; every refusal says something.
//!
//! `cargo +nightly fuzz run cluster_file` in `harness/mesh`, with the files of `tests/oracle/cases` as
//! seeds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_mesh::{ClusterFile, MeshConfig};

fuzz_target!(|text: &str| {
    match ClusterFile::read("fuzz.yaml", text) {
        Err(error) => assert!(error.to_string().starts_with("fuzz.yaml:")),
        Ok(file) => {
            for judged in file.judge(&MeshConfig::default()) {
                assert!(judged.answer.error.is_none_or(|e| !e.is_empty()));
                assert!(judged.line > 0);
            }
            file.compile(MeshConfig::default());
        }
    }
});

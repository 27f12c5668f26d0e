//! The controllers: what brings the cluster's objects to life besides the node and the mesh.

pub(crate) mod deployments;
pub(crate) mod endpoints;
pub(crate) mod reconcile;

use meshproof_pocket_api::StatusError;

/// Checks a write that may have lost a race, with one of these codes: whoever won it left an event,
/// and the next round looks again. Any other refusal is a fault of ours.
pub(crate) fn settle<T: std::fmt::Debug>(result: Result<T, StatusError>, lost: &[u16]) {
    let refused = result.as_ref().err();
    debug_assert!(refused.is_none_or(|e| lost.contains(&e.code)), "{result:?}");
}

/// The alphabet of generated names: no vowels, nothing that looks like another character
/// (Kubernetes `k8s.io/apimachinery/pkg/util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name part of `length` characters that depends on `seed` alone (FNV-1a).
pub(crate) fn generated(seed: &str, length: usize) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut step = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
        hash
    };
    for byte in seed.bytes() {
        step(byte);
    }
    (0..length)
        .map(|i| {
            let hash = step(u8::try_from(i % 251).unwrap_or_default());
            let at = usize::try_from((hash >> 32) % ALPHABET.len() as u64).unwrap_or_default();
            char::from(ALPHABET[at])
        })
        .collect()
}

//! The descriptors of the messages under `proto/`.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::{Encoded, Fault};

static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| {
    let set: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envoy.bin"));
    DescriptorPool::decode(set).map_err(|error| error.to_string())
});

/// Reads the descriptors now, off the path that somebody waits for.
pub(crate) fn warm() {
    LazyLock::force(&POOL);
}

/// The message of a full name such as `envoy.config.core.v3.Address`.
pub(crate) fn message(name: &str) -> Encoded<MessageDescriptor> {
    let pool = POOL
        .as_ref()
        .map_err(|error| Fault::new(format!("the embedded descriptors cannot be read: {error}")))?;
    pool.get_message_by_name(name)
        .ok_or_else(|| Fault::new(format!("unknown message type {name}")))
}

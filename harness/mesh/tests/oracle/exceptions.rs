//! What is left aside in the comparison, each with its reason.

/// Cases that are not equal.
pub(crate) const NOT_EQUAL: &[(&str, &str)] = &[
    (
        "client-logs-json",
        "the recording has the TEXT format of the cases recorded before it in the same process, whose log \
         configuration the control plane caches until the mesh configuration changes; JSON is what it makes \
         of this mesh configuration when it starts with it",
    ),
    (
        "client-logs-format",
        "the same: the recording has the default format in place of the mesh configuration's own",
    ),
];

//! What a field may hold, and whether the embedded mesh supports it.

/// The shape of a value in JSON.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A protobuf duration, such as `10s` or `1.5h`, in Go's notation.
    Duration,
    /// One of these names.
    Enum(&'static [&'static str]),
    /// A list of such values.
    List(&'static Shape),
    /// A map from any name to such values.
    Map(&'static Shape),
    /// These fields and no others.
    Object(&'static [Field]),
    /// Not looked into: nothing below is supported anyway.
    Free,
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) supported: bool,
}

/// A field that the embedded mesh acts on.
pub(crate) const fn yes(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        supported: true,
    }
}

/// A field that Istio has and the embedded mesh refuses.
pub(crate) const fn no(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        supported: false,
    }
}

/// A kind of Istio's API.
#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "the words of the API itself")]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) versions: &'static [&'static str],
    /// The fields of `spec`; `None` where the whole kind is not supported.
    pub(crate) spec: Option<&'static [Field]>,
}

//! What a field may hold, and whether the embedded mesh supports it.

/// The shape of a value in JSON.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number of 32 bits, with a sign.
    Int,
    /// A whole number of 32 bits, without a sign.
    Uint,
    /// A number, whole or not.
    Number,
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
    /// An object or a list (its name in JSON Schema) that is not looked into: nothing below is supported.
    Opaque(&'static str),
    /// Not looked at.
    Free,
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) supported: bool,
    /// The object is refused without it.
    pub(crate) required: bool,
}

/// A field that the embedded mesh acts on.
pub(crate) const fn yes(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        supported: true,
        required: false,
    }
}

/// A field that the embedded mesh acts on, and that may not be missing.
pub(crate) const fn must(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        supported: true,
        required: true,
    }
}

/// A field that Istio has and the embedded mesh refuses.
pub(crate) const fn no(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        supported: false,
        required: false,
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

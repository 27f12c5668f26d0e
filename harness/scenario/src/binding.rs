//! Reading and describing the value of a binding: text, or a mapping that says what to look up.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::{AddressOf, Binding, ServiceLookup};

/// The mapping form, one key for each kind of lookup.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Lookup {
    /// The first address in `status.loadBalancer.ingress` of a Service.
    LoadBalancer(ServiceLookup),
    /// The address of the first ready pod behind a Service.
    Endpoint(ServiceLookup),
}

struct BindingVisitor;

impl<'de> Visitor<'de> for BindingVisitor {
    type Value = Binding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "text (in quotes where it looks like a number), loadBalancer: {cluster, service} or endpoint: {cluster, service}",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Binding, E> {
        Ok(Binding::Literal(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Binding, A::Error> {
        Ok(
            match Lookup::deserialize(de::value::MapAccessDeserializer::new(map))? {
                Lookup::LoadBalancer(service) => Binding::Address(AddressOf::LoadBalancer, service),
                Lookup::Endpoint(service) => Binding::Address(AddressOf::Endpoint, service),
            },
        )
    }
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BindingVisitor)
    }
}

impl JsonSchema for Binding {
    fn schema_name() -> Cow<'static, str> {
        "Binding".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let lookup = generator.subschema_for::<Lookup>();
        json_schema!({
            "description": "Text, which may use other bindings, or something to look up in a cluster.",
            "oneOf": [{"type": "string"}, lookup],
        })
    }
}

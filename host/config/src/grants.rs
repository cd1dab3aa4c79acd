//! `grants` of a plugin: the capabilities that the plugin gets if its manifest requests them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use narrowboat_core::capabilities::Capabilities;

/// The capabilities that a plugin gets if its manifest requests them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// Every capability: for your own code.
    All,
    /// The capabilities that these cover.
    Only(Capabilities),
}

impl Default for Grants {
    fn default() -> Self {
        Self::Only(Capabilities::default())
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GrantsVisitor)
    }
}

struct GrantsVisitor;

impl<'de> Visitor<'de> for GrantsVisitor {
    type Value = Grants;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\", or a table such as { groups = [\"room.*\"], log = true }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Grants, E> {
        match text {
            "all" => Ok(Grants::All),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Grants, A::Error> {
        Capabilities::deserialize(MapAccessDeserializer::new(map)).map(Grants::Only)
    }
}

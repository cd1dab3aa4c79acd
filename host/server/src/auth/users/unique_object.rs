//! A JSON object whose names are unique.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object without duplicate names. Duplicates are errors, because two readers could understand the object
/// differently (RFC 7515, section 4, and RFC 7519, section 4).
pub(super) struct UniqueObject(pub(super) Map<String, Value>);

impl UniqueObject {
    /// Parses the text of an object.
    pub(super) fn parse(json: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
        serde_json::from_slice(json).map(|Self(names)| names)
    }
}

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueNamesVisitor)
    }
}

struct UniqueNamesVisitor;

impl<'de> Visitor<'de> for UniqueNamesVisitor {
    type Value = UniqueObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueObject, A::Error> {
        let mut names = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if names.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the name {name:?} is duplicate")));
            }
            names.insert(name, value);
        }
        Ok(UniqueObject(names))
    }
}

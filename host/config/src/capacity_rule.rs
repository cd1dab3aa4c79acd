//! `channel_capacity` of a layer.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// Another capacity for channels whose names match a glob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityRule {
    /// The glob, with `*`, `?`, `[abc]` and `[!abc]` as in Python's `fnmatch`.
    pub pattern: String,
    /// Messages that such a channel holds.
    pub capacity: usize,
}

/// The rules as the file has them: `[{ pattern = "…", capacity = 1 }]`, or `{ "…" = 1 }` as in Django.
#[derive(Default)]
pub(super) struct CapacityRules(pub(super) Vec<CapacityRule>);

impl<'de> Deserialize<'de> for CapacityRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CapacityRulesVisitor;
        impl<'de> Visitor<'de> for CapacityRulesVisitor {
            type Value = Vec<CapacityRule>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ \"jobs.*\" = 10 } or [{ pattern = \"jobs.*\", capacity = 10 }]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut rules = Vec::new();
                while let Some(rule) = list.next_element()? {
                    rules.push(rule);
                }
                Ok(rules)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut rules = Vec::new();
                while let Some((pattern, capacity)) = map.next_entry()? {
                    rules.push(CapacityRule { pattern, capacity });
                }
                Ok(rules)
            }
        }
        deserializer.deserialize_any(CapacityRulesVisitor).map(Self)
    }
}

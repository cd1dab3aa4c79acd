//! `[plugins.NAME] grants`: what a plugin may have of what its manifest asks for.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::error::ConfigError;
use super::plugin::PluginConfig;
use narrowboat_core::capabilities::Capabilities;

/// What a plugin may have of what its manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// All of it, whatever it is: for code of one's own.
    All,
    /// What these cover.
    These(Capabilities),
}

impl Default for Grants {
    fn default() -> Self {
        Self::These(Capabilities::default())
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
        Capabilities::deserialize(MapAccessDeserializer::new(map)).map(Grants::These)
    }
}

impl PluginConfig {
    /// Whether a version may have what its manifest asks for.
    ///
    /// # Errors
    /// With each thing that it may not have, and the lines that would grant it.
    pub fn check_grants(&self, name: &str, asks: &Capabilities) -> Result<(), ConfigError> {
        let Grants::These(granted) = &self.grants else { return Ok(()) };
        let lacking = granted.lacking(asks);
        if lacking.is_empty() {
            return Ok(());
        }
        let lines = granted.lines_with(&lacking).join("`, `");
        let table = self.grants_place.whole_key(&format!("plugins.{name}"));
        let problem = format!(
            "its manifest asks for what is not granted: {lacking}; [{table}.grants] would need \
             `{lines}`, or [{table}] `grants = \"all\"` where the code is your own"
        );
        Err(self.grants_place.invalid(&format!("plugins.{name}.grants"), problem))
    }
}

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

impl PluginConfig {
    /// Whether a version may have what its manifest asks for.
    ///
    /// # Errors
    /// With each thing that it may not have, and the lines that would grant it.
    pub fn check_grants(&self, name: &str, asks: &Capabilities) -> Result<(), ConfigError> {
        let Grants::Only(granted) = &self.grants else { return Ok(()) };
        let lacking = granted.missing_for(asks);
        if lacking.is_empty() {
            return Ok(());
        }
        let lines = granted.toml_lines_with(&lacking).join("`, `");
        let table = self.grants_location.qualified_key(&format!("plugins.{name}"));
        let problem = format!(
            "its manifest requests what is not granted: {lacking}; [{table}.grants] would need \
             `{lines}`, or [{table}] `grants = \"all\"` where the code is your own"
        );
        Err(self.grants_location.invalid(&format!("plugins.{name}.grants"), problem))
    }
}

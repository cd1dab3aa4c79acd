//! `[signatures]`: the keys that must have signed every component.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator, SourceLocation};
use super::plugin::PluginSource;
use super::tenant::TenantConfig;
use narrowboat_core::name::Tenant;

/// The keys that must have signed every component.
#[derive(Debug, Clone, PartialEq)]
pub struct SignaturesConfig {
    /// The files of the keys, at least one. A signature of one key is enough.
    pub keys: Vec<KeyFile>,
}

/// The file of a public key, as PEM.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFile {
    /// The file.
    pub file: PathBuf,
    /// The place in the configuration that names the file.
    pub location: SourceLocation,
}

/// `[signatures]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignatures {
    keys: Spanned<Vec<Spanned<PathBuf>>>,
}

impl RawSignatures {
    pub(super) fn check(
        self,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<SignaturesConfig, ConfigError> {
        if self.keys.get_ref().is_empty() {
            let problem = "names no key; add the file of a public key, or remove [signatures] to run \
                           components without signatures";
            return Err(location.invalid(self.keys.span(), "signatures.keys", problem));
        }
        let keys = self.keys.into_inner().into_iter().map(|key| {
            let place = location.locate(key.span());
            KeyFile { file: folder.join(key.into_inner()), location: place }
        });
        Ok(SignaturesConfig { keys: keys.collect() })
    }
}

/// Refuses plugins that the host builds or packs itself, since their files have no signature.
pub(super) fn reject_unsigned_sources(
    tenants: &BTreeMap<Tenant, Arc<TenantConfig>>,
) -> Result<(), ConfigError> {
    for (name, plugin) in tenants.values().flat_map(|tenant| &tenant.plugins) {
        let (key, problem) = match plugin.source {
            PluginSource::Component(_) => continue,
            PluginSource::Source(_) => (
                "source",
                "is packed by the host, and [signatures] needs signed files; pack it elsewhere with \
                 `narrowboat plugin build`, sign the bundle, and write `component = \"FILE.narrowboat\"`",
            ),
            PluginSource::Crate(_) => (
                "crate",
                "is built by the host, and [signatures] needs signed components; build and sign it elsewhere, and \
                 write `component = \"FILE.wasm\"`",
            ),
        };
        return Err(plugin.source_location.invalid(&format!("plugins.{name}.{key}"), problem));
    }
    Ok(())
}

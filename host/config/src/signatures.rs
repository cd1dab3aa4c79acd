//! `[signatures]`: whose components run.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator, SourceLocation};
use super::plugin::{PluginConfig, PluginSource};

/// Who has to have signed every component.
#[derive(Debug, Clone, PartialEq)]
pub struct SignaturesConfig {
    /// One of these is enough; never none.
    pub keys: Vec<KeyFile>,
}

/// The file of a public key, as PEM.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFile {
    /// The file.
    pub file: PathBuf,
    /// Where the configuration names it.
    pub location: SourceLocation,
}

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
            let problem = "names no key, so that nothing could run; leave the table out to run \
                           what nobody has signed";
            return Err(location.invalid(self.keys.span(), "signatures.keys", problem));
        }
        let keys = self.keys.into_inner().into_iter().map(|key| {
            let place = location.locate(key.span());
            KeyFile { file: folder.join(key.into_inner()), location: place }
        });
        Ok(SignaturesConfig { keys: keys.collect() })
    }
}

/// Whether a plugin's component may be signed before the host begins.
pub(super) fn reject_crate_source(name: &str, plugin: &PluginConfig) -> Result<(), ConfigError> {
    match plugin.source {
        PluginSource::Component(_) => Ok(()),
        PluginSource::Crate(_) => {
            let problem = "is built here, where nobody signs it, and [signatures] takes only what is \
                           signed; build and sign it elsewhere, and name it as `component = \
                           \"FILE.wasm\"`";
            Err(plugin.source_location.invalid(&format!("plugins.{name}.crate"), problem))
        }
    }
}

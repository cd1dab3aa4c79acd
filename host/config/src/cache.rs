//! `[cache]`: the cache of compiled code, which saves compiling at a restart.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::base_directories;
use super::error::{ConfigError, Locator};
use narrowboat_core::units::ByteSize;

/// The cache of compiled code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder of the cache. The host creates it when it first stores code.
    pub folder: PathBuf,
    /// The largest size of all files together; more than 0.
    pub size: ByteSize,
}

/// `[cache]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCache {
    folder: Option<Spanned<PathBuf>>,
    /// 0 turns the cache off.
    size: ByteSize,
}

impl Default for RawCache {
    fn default() -> Self {
        Self { folder: None, size: ByteSize::mib(512) }
    }
}

impl RawCache {
    /// Checks the table. Returns `None` if the cache is turned off, or if neither the file nor the environment names a
    /// folder.
    pub(super) fn check(
        self,
        base: &Path,
        location: &Locator<'_>,
    ) -> Result<Option<CacheConfig>, ConfigError> {
        let folder = match self.folder {
            Some(folder) if folder.get_ref().as_os_str().is_empty() => {
                let problem = "must name a folder; write `size = 0` to turn the cache off";
                return Err(location.invalid(folder.span(), "cache.folder", problem));
            }
            // Remove a slash at the end: it would hide that the folder is a symbolic link.
            Some(folder) => Some(base.join(folder.get_ref()).components().collect()),
            None => default_folder(|name| std::env::var_os(name)),
        };
        let size = self.size;
        Ok(folder.filter(|_| size.bytes() > 0).map(|folder| CacheConfig { folder, size }))
    }
}

/// Returns the folder that systemd or the user has for caches.
fn default_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    base_directories::systemd_directory(&variable, "CACHE_DIRECTORY")
        .or_else(|| base_directories::xdg_directory(&variable, "XDG_CACHE_HOME", ".cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<PathBuf> {
        default_folder(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_default_folder_follows_the_environment() {
        let both = [("XDG_CACHE_HOME", "/caches"), ("HOME", "/home/ada")];
        assert_eq!(folder(&both), Some("/caches/narrowboat".into()));
        assert_eq!(folder(&both[1..]), Some("/home/ada/.cache/narrowboat".into()));
        let relative = [("XDG_CACHE_HOME", "caches"), ("HOME", "/home/ada")];
        assert_eq!(folder(&relative), Some("/home/ada/.cache/narrowboat".into()));
        assert_eq!(folder(&[("HOME", "")]), None);
        let unit = [("CACHE_DIRECTORY", "/var/cache/nb"), both[0]];
        assert_eq!(folder(&unit), Some("/var/cache/nb".into()));
    }
}

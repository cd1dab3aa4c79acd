//! `[cache]`: where compiled code is kept between two runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::base_directories;
use super::error::{ConfigError, Locator};
use narrowboat_core::units::ByteSize;

/// A folder for compiled code, and its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// Made when something is first kept in it.
    pub folder: PathBuf,
    /// What all its files together may take; more than 0.
    pub size: ByteSize,
}

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
    /// `None` if the cache is turned off, or nothing says where it could be.
    pub(super) fn check(
        self,
        base: &Path,
        location: &Locator<'_>,
    ) -> Result<Option<CacheConfig>, ConfigError> {
        let folder = match self.folder {
            Some(folder) if folder.get_ref().as_os_str().is_empty() => {
                let problem = "must name a folder; `size = 0` turns the cache off";
                return Err(location.invalid(folder.span(), "cache.folder", problem));
            }
            // Without a slash at its end, which would hide that it is a symbolic link.
            Some(folder) => Some(base.join(folder.get_ref()).components().collect()),
            None => default_folder(|name| std::env::var_os(name)),
        };
        let size = self.size;
        Ok(folder.filter(|_| size.bytes() > 0).map(|folder| CacheConfig { folder, size }))
    }
}

/// The user's own folder for caches.
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
    fn the_users_folder_is_found_as_the_specification_says() {
        let both = [("XDG_CACHE_HOME", "/caches"), ("HOME", "/home/ada")];
        assert_eq!(folder(&both), Some("/caches/narrowboat".into()));
        assert_eq!(folder(&both[1..]), Some("/home/ada/.cache/narrowboat".into()));
        let relative = [("XDG_CACHE_HOME", "caches"), ("HOME", "/home/ada")];
        assert_eq!(folder(&relative), Some("/home/ada/.cache/narrowboat".into()));
        assert_eq!(folder(&[("HOME", "")]), None);
        let of_unit = [("CACHE_DIRECTORY", "/var/cache/nb"), both[0]];
        assert_eq!(folder(&of_unit), Some("/var/cache/nb".into()));
    }
}

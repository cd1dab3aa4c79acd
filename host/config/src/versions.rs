//! `[versions]`: the store of the versions that plugins have had.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::base_directories;
use super::error::{ConfigError, Locator};
use narrowboat_core::sha256_digest::Sha256Digest;

/// The store of plugin versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionsConfig {
    /// The folder of the store, which the host creates at start. Only one host at a time may use it.
    pub folder: PathBuf,
    /// The number of versions that the host keeps of each plugin, the live one and the one before included; at least 3.
    pub keep: usize,
}

/// `[versions]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawVersions {
    folder: Option<Spanned<PathBuf>>,
    keep: Option<Spanned<usize>>,
}

/// The default of `keep`.
const DEFAULT_KEEP: usize = 10;

/// The values of `keep`: at least the live version, the one before and a new one.
const KEEP_RANGE: std::ops::RangeInclusive<usize> = 3..=1_000;

impl RawVersions {
    /// Checks the table. If neither the table nor the environment names a folder, it is `.narrowboat` beside `file`.
    pub(super) fn check(
        self,
        file: &Path,
        base: &Path,
        location: &Locator<'_>,
    ) -> Result<VersionsConfig, ConfigError> {
        let folder = match self.folder {
            Some(folder) if folder.get_ref().as_os_str().is_empty() => {
                let problem = "must name a folder; remove the key for the default folder";
                return Err(location.invalid(folder.span(), "versions.folder", problem));
            }
            Some(folder) => base.join(folder.get_ref()).components().collect(),
            None => default_folder(|name| std::env::var_os(name), file)
                .unwrap_or_else(|| base.join(".narrowboat")),
        };
        match self.keep {
            Some(keep) if !KEEP_RANGE.contains(keep.get_ref()) => {
                let problem = format!("must be {} to {}", KEEP_RANGE.start(), KEEP_RANGE.end());
                Err(location.invalid(keep.span(), "versions.keep", problem))
            }
            keep => {
                Ok(VersionsConfig { folder, keep: keep.map_or(DEFAULT_KEEP, Spanned::into_inner) })
            }
        }
    }
}

/// Returns the folder that systemd has for the state of the unit.
pub(super) fn systemd_state_folder() -> Option<PathBuf> {
    base_directories::systemd_directory(&|name: &str| std::env::var_os(name), "STATE_DIRECTORY")
}

/// Returns the folder that systemd has for the state of the unit, or else a folder for this configuration in the user's
/// folder for state.
fn default_folder(variable: impl Fn(&str) -> Option<OsString>, file: &Path) -> Option<PathBuf> {
    if let Some(folder) = base_directories::systemd_directory(&variable, "STATE_DIRECTORY") {
        return Some(folder);
    }
    let state = base_directories::xdg_directory(&variable, "XDG_STATE_HOME", ".local/state")?;
    let file = file.canonicalize().ok()?;
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    // The name of the folder helps a person, and the digits keep two configurations apart.
    let digits = Sha256Digest::of(file.as_os_str().as_encoded_bytes()).to_string();
    Some(state.join(format!("{folder}-{}", &digits[..8])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        default_folder(variable, Path::new("/"))
    }

    #[test]
    fn a_link_in_the_variable_of_systemd_is_followed() {
        let root = std::env::temp_dir().join(format!("narrowboat-state-{}", std::process::id()));
        let (real, link) = (root.join("private/narrowboat"), root.join("narrowboat"));
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink("private/narrowboat", &link).unwrap();
        let found = folder(&[("STATE_DIRECTORY", link.to_str().unwrap())]);
        assert_eq!(found, Some(real.canonicalize().unwrap()));
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_default_folder_follows_the_environment() {
        let all = [("STATE_DIRECTORY", "/var/lib/nb"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
        assert_eq!(folder(&all), Some("/var/lib/nb".into()));
        assert!(folder(&all[1..]).is_some_and(|path| path.starts_with("/s/narrowboat")));
        assert!(folder(&all[2..]).is_some_and(|path| path.starts_with("/h/.local/state")));
        assert_eq!(folder(&[("HOME", "relative")]), None);
    }
}

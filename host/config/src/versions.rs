//! `[versions]`: where the versions that plugins have had are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::base_directories;
use super::error::{ConfigError, Locator};
use narrowboat_core::sha256_digest::Sha256Digest;

/// A folder for versions, and its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionsConfig {
    /// Made when the host starts. One host at a time may use it.
    pub folder: PathBuf,
    /// Versions that each plugin keeps, the live one and the one before included; at least 3.
    pub keep: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawVersions {
    folder: Option<Spanned<PathBuf>>,
    keep: Option<Spanned<usize>>,
}

/// Versions a plugin keeps unless told otherwise.
const DEFAULT_KEEP: usize = 10;

/// The live one, the one before, and one that is coming; and a number past which disks fill.
const KEEP_RANGE: std::ops::RangeInclusive<usize> = 3..=1_000;

impl RawVersions {
    /// Where nothing says where the folder could be, one in the configuration's own folder is taken.
    pub(super) fn check(
        self,
        file: &Path,
        base: &Path,
        location: &Locator<'_>,
    ) -> Result<VersionsConfig, ConfigError> {
        let folder = match self.folder {
            Some(folder) if folder.get_ref().as_os_str().is_empty() => {
                let problem = "must name a folder";
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

/// The folder that systemd gives the unit, or one for this configuration in the user's own for state.
fn default_folder(variable: impl Fn(&str) -> Option<OsString>, file: &Path) -> Option<PathBuf> {
    if let Some(folder) = base_directories::systemd_directory(&variable, "STATE_DIRECTORY") {
        return Some(folder);
    }
    let states = base_directories::xdg_directory(&variable, "XDG_STATE_HOME", ".local/state")?;
    let file = file.canonicalize().ok()?;
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    // Two configurations have two folders, and a person finds each.
    let digits = Sha256Digest::of(file.as_os_str().as_encoded_bytes()).to_string();
    Some(states.join(format!("{folder}-{}", &digits[..8])))
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
    fn systemds_link_to_the_folder_of_a_dynamic_user_is_followed() {
        let root = std::env::temp_dir().join(format!("narrowboat-state-{}", std::process::id()));
        let (real, link) = (root.join("private/narrowboat"), root.join("narrowboat"));
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink("private/narrowboat", &link).unwrap();
        let found = folder(&[("STATE_DIRECTORY", link.to_str().unwrap())]);
        assert_eq!(found, Some(real.canonicalize().unwrap()));
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn systemd_says_where_or_else_the_specification_does() {
        let all = [("STATE_DIRECTORY", "/var/lib/nb"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
        assert_eq!(folder(&all), Some("/var/lib/nb".into()));
        assert!(folder(&all[1..]).is_some_and(|path| path.starts_with("/s/narrowboat")));
        assert!(folder(&all[2..]).is_some_and(|path| path.starts_with("/h/.local/state")));
        assert_eq!(folder(&[("HOME", "relative")]), None);
    }
}

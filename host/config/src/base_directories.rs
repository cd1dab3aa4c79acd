//! Folders of the user or of a systemd unit, by the XDG Base Directory Specification.

use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the path in an environment variable. The specification says to ignore relative paths.
pub(super) fn absolute_path(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
) -> Option<PathBuf> {
    variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns the folder that systemd created for the unit and names in a variable. With `DynamicUser=` it is a symbolic
/// link that root owns. The host does not trust folders that are links, so this function follows the link.
pub(super) fn systemd_directory(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
) -> Option<PathBuf> {
    absolute_path(variable, name).map(|link| link.canonicalize().unwrap_or(link))
}

/// Returns the folder `narrowboat` below the folder in a variable, or else below `in_home` in the user's home.
pub(super) fn xdg_directory(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
    in_home: &str,
) -> Option<PathBuf> {
    absolute_path(variable, name)
        .or_else(|| Some(absolute_path(variable, "HOME")?.join(in_home)))
        .map(|folder| folder.join("narrowboat"))
}

//! Folders of the user's own, by the XDG Base Directory Specification.

use std::ffi::OsString;
use std::path::PathBuf;

/// The path that a variable of the environment holds: of relative ones the specification says that
/// they are to be ignored.
pub(super) fn absolute_path(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
) -> Option<PathBuf> {
    variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The folder that systemd made for the unit and names in a variable. With `DynamicUser=` that is a link of root's to
/// where the folder is, and folders that are links are not trusted; so the link is followed here.
pub(super) fn systemd_directory(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
) -> Option<PathBuf> {
    absolute_path(variable, name).map(|link| link.canonicalize().unwrap_or(link))
}

/// The program's own folder below the one that a variable names, or else one in the user's home.
pub(super) fn xdg_directory(
    variable: &impl Fn(&str) -> Option<OsString>,
    name: &str,
    in_home: &str,
) -> Option<PathBuf> {
    absolute_path(variable, name)
        .or_else(|| Some(absolute_path(variable, "HOME")?.join(in_home)))
        .map(|folder| folder.join("narrowboat"))
}

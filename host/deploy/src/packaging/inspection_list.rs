//! Lists of an inspection, as text for people.

use std::fmt;

/// Writes a title and names, one a line.
pub(super) fn write_list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String]) -> fmt::Result {
    let (first, rest) = names.split_first().map_or(("none", &[][..]), |(a, b)| (a.as_str(), b));
    writeln!(f, "{title:<12} {first}")?;
    rest.iter().try_for_each(|name| writeln!(f, "             {name}"))
}

/// Writes the text of a manifest.
pub(super) fn write_manifest(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "manifest")?;
    text.trim_end().lines().try_for_each(|line| writeln!(f, "    {line}"))
}

//! Names and versions of interfaces.

/// Splits the name of an import into the interface and its version.
pub(super) fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

/// Whether two versions are compatible by the rules of semantic versioning: 0.1.0 and 0.1.7 are, 0.1.0 and 0.2.0 are
/// not.
pub(super) fn is_compatible(wanted: &str, offered: &str) -> bool {
    let key = |version: &str| {
        let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
        let mut numbers = numbers.split('.').map(str::to_owned);
        let major = numbers.next();
        let minor = if major.as_deref() == Some("0") { numbers.next() } else { None };
        (major, minor, pre.to_owned())
    };
    key(wanted) == key(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatibility_follows_semantic_versioning() {
        assert!(is_compatible("0.1.7", "0.1.0"));
        assert!(!is_compatible("0.2.0", "0.1.0"));
        assert!(is_compatible("1.4.0", "1.0.0"));
        assert!(!is_compatible("0.1.0", "0.1.0-draft"));
    }
}

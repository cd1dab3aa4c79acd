//! Names and versions of interfaces.

pub(super) fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

/// By the rules of semantic versions, 0.1.x go together, 0.2 is another matter.
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
    fn versions_go_together_by_the_rules_of_semantic_versions() {
        assert!(is_compatible("0.1.7", "0.1.0"));
        assert!(!is_compatible("0.2.0", "0.1.0"));
        assert!(is_compatible("1.4.0", "1.0.0"));
        assert!(!is_compatible("0.1.0", "0.1.0-draft"));
    }
}

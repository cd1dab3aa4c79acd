//! The rules for the settings of a plugin, which are those of `[plugins.NAME.config]`.

use std::collections::BTreeMap;

const MAX_SETTINGS: usize = 256;
const MAX_KEY_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Returns the settings after the changes of a test; `None` removes a key.
///
/// # Errors
/// The first key or value that the table could not have, in the words of the host.
pub(super) fn apply(
    settings: &BTreeMap<String, String>,
    changes: BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, String>, String> {
    let mut settings = settings.clone();
    for (key, value) in changes {
        check(&key, value.as_deref()).map_err(|problem| format!("config.{key}: {problem}"))?;
        match value {
            Some(value) => settings.insert(key, value),
            None => settings.remove(&key),
        };
    }
    match settings.len() > MAX_SETTINGS {
        true => Err(format!("config: a plugin may have at most {MAX_SETTINGS} settings")),
        false => Ok(settings),
    }
}

fn check(key: &str, value: Option<&str>) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key of a setting must not be empty".to_owned());
    }
    if key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
        return Err(format!(
            "the key of a setting must have at most {MAX_KEY_BYTES} bytes, with those of the tables above it, and no \
             control characters"
        ));
    }
    match value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
        true => Err(format!("must have at most {MAX_VALUE_BYTES} bytes")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: &str) -> Result<BTreeMap<String, String>, String> {
        apply(&BTreeMap::new(), [(key.to_owned(), Some(value.to_owned()))].into())
    }

    #[test]
    fn a_setting_that_the_configuration_could_not_have_is_refused_with_its_key() {
        assert_eq!(set("", "a"), Err("config.: the key of a setting must not be empty".to_owned()));
        assert!(set(&"k".repeat(257), "a").is_err_and(|it| it.contains("at most 256 bytes")));
        assert!(set("a\nb", "a").is_err_and(|it| it.contains("no control characters")));
        assert!(set("a", &"v".repeat(65_537)).is_err_and(|it| it.contains("at most 65536 bytes")));
        assert!(set(&"k".repeat(256), &"v".repeat(65_536)).is_ok());
    }

    #[test]
    fn a_plugin_has_a_bounded_number_of_settings() {
        let many = (0..256).map(|number| (format!("k{number}"), String::new())).collect();
        let more = apply(&many, [("one".to_owned(), Some(String::new()))].into());
        assert_eq!(more, Err("config: a plugin may have at most 256 settings".to_owned()));
    }
}

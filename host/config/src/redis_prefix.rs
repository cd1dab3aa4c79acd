//! `prefix` of a layer and of `[keyvalue]`.

use toml::Spanned;

use super::error::{ConfigError, Locator};

/// Checks the prefix of Redis keys, which is at `key`.
pub(super) fn check_prefix(
    prefix: &Spanned<String>,
    key: &str,
    location: &Locator<'_>,
) -> Result<String, ConfigError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    let text = prefix.get_ref();
    if text.len() <= 50 && text.chars().all(is_allowed) {
        return Ok(text.clone());
    }
    let problem = "must have at most 50 letters, digits, `.`, `_`, `-` and `:`";
    Err(location.invalid(prefix.span(), key, problem))
}

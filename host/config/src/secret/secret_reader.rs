//! Reads secrets from the environment and from files.

use std::path::Path;

use super::{SecretError, SecretSource, SecretText};
use narrowboat_core::regular_file::read_regular_file;

/// The largest file of a secret, in bytes.
pub(crate) const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Reads a secret. Blocks on the disk.
///
/// # Errors
/// If the secret is missing, empty, too long or not UTF-8.
pub(super) fn read(source: &SecretSource) -> Result<SecretText, SecretError> {
    let text = match source {
        SecretSource::Inline => Err("has no secret".to_owned()),
        SecretSource::Env(name) => read_variable(name),
        SecretSource::File(path) => read_file(path),
    };
    let text = text.and_then(|text| match text.len() {
        0 => Err("is empty".to_owned()),
        _ if text.contains('\0') => Err("contains a NUL character".to_owned()),
        len if len > MAX_SECRET_BYTES => Err(format!("has more than {MAX_SECRET_BYTES} bytes")),
        _ => Ok(text),
    });
    text.map(SecretText::from).map_err(|problem| SecretError { source_of: source.clone(), problem })
}

fn read_variable(name: &str) -> Result<String, String> {
    match std::env::var_os(name) {
        None => Err("is not set; set it before the host starts".to_owned()),
        Some(value) => value.into_string().map_err(|_| "is not UTF-8".to_owned()),
    }
}

/// Reads a file, without the newline at its end.
fn read_file(path: &Path) -> Result<String, String> {
    // A newline does not count.
    let bytes = read_regular_file(path, MAX_SECRET_BYTES as u64 + 2);
    let bytes = bytes.map_err(|error| match error.raw_os_error() {
        Some(_) => format!("cannot be read: {error}"),
        None => error.to_string(),
    })?;
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

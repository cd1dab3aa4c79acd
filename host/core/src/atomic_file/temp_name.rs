//! The names of files that are not complete yet.

/// The start of a temporary name.
pub(super) const PREFIX: &str = ".";

/// The end of a temporary name.
pub(super) const SUFFIX: &str = ".unfinished";

/// The number of random ASCII letters and digits between [`PREFIX`] and [`SUFFIX`].
pub(super) const RANDOM_LEN: usize = 16;

/// Generates a temporary name.
pub(super) fn random_temp_name() -> String {
    format!("{PREFIX}{:0RANDOM_LEN$x}{SUFFIX}", rand::random::<u64>())
}

/// Whether this is the name of an incomplete file. In a folder that no process writes to, a crash left the file behind.
pub fn is_temp_name(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM_LEN && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

//! The files of the cache, told apart from other files by their names.

use std::time::SystemTime;

use super::code_kind::CodeKind;
use narrowboat_core::atomic_file;

/// The number of hex digits of a SHA-256.
const DIGEST_HEX_DIGITS: usize = 64;

/// A file of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheFile {
    /// The name within the folder.
    pub(super) name: String,
    pub(super) kind: CacheFileKind,
    /// The size of the file.
    pub(super) bytes: u64,
    /// The time of the last read or write.
    pub(super) last_used: SystemTime,
}

/// The kind of a file of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheFileKind {
    /// Compiled code, under the name of its key.
    Entry(CodeKind),
    /// A file that is being written, or was when its host stopped.
    Unfinished,
}

impl CacheFileKind {
    /// The kind of the file with this name. `None` if the file does not belong to the cache.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        if atomic_file::is_temp_name(name) {
            return Some(Self::Unfinished);
        }
        let has_suffix = |kind: &CodeKind| name.ends_with(kind.suffix());
        let kind = CodeKind::ALL.into_iter().find(has_suffix)?;
        let (subject, compiler) = name.strip_suffix(kind.suffix())?.split_once('-')?;
        (is_hex(subject, DIGEST_HEX_DIGITS) && is_hex(compiler, DIGEST_HEX_DIGITS))
            .then_some(Self::Entry(kind))
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_cache_are_recognized() {
        for kind in CodeKind::ALL {
            let entry = format!("{}-{}{}", "0a".repeat(32), "f9".repeat(32), kind.suffix());
            assert_eq!(CacheFileKind::from_file_name(&entry), Some(CacheFileKind::Entry(kind)));
        }
        assert_eq!(
            CacheFileKind::from_file_name(".0123456789abcdef.unfinished"),
            Some(CacheFileKind::Unfinished)
        );
        for name in ["", "main.code", "a-b.code", "thesis.unfinished", ".ssh", ".code"] {
            assert_eq!(CacheFileKind::from_file_name(name), None, "{name:?}");
        }
    }
}

//! The texts to which the editor of the demo page resets files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use narrowboat_core::source_bundle::SourcePath;

/// The most bytes of all texts. A file that was read after they were used up cannot be reset.
const MAX_TOTAL_BYTES: usize = 16 * 1024 * 1024;

/// The texts that files had when the editor first read them, since the start of the host.
#[derive(Default)]
pub(super) struct OriginalTexts(Mutex<Texts>);

#[derive(Default)]
struct Texts {
    /// The texts by the folder of the plugin and the path in it.
    by_file: BTreeMap<(PathBuf, SourcePath), String>,
    total_bytes: usize,
}

impl OriginalTexts {
    /// Returns the text that a file had when this was called with it first, which is `text` the first time.
    pub(super) fn remember(&self, folder: &Path, path: &SourcePath, text: &str) -> Option<String> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = (folder.to_owned(), path.clone());
        if let Some(original) = texts.by_file.get(&file) {
            return Some(original.clone());
        }
        if texts.total_bytes + text.len() > MAX_TOTAL_BYTES {
            return None;
        }
        texts.total_bytes += text.len();
        texts.by_file.insert(file, text.to_owned());
        Some(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(texts: &OriginalTexts, path: &str, text: &str) -> Option<String> {
        texts.remember(Path::new("chat"), &SourcePath::parse(path).unwrap(), text)
    }

    #[test]
    fn a_file_has_the_text_that_it_was_first_read_with() {
        let texts = OriginalTexts::default();
        assert_eq!(remember(&texts, "a.py", "first").as_deref(), Some("first"));
        assert_eq!(remember(&texts, "a.py", "second").as_deref(), Some("first"));
        assert_eq!(remember(&texts, "b.py", "second").as_deref(), Some("second"));
    }

    #[test]
    fn the_texts_are_bounded() {
        let texts = OriginalTexts::default();
        let large = "x".repeat(MAX_TOTAL_BYTES);
        assert!(remember(&texts, "a.py", &large).is_some());
        assert_eq!(remember(&texts, "b.py", "one more"), None);
        assert!(remember(&texts, "a.py", "later").is_some());
    }
}

//! The component file that the host watches.

use std::path::PathBuf;

use anyhow::Context;

/// A file whose contents change atomically, by a rename.
pub(crate) struct ComponentFile {
    file: PathBuf,
}

impl ComponentFile {
    /// The component file in the host's configuration.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Replaces the contents. The rename is the last step.
    pub(crate) fn replace(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let next = self.file.with_extension("next");
        std::fs::write(&next, bytes).with_context(|| next.display().to_string())?;
        std::fs::rename(&next, &self.file).with_context(|| self.file.display().to_string())
    }
}

//! The component file that the host watches.

use std::path::PathBuf;

use anyhow::Context;

/// A file whose contents change by a rename, all at once.
pub(crate) struct ComponentFile {
    file: PathBuf,
}

impl ComponentFile {
    /// The file that the host's configuration names.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Puts other contents in its place. The rename is the last thing that happens.
    pub(crate) fn replace(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let next = self.file.with_extension("next");
        std::fs::write(&next, bytes).with_context(|| next.display().to_string())?;
        std::fs::rename(&next, &self.file).with_context(|| self.file.display().to_string())
    }
}

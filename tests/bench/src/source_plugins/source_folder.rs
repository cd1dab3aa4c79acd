//! The folder of a source plugin, as an author edits it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use narrowboat_core::source_bundle::{SourceBundle, SourcePath};

use super::source_language::SourceLanguage;

/// The name of the manifest.
const MANIFEST_FILE: &str = "plugin.toml";

/// The folder of a source plugin with one module.
pub(super) struct SourceFolder {
    path: PathBuf,
    module_file: &'static str,
}

impl SourceFolder {
    /// Creates the folder of the plugin `name` below `parent`.
    pub(super) fn create(
        language: &SourceLanguage,
        parent: &Path,
        name: &str,
        module: &str,
    ) -> anyhow::Result<Self> {
        let folder = Self { path: parent.join(name), module_file: language.module_file };
        std::fs::create_dir_all(&folder.path).with_context(|| folder.path.display().to_string())?;
        folder.replace_file(
            MANIFEST_FILE,
            &format!("name = \"{name}\"\nruntime = \"{}\"\n", language.language),
        )?;
        folder.replace_module(module)?;
        Ok(folder)
    }

    /// Saves the module. The rename is the last step, as in many editors.
    pub(super) fn replace_module(&self, module: &str) -> anyhow::Result<()> {
        self.replace_file(self.module_file, module)
    }

    /// Packs the files into a bundle, and writes it beside the folder. Returns the path of the bundle.
    pub(super) fn write_bundle(&self) -> anyhow::Result<PathBuf> {
        let mut files = BTreeMap::new();
        for name in [MANIFEST_FILE, self.module_file] {
            let file = self.path.join(name);
            let content = std::fs::read(&file).with_context(|| file.display().to_string())?;
            files.insert(SourcePath::parse(name)?, content);
        }
        let bundle = self.path.with_extension("bundle");
        std::fs::write(&bundle, SourceBundle::pack(&files)?)
            .with_context(|| bundle.display().to_string())?;
        Ok(bundle)
    }

    fn replace_file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let (file, next) = (self.path.join(name), self.path.with_extension("next"));
        std::fs::write(&next, text).with_context(|| next.display().to_string())?;
        std::fs::rename(&next, &file).with_context(|| file.display().to_string())
    }
}

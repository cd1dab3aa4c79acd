//! The files of a new project.

use std::io;
use std::path::Path;

use anyhow::Context;

use super::sdk;
use super::template::Template;

const CARGO_MANIFEST: &str = include_str!("templates/Cargo.toml.in");

/// Cargo's output stays out of version control.
const GITIGNORE: &str = "/target/\n";

/// The files of a new project, with their paths in its folder.
pub(super) struct Project {
    files: Vec<(String, String)>,
}

impl Project {
    pub(super) fn new(name: &str, template: Template) -> Self {
        let named = |text: &str| text.replace("NAME", name);
        let own = template.files();
        let mut files = vec![
            ("Cargo.toml".to_owned(), named(CARGO_MANIFEST)),
            (".gitignore".to_owned(), GITIGNORE.to_owned()),
            ("plugin.toml".to_owned(), named(own.manifest)),
            ("narrowboat.toml".to_owned(), named(own.config)),
            ("src/lib.rs".to_owned(), named(own.code)),
        ];
        let sdk = sdk::files().into_iter();
        files.extend(sdk.map(|(path, text)| (format!("vendor/narrowboat-guest/{path}"), text)));
        Self { files }
    }

    /// Writes the files into a folder, which is created.
    ///
    /// # Errors
    /// The path that cannot be written.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (path, text) in &self.files {
            let file = folder.join(path);
            write_file(&file, text).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}

fn write_file(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)
}

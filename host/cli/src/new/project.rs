//! The files of a new project.

use std::io;
use std::path::Path;

use anyhow::Context;

use super::language::ProjectLanguage;
use super::python_stubs::STUBS;
use super::sdk;
use super::template::Template;

const CARGO_MANIFEST: &str = include_str!("templates/rust/Cargo.toml.in");

/// Cargo's output and the store of the host stay out of version control.
const RUST_GITIGNORE: &str = "/target/\n/.keyvalue/\n";

/// The byte code of other interpreters and the store of the host stay out of version control.
const PYTHON_GITIGNORE: &str = "__pycache__/\n/.keyvalue/\n";

/// The settings of Pyright and Pylance: the code is a root of imports, and `typings` has the modules of the runtime.
const PYRIGHT_SETTINGS: &str = include_str!("templates/python/pyrightconfig.json");

/// The settings of editors for JavaScript. `narrowboat.d.ts` describes the module of the runtime.
const JAVASCRIPT_SETTINGS: &str = include_str!("templates/javascript/jsconfig.json");

/// The settings of the TypeScript compiler, which checks the types but writes no files.
const TYPESCRIPT_SETTINGS: &str = include_str!("templates/typescript/tsconfig.json");

/// The types of the module `narrowboat`.
const JAVASCRIPT_TYPES: &str = include_str!("../../../../runtimes/javascript/narrowboat.d.ts");

/// The types of the module `narrowboat/testing`.
const JAVASCRIPT_TEST_TYPES: &str =
    include_str!("../../../../runtimes/javascript/narrowboat-testing.d.ts");

/// Packages and the store of the host stay out of version control.
const JAVASCRIPT_GITIGNORE: &str = "node_modules/\n/.keyvalue/\n";

/// The files of a new project, with their paths in its folder.
pub(super) struct Project {
    files: Vec<(String, String)>,
}

impl Project {
    pub(super) fn new(name: &str, language: ProjectLanguage, template: Template) -> Self {
        let named = |text: &str| text.replace("NAME", name);
        let own = template.files(language);
        let config = named(template.config()).replace("LOCATION", language.location());
        let mut files = vec![
            ("narrowboat.toml".to_owned(), config),
            (language.manifest_path().to_owned(), named(own.manifest)),
            (language.code_path().to_owned(), named(own.code)),
        ];
        if let (Some(path), Some(test)) = (language.test_path(), own.test) {
            files.push((path.to_owned(), named(test)));
        }
        match language {
            ProjectLanguage::Rust => files.extend(rust_files(&named(CARGO_MANIFEST))),
            ProjectLanguage::Python => files.extend(python_files()),
            ProjectLanguage::Javascript => {
                files.extend(javascript_files("jsconfig.json", JAVASCRIPT_SETTINGS));
            }
            ProjectLanguage::Typescript => {
                files.extend(javascript_files("tsconfig.json", TYPESCRIPT_SETTINGS));
            }
        }
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

/// The files that each project in Rust has.
fn rust_files(cargo_manifest: &str) -> Vec<(String, String)> {
    let mut files = vec![
        ("Cargo.toml".to_owned(), cargo_manifest.to_owned()),
        (".gitignore".to_owned(), RUST_GITIGNORE.to_owned()),
    ];
    let sdk = sdk::files().into_iter();
    files.extend(sdk.map(|(path, text)| (format!("vendor/narrowboat-guest/{path}"), text)));
    files
}

/// The files that each project in Python has.
fn python_files() -> Vec<(String, String)> {
    let mut files = vec![
        ("pyrightconfig.json".to_owned(), PYRIGHT_SETTINGS.to_owned()),
        (".gitignore".to_owned(), PYTHON_GITIGNORE.to_owned()),
    ];
    let stubs = STUBS.iter();
    files.extend(stubs.map(|(path, text)| (format!("typings/{path}"), (*text).to_owned())));
    files
}

/// The files that each project in JavaScript or TypeScript has, with the file of its settings.
fn javascript_files(settings_file: &str, settings: &str) -> [(String, String); 4] {
    [
        (settings_file, settings),
        ("narrowboat.d.ts", JAVASCRIPT_TYPES),
        ("narrowboat-testing.d.ts", JAVASCRIPT_TEST_TYPES),
        (".gitignore", JAVASCRIPT_GITIGNORE),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
}

fn write_file(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)
}

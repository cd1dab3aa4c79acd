//! The files of a source folder that a bundle does not get.

use std::path::Path;

use crate::editor_file::is_editor_file;
use narrowboat_core::plugin_file::PluginFileKind;

/// Folders that tools fill.
const TOOL_FOLDERS: [&str; 3] = ["__pycache__", "node_modules", "target"];

/// The folder of a source plugin that has the packages it requires.
pub(super) const VENDOR: &str = "vendor";

/// The files that an installer writes about its own work. They differ from one installer to the next, and no package
/// needs them at run time.
const INSTALLER_FILES: [&str; 5] =
    ["INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"];

/// The folder of a source plugin that has its tests.
const TESTS: &str = "tests";

/// The file that has the fixtures of the tests in its folder, as for pytest.
const PYTEST_FIXTURES: &str = "conftest.py";

/// The endings of the files with tests in JavaScript and TypeScript.
const TEST_ENDINGS: [&str; 4] = [".test.js", ".test.mjs", ".test.ts", ".test.mts"];

/// Whether a bundle skips a file or a folder at this path in a source folder: it is a test, or not of the source. A path
/// below a skipped folder is skipped too.
pub fn is_skipped(path: &Path) -> bool {
    is_not_source(path) || is_test(path)
}

/// Whether a path is in the folder of the tests, or is a file with tests.
fn is_test(path: &Path) -> bool {
    let first = path.iter().next().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_python = name.starts_with("test_") && name.ends_with(".py") || name == PYTEST_FIXTURES;
    let is_test_file = is_python || TEST_ENDINGS.iter().any(|ending| name.ends_with(ending));
    first == TESTS || (first != VENDOR && is_test_file)
}

/// Whether a file or a folder at this path in a source folder is not of the source: it is hidden, compiled Python, of an
/// editor or an installer, or itself a bundle.
pub(super) fn is_not_source(path: &Path) -> bool {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    let is_vendored = names.first().is_some_and(|name| name == VENDOR);
    names.iter().any(|name| is_skipped_name(name)) || (is_vendored && is_of_installer(&names[1..]))
}

fn is_skipped_name(name: &str) -> bool {
    let bundle = PluginFileKind::Bundle.extension();
    name.starts_with('.')
        || name.ends_with(".pyc")
        || name.ends_with(&format!(".{bundle}"))
        || name.ends_with(&format!(".{bundle}.sig"))
        || TOOL_FOLDERS.contains(&name)
        || is_editor_file(name)
}

/// Whether a path in the folder of packages belongs to the installer: a program, or a note about the installation.
fn is_of_installer<T: AsRef<str>>(names: &[T]) -> bool {
    match names {
        [folder, ..] if folder.as_ref() == "bin" => true,
        [folder, file] => {
            folder.as_ref().ends_with(".dist-info") && INSTALLER_FILES.contains(&file.as_ref())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_tools_leave_behind_are_skipped() {
        for path in [
            ".git/config",
            "a/.env",
            "__pycache__/chat.cpython-314.pyc",
            "chat.pyc",
            "node_modules/x/index.js",
            "target/x",
            "chat.py~",
            ".chat.py.swp",
            "narrowboat/chat.narrowboat",
            "chat.narrowboat.sig",
            "vendor/bin/tool",
            "vendor/six-1.16.0.dist-info/RECORD",
        ] {
            assert!(is_skipped(Path::new(path)) && is_not_source(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn tests_are_skipped_and_are_source() {
        for path in [
            "tests",
            "tests/helpers.py",
            "test_chat.py",
            "conftest.py",
            "chat/test_rooms.py",
            "chat.test.js",
            "lib/chat.test.ts",
        ] {
            assert!(is_skipped(Path::new(path)) && !is_not_source(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn sources_are_not_skipped() {
        for path in [
            "plugin.toml",
            "chat.py",
            "target.py",
            "bin/tool.py",
            "vendor/six.py",
            "vendor/six-1.16.0.dist-info/METADATA",
            "vendor/a/bin/x",
            "vendor/test_six.py",
            "chat/tests.py",
            "contest_x.py",
            "test.js",
            "RECORD",
        ] {
            assert!(!is_skipped(Path::new(path)), "{path}");
        }
    }
}

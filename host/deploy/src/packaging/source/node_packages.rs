//! The packages of npm that a source plugin in JavaScript requires.
//!
//! They are in the folder `node_modules` of the plugin, where npm installs them. A bundle gets those that the `dependencies`
//! in the plugin's `package.json` name, and those that these require. Without a `package.json` it gets all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::source_files::SourceFiles;
use super::source_folder_error::SourceFolderError;

/// The folder of the packages.
const FOLDER: &str = "node_modules";

/// The file that describes a package.
const DESCRIPTION: &str = "package.json";

/// The endings of the files that a package needs when it runs.
const CODE_ENDINGS: [&str; 5] = [".js", ".mjs", ".ts", ".mts", ".json"];

/// The endings of files that have one of those endings, and no code that runs.
const OTHER_ENDINGS: [&str; 6] =
    [".d.ts", ".d.mts", ".test.js", ".spec.js", ".test.mjs", ".spec.mjs"];

/// The folders of a package that no import names.
const OTHER_FOLDERS: [&str; 4] = [FOLDER, "__tests__", "test", "tests"];

/// Adds the packages of the plugin in a folder.
///
/// # Errors
/// If a file cannot be read or is not allowed in a bundle, or if the packages are too large.
pub(super) fn add(files: &mut SourceFiles, folder: &Path) -> Result<(), SourceFolderError> {
    let mut sizes = BTreeMap::new();
    for package in find_packages(folder)? {
        let before = files.total_size();
        let source = folder.join(&package);
        let added = files.add_folder_without(&source, &package, &is_skipped_in_package);
        sizes.insert(package.clone(), files.total_size().saturating_sub(before));
        added.map_err(|error| name_largest(error, &sizes))?;
    }
    Ok(())
}

/// Names the largest package in the error that the files are too large.
fn name_largest(error: SourceFolderError, sizes: &BTreeMap<PathBuf, usize>) -> SourceFolderError {
    match (error, sizes.iter().max_by_key(|(_, size)| **size)) {
        (SourceFolderError::TooLarge { folder, limit, .. }, Some((package, size))) => {
            SourceFolderError::PackagesTooLarge {
                folder,
                limit,
                largest: package.clone(),
                largest_size: *size,
            }
        }
        (error, _) => error,
    }
}

/// Whether a bundle skips a file or a folder of a package.
fn is_skipped_in_package(path: &Path, is_folder: bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if is_folder {
        return name.starts_with('.') || OTHER_FOLDERS.contains(&name.as_ref());
    }
    let has_ending = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    name.starts_with('.') || !has_ending(&CODE_ENDINGS) || has_ending(&OTHER_ENDINGS)
}

/// Finds the folders of the packages, relative to that of the plugin.
fn find_packages(folder: &Path) -> Result<BTreeSet<PathBuf>, SourceFolderError> {
    if !folder.join(FOLDER).is_dir() {
        return Ok(BTreeSet::new());
    }
    let Some(names) = read_dependencies(&folder.join(DESCRIPTION))? else {
        return find_installed(folder);
    };
    let mut found = BTreeSet::new();
    let mut wanted: Vec<_> = names.into_iter().map(|name| (PathBuf::new(), name)).collect();
    while let Some((importer, name)) = wanted.pop() {
        // A package that is not there is an error of the import that needs it.
        let Some(package) = find_package(folder, &importer, &name) else { continue };
        if found.insert(package.clone()) {
            let names = read_dependencies(&folder.join(&package).join(DESCRIPTION))?;
            wanted
                .extend(names.unwrap_or_default().into_iter().map(|name| (package.clone(), name)));
        }
    }
    Ok(found)
}

/// Finds a package for an importing package: in its `node_modules`, or in one above.
fn find_package(folder: &Path, importer: &Path, name: &str) -> Option<PathBuf> {
    let mut places = importer.ancestors().filter(|place| !place.ends_with(FOLDER));
    places.find_map(|place| {
        let package = place.join(FOLDER).join(name);
        folder.join(&package).is_dir().then_some(package)
    })
}

/// Reads the names of the packages that a `package.json` requires to run. `None` if there is no such file.
fn read_dependencies(file: &Path) -> Result<Option<Vec<String>>, SourceFolderError> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SourceFolderError::Read { path: file.to_owned(), source }),
    };
    let description: Value = serde_json::from_slice(&text).map_err(|error| {
        SourceFolderError::Read { path: file.to_owned(), source: std::io::Error::other(error) }
    })?;
    let kinds = ["dependencies", "optionalDependencies", "peerDependencies"];
    let tables = kinds.iter().filter_map(|kind| description.get(kind)?.as_object());
    // A name with dots would leave the folder.
    let names = tables
        .flat_map(|table| table.keys())
        .filter(|name| !name.starts_with('.') && !name.contains(".."));
    Ok(Some(names.cloned().collect()))
}

/// Finds all packages at the top of `node_modules`, and those that are within them.
fn find_installed(folder: &Path) -> Result<BTreeSet<PathBuf>, SourceFolderError> {
    let mut found = BTreeSet::new();
    let mut places = vec![PathBuf::from(FOLDER)];
    while let Some(place) = places.pop() {
        let path = folder.join(&place);
        let unreadable = |source| SourceFolderError::Read { path: path.clone(), source };
        for entry in std::fs::read_dir(&path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let package = place.join(&name);
            if name.as_encoded_bytes().starts_with(b".") || !folder.join(&package).is_dir() {
                continue;
            }
            if name.as_encoded_bytes().starts_with(b"@") {
                places.push(package);
                continue;
            }
            let inner = package.join(FOLDER);
            places.extend(folder.join(&inner).is_dir().then_some(inner));
            found.insert(package);
        }
    }
    Ok(found)
}

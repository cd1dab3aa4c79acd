//! The names of types: one name has one meaning in the whole host.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names that several private types may have, since each is known only beside the type that it belongs to.
const ALLOWED_REPEATS: [&str; 3] = ["Builder", "Error", "Inner"];

/// The keywords that begin the definition of a type.
const KEYWORDS: [&str; 4] = ["struct ", "enum ", "trait ", "type "];

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every source file of the host's crates, without files of tests.
fn host_sources() -> Vec<PathBuf> {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in fs::read_dir(host).unwrap() {
        source_files(&entry.unwrap().path().join("src"), &mut files);
    }
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "tests"));
    files.retain(|file| file.file_name().is_some_and(|name| name != "tests.rs"));
    files
}

/// The type that a line defines. Associated types are not definitions of their own: they stand in an `impl` or a
/// `trait`, and so are indented.
fn defined_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let is_indented = code.len() < line.len();
    let code = match code.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => code,
    };
    let keyword = KEYWORDS.into_iter().find(|keyword| code.starts_with(keyword))?;
    if is_indented && keyword == "type " {
        return None;
    }
    code[keyword.len()..].split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The code of a file before its tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests].to_owned()
}

#[test]
fn no_type_name_stands_for_two_things() {
    let mut definitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in host_sources() {
        for name in code_of(&file).lines().filter_map(defined_type) {
            definitions.entry(name.to_owned()).or_default().push(file.display().to_string());
        }
    }
    assert!(definitions.len() > 100, "only {} types were found", definitions.len());
    let repeats: BTreeMap<_, _> = definitions
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !ALLOWED_REPEATS.contains(&&**name))
        .collect();
    assert!(repeats.is_empty(), "these names stand for several types: {repeats:#?}");
}

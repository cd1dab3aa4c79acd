//! Files and functions are short, and files do not import each other in a circle.

use narrowboat_structure::{FLOORS, ImportGraph, host_sources};

/// Lines of a file at most.
const MAX_FILE: usize = 400;

/// Lines of a function at most.
const MAX_FUNCTION: usize = 60;

/// Files that import each other because their types own each other. ARCHITECTURE.md says why.
const ALLOWED_CIRCLES: [&[&str]; 1] = [&[
    "channels/memory/memory_channel",
    "channels/memory/memory_group",
    "channels/memory/memory_tenant",
]];

#[test]
fn a_file_has_at_most_400_lines() {
    let long: Vec<_> = host_sources()
        .into_iter()
        .filter(|file| file.line_count > MAX_FILE)
        .map(|file| format!("{}: {} lines", file.path, file.line_count))
        .collect();
    assert!(long.is_empty(), "split these files: {long:#?}");
}

#[test]
fn a_function_has_at_most_60_lines() {
    let mut long = Vec::new();
    for file in host_sources() {
        let functions = file.functions().into_iter();
        long.extend(functions.filter(|function| function.line_count > MAX_FUNCTION).map(
            |function| format!("{}: {}, {} lines", file.path, function.name, function.line_count),
        ));
    }
    assert!(long.is_empty(), "split these functions: {long:#?}");
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let sources = host_sources();
    let mut circles = Vec::new();
    for krate in FLOORS {
        let files: Vec<_> = sources.iter().filter(|file| file.krate == krate).collect();
        let found = ImportGraph::new(&files).circles();
        circles.extend(found.into_iter().map(|circle| {
            circle.into_iter().map(|file| format!("{krate}/{file}")).collect::<Vec<_>>()
        }));
    }
    circles.retain(|circle| !ALLOWED_CIRCLES.iter().any(|allowed| circle == allowed));
    assert!(circles.is_empty(), "untangle these files: {circles:#?}");
}

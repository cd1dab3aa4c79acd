//! Rules for files: limits on the length of files and functions, and no import cycles.

use narrowboat_structure::{CRATE_ORDER, ImportGraph, host_sources};

/// The limit of lines in a file.
const MAX_FILE: usize = 400;

/// The limit of lines in a function.
const MAX_FUNCTION: usize = 60;

/// Import cycles that are allowed, because the types own each other. ARCHITECTURE.md gives the reason.
const ALLOWED_CYCLES: [&[&str]; 1] = [&[
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
    let mut cycles = Vec::new();
    for krate in CRATE_ORDER {
        let files: Vec<_> = sources.iter().filter(|file| file.krate == krate).collect();
        let found = ImportGraph::new(&files).cycles();
        cycles.extend(found.into_iter().map(|cycle| {
            cycle.into_iter().map(|file| format!("{krate}/{file}")).collect::<Vec<_>>()
        }));
    }
    cycles.retain(|cycle| !ALLOWED_CYCLES.iter().any(|allowed| cycle == allowed));
    assert!(cycles.is_empty(), "break these import cycles: {cycles:#?}");
}

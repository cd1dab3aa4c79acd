//! The features with which builds use the dependencies.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::process::Command;

use narrowboat_structure::host_folder;

/// Lists the dependencies of a build with their features.
fn list_features(selection: &[&str], edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--prefix", "none", "--format", "{p} {f}", "--edges", edges])
        .args(selection)
        .current_dir(host_folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

/// Cargo builds a dependency, and everything that depends on it, once for each set of features. One difference makes it
/// build the engine twice, which takes minutes.
#[test]
fn the_program_and_the_tests_build_each_dependency_with_the_same_features() {
    let program = list_features(&["--package", "narrowboat"], "normal,build");
    let tests = list_features(&["--workspace"], "normal,build,dev");
    let only_program: Vec<_> = program.difference(&tests).collect();
    assert!(only_program.is_empty(), "only the program is built with: {only_program:#?}");
}

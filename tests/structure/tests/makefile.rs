//! The `Makefile` names tests that there are: `cargo test` with a filter that matches nothing succeeds.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fs;
use std::path::Path;

use narrowboat_structure::host_folder;

/// The word after an option of a command.
fn option<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let mut words = command.split_whitespace().skip_while(|word| *word != name);
    words.nth(1)
}

/// Whether a crate has the module or the file of tests that a command selects.
fn has_selected_tests(command: &str) -> bool {
    let package = option(command, "--package").unwrap();
    let folder = host_folder().join(package.strip_prefix("narrowboat-").unwrap());
    let has_file = |path: &Path| path.with_extension("rs").is_file() || path.is_dir();
    match (option(command, "--test"), option(command, "--lib")) {
        (Some(file), _) => has_file(&folder.join("tests").join(file)),
        (None, Some(module)) => has_file(&folder.join("src").join(module.replace("::", "/"))),
        (None, None) => true,
    }
}

#[test]
fn the_tests_that_make_fuzz_selects_exist() {
    let makefile = fs::read_to_string(host_folder().join("../Makefile")).unwrap();
    let mut commands = makefile.lines().filter(|line| line.contains("PROPTEST_CASES"));
    assert!(commands.clone().count() >= 3);
    let missing = commands.find(|command| !has_selected_tests(command));
    assert_eq!(missing, None);
}

//! Rules for dependencies: the order of the host's crates, and the crates that may use certain libraries.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use narrowboat_structure::{CRATE_ORDER, Dependencies, dependencies, host_folder};

/// Libraries, each with the crates that may depend on it.
const RESTRICTED_LIBRARIES: [(&str, &[&str]); 14] = [
    ("wasmtime", &["runtime"]),
    ("wasmtime-wasi", &["runtime"]),
    ("wasmtime-wasi-http", &["runtime"]),
    ("wasmtime-wasi-io", &["runtime"]),
    ("tokio-tungstenite", &["websocket"]),
    ("tokio-rustls", &["websocket", "egress", "server"]),
    ("jsonwebtoken", &["server"]),
    ("ed25519-dalek", &["config"]),
    ("redis", &["redis-client", "channels", "keyvalue"]),
    ("redb", &["keyvalue"]),
    ("notify", &["deploy"]),
    ("cronexpr", &["config"]),
    ("jiff", &["config"]),
    ("clap", &["cli"]),
];

/// Libraries that `core` must not use.
const NOT_IN_CORE: [&str; 4] = ["tokio", "hyper", "wasmtime", "tokio-tungstenite"];

/// Crates whose tests must not build Cranelift.
const WITHOUT_CRANELIFT: [&str; 6] =
    ["core", "config", "quota", "websocket", "channels", "schedule"];

fn all_dependencies() -> BTreeMap<&'static str, Dependencies> {
    CRATE_ORDER.into_iter().map(|folder| (folder, dependencies(folder))).collect()
}

/// The folder of a crate of the host, found by its package name.
fn folder_of(package: &str) -> Option<&'static str> {
    let name = package.strip_prefix("narrowboat-")?;
    CRATE_ORDER.into_iter().find(|folder| *folder == name)
}

/// Collects the libraries that a crate depends on, directly or through other crates of the host.
fn collect_libraries(
    folder: &'static str,
    all: &BTreeMap<&'static str, Dependencies>,
    libraries: &mut BTreeSet<String>,
) {
    for package in &all[folder].normal {
        match folder_of(package) {
            Some(below) => collect_libraries(below, all, libraries),
            None => {
                libraries.insert(package.clone());
            }
        }
    }
}

#[test]
fn every_crate_of_the_host_is_in_the_order() {
    for entry in fs::read_dir(host_folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(CRATE_ORDER.contains(&&*name), "host/{name} is missing in CRATE_ORDER: add it");
    }
}

#[test]
fn a_crate_depends_only_on_crates_below_it() {
    let position = |folder: &str| CRATE_ORDER.iter().position(|name| *name == folder).unwrap();
    for (folder, dependencies) in all_dependencies() {
        for below in dependencies.normal.iter().filter_map(|package| folder_of(package)) {
            assert!(
                position(below) < position(folder),
                "{folder} depends on {below}, which comes after it in CRATE_ORDER"
            );
        }
    }
}

#[test]
fn only_listed_crates_depend_on_each_restricted_library() {
    for (folder, dependencies) in all_dependencies() {
        for (library, crates) in RESTRICTED_LIBRARIES {
            let depends = dependencies.normal.contains(library);
            assert!(!depends || crates.contains(&folder), "{folder} depends on {library}");
        }
    }
}

#[test]
fn core_depends_on_no_socket_or_engine_library() {
    let core = dependencies("core");
    for library in NOT_IN_CORE {
        assert!(!core.normal.contains(library), "core depends on {library}");
    }
}

#[test]
fn tests_of_the_lower_crates_build_without_cranelift() {
    let all = all_dependencies();
    for folder in WITHOUT_CRANELIFT {
        let mut libraries = all[folder].dev.clone();
        collect_libraries(folder, &all, &mut libraries);
        for below in all[folder].dev.iter().filter_map(|package| folder_of(package)) {
            collect_libraries(below, &all, &mut libraries);
        }
        assert!(!libraries.contains("wasmtime"), "the tests of {folder} build wasmtime");
    }
}

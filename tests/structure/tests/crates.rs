//! The direction of dependencies: the crates of the host stand in floors, and each foreign library has its place.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use narrowboat_structure::{Dependencies, FLOORS, dependencies, host_folder};

/// A library, and the crates that may depend on it.
const SEAMS: [(&str, &[&str]); 11] = [
    ("wasmtime", &["runtime"]),
    ("wasmtime-wasi", &["runtime"]),
    ("wasmtime-wasi-http", &["runtime"]),
    ("wasmtime-wasi-io", &["runtime"]),
    ("tokio-tungstenite", &["websocket"]),
    ("tokio-rustls", &["websocket", "egress", "server"]),
    ("jsonwebtoken", &["server"]),
    ("ed25519-dalek", &["config"]),
    ("redis", &["redis-client", "channels", "keyvalue"]),
    ("notify", &["deploy"]),
    ("clap", &["cli"]),
];

/// Libraries that `core` does without.
const NOT_IN_CORE: [&str; 4] = ["tokio", "hyper", "wasmtime", "tokio-tungstenite"];

/// Crates whose tests build without Cranelift.
const WITHOUT_CRANELIFT: [&str; 5] = ["core", "config", "quota", "websocket", "channels"];

fn all_dependencies() -> BTreeMap<&'static str, Dependencies> {
    FLOORS.into_iter().map(|folder| (folder, dependencies(folder))).collect()
}

/// The folder of one of the host's crates, by the name of its package.
fn folder_of(package: &str) -> Option<&'static str> {
    let name = package.strip_prefix("narrowboat-")?;
    FLOORS.into_iter().find(|folder| *folder == name)
}

/// Every crate of the host that a crate reaches, with the libraries on the way.
fn reached(
    folder: &'static str,
    all: &BTreeMap<&'static str, Dependencies>,
    libraries: &mut BTreeSet<String>,
) {
    for package in &all[folder].normal {
        match folder_of(package) {
            Some(below) => reached(below, all, libraries),
            None => {
                libraries.insert(package.clone());
            }
        }
    }
}

#[test]
fn every_crate_of_the_host_stands_on_a_floor() {
    for entry in fs::read_dir(host_folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(FLOORS.contains(&&*name), "host/{name} stands on no floor: add it to FLOORS");
    }
}

#[test]
fn a_crate_depends_only_on_crates_below_it() {
    let floor = |folder: &str| FLOORS.iter().position(|name| *name == folder).unwrap();
    for (folder, dependencies) in all_dependencies() {
        for below in dependencies.normal.iter().filter_map(|package| folder_of(package)) {
            assert!(floor(below) < floor(folder), "{folder} depends on {below}, which is above it");
        }
    }
}

#[test]
fn each_library_behind_a_seam_has_its_crates() {
    for (folder, dependencies) in all_dependencies() {
        for (library, crates) in SEAMS {
            let depends = dependencies.normal.contains(library);
            assert!(!depends || crates.contains(&folder), "{folder} depends on {library}");
        }
    }
}

#[test]
fn core_has_neither_sockets_nor_guests() {
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
        reached(folder, &all, &mut libraries);
        for below in all[folder].dev.iter().filter_map(|package| folder_of(package)) {
            reached(below, &all, &mut libraries);
        }
        assert!(!libraries.contains("wasmtime"), "the tests of {folder} build wasmtime");
    }
}

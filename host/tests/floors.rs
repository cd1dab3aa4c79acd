//! The direction of imports: the modules stand in floors, each importing only what lies below it.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A module imports what stands before it, on its own floor or a lower one.
const FLOORS: [&[&str]; 6] = [
    &[
        "units",
        "hash",
        "times",
        "trust",
        "atomic_file",
        "name",
        "glob",
        "origin",
        "capabilities",
        "frame",
        "message",
        "closure",
        "scope",
        "answer",
        "fault",
        "fields",
        "manifest",
        "component",
        "config",
        "allowance",
        "api",
        "authorities",
        "waking",
        "signature",
    ],
    &[
        "background_writer",
        "journal",
        "layer",
        "keyvalue",
        "egress",
        "connection",
        "handshake",
        "users",
        "plugin",
    ],
    &["session"],
    &["router", "packaging", "versions", "swap", "watch"],
    &["server", "workshop"],
    &["cli", "lib", "main"],
];

/// The same within `plugin`, where `Version`, `Plugin` and `Loader` stand above what a call needs.
const PLUGIN: [&str; 26] = [
    "build", "call", "bindings", "saved", "effects", "limits", "overrun", "ticker", "words",
    "clients", "tally", "lane", "stint", "outside", "state", "imports", "cache", "engine", "fit",
    "version", "store", "instance", "worker", "transfer", "live", "loader",
];

/// A crate, and the modules that may name it.
const SEAMS: [(&str, &[&str]); 10] = [
    ("wasmtime", &["plugin"]),
    ("wasmtime_wasi", &["plugin"]),
    ("wasmtime_wasi_http", &["plugin"]),
    ("wasmtime_wasi_io", &["plugin"]),
    ("tungstenite", &["connection", "handshake"]),
    ("tokio_rustls", &["connection", "egress", "server"]),
    ("jsonwebtoken", &["users"]),
    ("ed25519_dalek", &["signature"]),
    ("redis", &["layer", "keyvalue"]),
    ("notify", &["watch"]),
];

/// Crates that pure data and rules do without.
const NOT_ON_THE_GROUND: [&str; 4] = ["tokio", "hyper", "wasmtime", "tungstenite"];

/// One source file.
struct Source {
    /// From `src`, without `.rs`, in parts.
    path: Vec<String>,
    /// Without comments.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(&root, &path));
            }
        }
    }
    sources
}

fn read(root: &Path, file: &PathBuf) -> Source {
    let text = fs::read_to_string(file).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let relative = file.strip_prefix(root).unwrap().with_extension("");
    Source {
        path: relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect(),
        code: code.collect::<Vec<_>>().join("\n"),
    }
}

/// The names that follow `prefix` in the code.
fn named<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let rests = code.split(prefix).skip(1);
    rests
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .collect()
}

fn place(module: &str) -> usize {
    let order = FLOORS.concat();
    order.iter().position(|name| *name == module).unwrap_or_else(|| {
        panic!("{module} stands on no floor: add it to FLOORS and to ARCHITECTURE.md")
    })
}

#[test]
fn modules_import_only_what_lies_below_them() {
    for Source { path, code } in sources() {
        let own = &path[0];
        for other in named(&code, "crate::") {
            let below = place(other) <= place(own);
            assert!(below, "{} imports {other}, which lies above it", path.join("/"));
        }
    }
}

#[test]
fn modules_of_a_plugin_import_only_what_lies_below_them() {
    let place = |module: &str| PLUGIN.iter().position(|name| *name == module).unwrap();
    for Source { path, code } in sources().iter().filter(|source| source.path[0] == "plugin") {
        let Some(own) = path.get(1) else { continue };
        let prefix = if path.len() == 2 { "super::" } else { "crate::plugin::" };
        for other in named(code, prefix).into_iter().filter(|name| PLUGIN.contains(name)) {
            let below = place(other) <= place(own);
            assert!(below, "plugin/{own} imports {other}, which lies above it");
        }
    }
}

#[test]
fn each_foreign_seam_is_named_in_one_place() {
    for Source { path, code } in sources() {
        for (krate, modules) in SEAMS {
            let named = code.contains(&format!("{krate}::"));
            assert!(!named || modules.contains(&&*path[0]), "{} names {krate}", path.join("/"));
        }
    }
}

#[test]
fn the_ground_floor_is_pure() {
    let ground = |source: &Source| FLOORS[0].contains(&&*source.path[0]);
    for Source { path, code } in sources().into_iter().filter(ground) {
        for krate in NOT_ON_THE_GROUND {
            assert!(!code.contains(&format!("{krate}::")), "{} names {krate}", path.join("/"));
        }
    }
}

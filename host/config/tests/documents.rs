//! The program can read every block of TOML in the documentation.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use narrowboat_config::Config;
use narrowboat_core::manifest::Manifest;
use toml::{Table, Value};

/// A block of TOML, and its place.
struct Block {
    place: String,
    text: String,
}

/// The kind of file that a block is a part of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A `Cargo.toml`, which has a package or dependencies.
    Cargo,
    /// A `plugin.toml`, which has a name or requests capabilities.
    Manifest,
    /// A `narrowboat.toml`: every other block.
    Configuration,
}

impl Kind {
    fn of(table: &Table) -> Self {
        if table.contains_key("package") || table.contains_key("dependencies") {
            Self::Cargo
        } else if table.contains_key("name") || table.contains_key("capabilities") {
            Self::Manifest
        } else {
            Self::Configuration
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Collects every document of the repository, without build results.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn blocks() -> Vec<Block> {
    let mut files = Vec::new();
    documents(&root(), &mut files);
    files.sort();
    files.iter().flat_map(|file| blocks_of(file)).collect()
}

fn blocks_of(file: &Path) -> Vec<Block> {
    let name = file.strip_prefix(root()).unwrap().display().to_string();
    let text = fs::read_to_string(file).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let fence = &line[..line.len() - language.len()];
        let within = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != fence);
        let mut text = String::new();
        within.for_each(|line| writeln!(text, "{line}").unwrap());
        if language.split(',').next() == Some("toml") {
            blocks.push(Block { place: format!("{name}:{}", number + 1), text });
        }
    }
    blocks
}

/// Returns the tables below a key.
fn tables<'a>(table: &'a Table, key: &str) -> Vec<(&'a str, &'a Table)> {
    let below = table.get(key).and_then(Value::as_table).into_iter().flatten();
    below.filter_map(|(name, value)| Some((name.as_str(), value.as_table()?))).collect()
}

/// Returns the plugins that routes and workers name.
fn named(tenant: &Table) -> BTreeSet<&str> {
    let bindings = ["routes", "workers"].into_iter().filter_map(|key| tenant.get(key)?.as_array());
    bindings.flatten().filter_map(|binding| binding.get("plugin")?.as_str()).collect()
}

/// Returns a source for each plugin of a tenant that has none. `path` is the path of the tenant's tables.
fn completed(tenant: &Table, path: &str) -> String {
    let plugins = tables(tenant, "plugins");
    let has_source =
        |table: &Table| ["component", "source", "crate"].iter().any(|key| table.contains_key(*key));
    let complete: BTreeSet<_> =
        plugins.iter().filter(|(_, table)| has_source(table)).map(|(name, _)| *name).collect();
    let mut wanted = named(tenant);
    wanted.extend(plugins.iter().map(|(name, _)| *name));
    let missing = wanted.difference(&complete);
    missing.fold(String::new(), |text, name| {
        format!("{text}[{path}plugins.{name}]\ncomponent = \"{name}.wasm\"\n")
    })
}

/// Completes a part of a configuration to a valid one.
fn configuration(text: &str, table: &Table) -> String {
    let mut whole = format!("{text}\n{}", completed(table, ""));
    for (name, tenant) in tables(table, "tenants") {
        if !tenant.contains_key("path") && !tenant.contains_key("hosts") {
            writeln!(whole, "[tenants.{name}]\npath = \"/{name}\"").unwrap();
        }
        whole += &completed(tenant, &format!("tenants.{name}."));
    }
    whole
}

/// Returns why the program cannot read a block; `None` if it can.
fn problem(block: &Block) -> Option<String> {
    let table: Table = match block.text.parse() {
        Ok(table) => table,
        Err(error) => return Some(error.to_string()),
    };
    match Kind::of(&table) {
        Kind::Cargo => None,
        Kind::Manifest if table.contains_key("name") => manifest_problem(&block.text),
        Kind::Manifest => manifest_problem(&format!("name = \"x\"\n{}", block.text)),
        Kind::Configuration => {
            let whole = configuration(&block.text, &table);
            let read = Config::parse(&whole, Path::new(&block.place));
            read.err().map(|error| format!("{error}\n{whole}"))
        }
    }
}

fn manifest_problem(text: &str) -> Option<String> {
    Manifest::parse(text.as_bytes()).err().map(|error| error.to_string())
}

#[test]
fn the_program_reads_every_block_of_toml() {
    let blocks = blocks();
    let problems: Vec<_> = blocks
        .iter()
        .filter_map(|block| Some(format!("{}: {}", block.place, problem(block)?)))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    let kinds: BTreeSet<_> =
        blocks.iter().map(|block| Kind::of(&block.text.parse().unwrap())).collect();
    assert_eq!(kinds.len(), 3, "the documents have no block of some kind any more: {kinds:?}");
}

#[test]
fn an_invalid_block_is_found() {
    let problem_of =
        |text: &str| problem(&Block { place: "page.md:1".to_owned(), text: text.to_owned() });
    for text in [
        "[limits]\nmax_conections = 1\n",
        "[plugins.chat]\ncomponent = \"a\"\ncrate = \"b\"\n",
        "[plugins.chat.limits]\nmemory = \"1 GiB\"\n",
        "[tenants.acme.limits]\nnonsense = 1\n",
        "name = \"a b\"\n",
        "[capabilities]\nclock = true\n",
        "no = toml = at all",
    ] {
        assert!(problem_of(text).is_some(), "{text}");
    }
    for text in [
        "[[routes]]\npath = \"/a/\"\nplugin = \"a\"\n",
        "[plugins.a.rollback]\nwindow = \"1s\"\n",
        "[tenants.acme.limits]\ncpu = \"1s\"\n",
        "[capabilities]\nlog = true\n",
    ] {
        assert_eq!(problem_of(text), None);
    }
}

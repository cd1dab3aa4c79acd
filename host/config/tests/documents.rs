//! Every block of TOML in a document is read by the program's own readers.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use narrowboat_config::Config;
use narrowboat_core::manifest::Manifest;
use toml::{Table, Value};

/// A block of TOML, and where it stands.
struct Block {
    place: String,
    text: String,
}

/// The file that a block is a part of, by the keys at its top.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A `Cargo.toml` has a package.
    Cargo,
    /// A `plugin.toml` has a name or asks for something.
    Manifest,
    /// Every other block is of a `narrowboat.toml`.
    Configuration,
}

impl Kind {
    fn of(table: &Table) -> Self {
        if table.contains_key("package") || table.contains_key("dependencies") {
            Self::Cargo
        } else if table.contains_key("name") || table.contains_key("asks") {
            Self::Manifest
        } else {
            Self::Configuration
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every document of the repository, without what is built.
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

/// The tables below a key.
fn tables<'a>(table: &'a Table, key: &str) -> Vec<(&'a str, &'a Table)> {
    let below = table.get(key).and_then(Value::as_table).into_iter().flatten();
    below.filter_map(|(name, value)| Some((name.as_str(), value.as_table()?))).collect()
}

/// The plugins that routes and workers name.
fn named(world: &Table) -> BTreeSet<&str> {
    let bindings = ["routes", "workers"].into_iter().filter_map(|key| world.get(key)?.as_array());
    bindings.flatten().filter_map(|binding| binding.get("plugin")?.as_str()).collect()
}

/// What a world needs besides to be complete: a source for each plugin. `path` is where its tables stand.
fn completed(world: &Table, path: &str) -> String {
    let plugins = tables(world, "plugins");
    let has_source = |table: &Table| table.contains_key("component") || table.contains_key("crate");
    let complete: BTreeSet<_> =
        plugins.iter().filter(|(_, table)| has_source(table)).map(|(name, _)| *name).collect();
    let mut wanted = named(world);
    wanted.extend(plugins.iter().map(|(name, _)| *name));
    let missing = wanted.difference(&complete);
    missing.fold(String::new(), |text, name| {
        format!("{text}[{path}plugins.{name}]\ncomponent = \"{name}.wasm\"\n")
    })
}

/// A part of a configuration, with the least that makes it a whole one.
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

/// Why a block is not what it is a part of.
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
fn every_block_of_toml_is_read_by_the_program() {
    let blocks = blocks();
    let problems: Vec<_> = blocks
        .iter()
        .filter_map(|block| Some(format!("{}: {}", block.place, problem(block)?)))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    let kinds: BTreeSet<_> =
        blocks.iter().map(|block| Kind::of(&block.text.parse().unwrap())).collect();
    assert_eq!(kinds.len(), 3, "a kind of block is not found any more: {kinds:?}");
}

#[test]
fn a_wrong_block_is_a_problem() {
    let wrong =
        |text: &str| problem(&Block { place: "page.md:1".to_owned(), text: text.to_owned() });
    for text in [
        "[limits]\nmax_conections = 1\n",
        "[plugins.chat]\ncomponent = \"a\"\ncrate = \"b\"\n",
        "[plugins.chat.limits]\nmemory = \"1 GiB\"\n",
        "[tenants.acme.limits]\nnonsense = 1\n",
        "name = \"a b\"\n",
        "[asks]\nclock = true\n",
        "no = toml = at all",
    ] {
        assert!(wrong(text).is_some(), "{text}");
    }
    for text in [
        "[[routes]]\npath = \"/a/\"\nplugin = \"a\"\n",
        "[plugins.a.rollback]\nwindow = \"1s\"\n",
        "[tenants.acme.limits]\ncpu = \"1s\"\n",
        "[asks]\nlog = true\n",
    ] {
        assert_eq!(wrong(text), None);
    }
}

//! Which folders and files a guest crate is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::build::BuildError;
use super::cargo_metadata::read_cargo_metadata;
use super::toolchain::TARGET;

/// What a guest crate is made of, as far as it lies on this disk. Links are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The crate's own folder, and those of the crates it names by path.
    pub folders: BTreeSet<PathBuf>,
    /// What decides on its dependencies and lies elsewhere: the workspace's manifest and lock.
    pub files: BTreeSet<PathBuf>,
    /// Cargo's target folder, where it writes.
    pub target: Option<PathBuf>,
}

impl Sources {
    /// The crate's own folder alone: what is known while cargo cannot read its manifest.
    pub fn from_folder(folder: &Path) -> Self {
        Self { folders: BTreeSet::from([canonicalize_or_keep(folder)]), ..Self::default() }
    }

    /// Whether a file belongs to them.
    pub fn contains(&self, file: &Path) -> bool {
        self.files.contains(file) || self.folders.iter().any(|folder| file.starts_with(folder))
    }
}

/// The part of `cargo metadata` that is read.
#[derive(Deserialize)]
struct CargoMetadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    /// Nothing for a crate named by its path.
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
    root: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Nothing for one that the crate itself is compiled with.
    kind: Option<String>,
}

/// Asks cargo what the guest crate in a folder is made of. Cargo's own messages are dropped: a build
/// says the same.
///
/// # Errors
/// When cargo cannot be run, or cannot read the crate's manifest.
pub fn find_sources(folder: &Path) -> Result<Sources, BuildError> {
    let metadata: CargoMetadata =
        read_cargo_metadata(folder, &["--filter-platform", TARGET], Stdio::null())?;
    let root = canonicalize_or_keep(&metadata.workspace_root);
    let mut sources = Sources {
        files: ["Cargo.toml", "Cargo.lock"].map(|name| root.join(name)).into(),
        target: Some(metadata.target_directory.clone()),
        ..Sources::from_folder(folder)
    };
    let needed = metadata.resolve.required_packages();
    let packages = metadata.packages.iter();
    let local = packages.filter(|it| it.source.is_none() && needed.contains(it.id.as_str()));
    sources
        .folders
        .extend(local.filter_map(|it| it.manifest_path.parent()).map(canonicalize_or_keep));
    Ok(sources)
}

impl Resolve {
    /// The crates that the root is built of, itself included, but not those of its tests.
    fn required_packages(&self) -> BTreeSet<&str> {
        let nodes: BTreeMap<_, _> =
            self.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut needed = BTreeSet::new();
        let mut open: Vec<&str> = self.root.as_deref().into_iter().collect();
        while let Some(id) = open.pop() {
            if !needed.insert(id) {
                continue;
            }
            let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
            open.extend(dependencies.filter(|it| it.is_non_dev()).map(|it| it.pkg.as_str()));
        }
        needed
    }
}

impl Dependency {
    fn is_non_dev(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

fn canonicalize_or_keep(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

//! The folders and files that a guest crate is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::build_error::BuildError;
use super::cargo_metadata::read_cargo_metadata;
use super::toolchain::TARGET;

/// The local folders and files that a guest crate is built from. Links are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The crate's own folder, and the folders of the crates that it depends on by path.
    pub folders: BTreeSet<PathBuf>,
    /// The workspace's manifest and lock file, which decide on its dependencies.
    pub files: BTreeSet<PathBuf>,
    /// Cargo's target folder, into which builds write.
    pub target: Option<PathBuf>,
}

impl Sources {
    /// The crate's own folder alone, for a crate whose manifest cargo cannot read.
    pub fn from_folder(folder: &Path) -> Self {
        Self { folders: BTreeSet::from([canonicalize_or_keep(folder)]), ..Self::default() }
    }

    /// Whether a file belongs to these sources.
    pub fn contains(&self, file: &Path) -> bool {
        self.files.contains(file) || self.folders.iter().any(|folder| file.starts_with(folder))
    }
}

/// The part of the output of `cargo metadata` that is used.
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
    /// `None` for a dependency by path.
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
    /// `None` for a normal dependency.
    kind: Option<String>,
}

/// Asks cargo for the sources of the guest crate in a folder. Cargo's messages are dropped: a build prints the same.
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
    let required = metadata.resolve.required_packages();
    let packages = metadata.packages.iter();
    let local = packages.filter(|it| it.source.is_none() && required.contains(it.id.as_str()));
    sources
        .folders
        .extend(local.filter_map(|it| it.manifest_path.parent()).map(canonicalize_or_keep));
    Ok(sources)
}

impl Resolve {
    /// Returns the ids of the root crate and of the crates that it is built from, without those of its tests.
    fn required_packages(&self) -> BTreeSet<&str> {
        let nodes: BTreeMap<_, _> =
            self.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut required = BTreeSet::new();
        let mut open: Vec<&str> = self.root.as_deref().into_iter().collect();
        while let Some(id) = open.pop() {
            if !required.insert(id) {
                continue;
            }
            let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
            open.extend(dependencies.filter(|it| it.is_non_dev()).map(|it| it.pkg.as_str()));
        }
        required
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

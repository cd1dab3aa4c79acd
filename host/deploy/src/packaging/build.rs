//! `narrowboat plugin build`: a guest crate becomes a component with its manifest inside.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use thiserror::Error;
use wit_component::ComponentEncoder;

use super::cancellation::BuildCancellation;
use super::cargo_metadata::read_cargo_metadata;
use super::toolchain::{TARGET, Toolchain, ToolchainError};
use narrowboat_core::atomic_file;
use narrowboat_core::component::{self, ComponentError};
use narrowboat_core::manifest::{Manifest, ManifestError};

/// For everybody to read, as far as the process's umask lets them.
const FILE_MODE: u32 = 0o666;

/// A built plugin.
#[derive(Debug)]
pub struct BuiltPlugin {
    /// Where its component lies.
    pub file: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The component, manifest inside.
    pub bytes: Vec<u8>,
    /// Whether it differs from the component that was there before.
    pub has_changed: bool,
}

/// Why a crate did not become a plugin.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The folder is not there.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// There is no manifest, or it cannot be read.
    #[error("{}: {source}; a guest crate has a plugin.toml with at least `name = \"…\"`", file.display())]
    NoManifest {
        /// Where it should be.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The manifest is wrong.
    #[error("{}: {source}", file.display())]
    Manifest {
        /// Where it is.
        file: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// No compiler.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo cannot be run.
    #[error("cannot run cargo: {0}; is Rust installed?")]
    Cargo(std::io::Error),
    /// Cargo ran and failed; it has said why.
    #[error("cargo could not build {}; its message is above", .0.display())]
    Failed(PathBuf),
    /// The crate makes no WebAssembly.
    #[error(
        "{} builds no WebAssembly; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
        .0.display()
    )]
    NoModule(PathBuf),
    /// The module is no consumer.
    #[error("{} is no plugin: {problem:#}", module.display())]
    Encode {
        /// What cargo made.
        module: PathBuf,
        /// What the encoder said.
        problem: anyhow::Error,
    },
    /// The module became a component of another world.
    #[error("{} {source}", module.display())]
    World {
        /// What cargo made.
        module: PathBuf,
        /// What it is instead.
        source: ComponentError,
    },
    /// The result cannot be written.
    #[error("{}: {source}", file.display())]
    Write {
        /// Where to.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl BuildError {
    /// Whether the crate's author has to mend the manifest, and nothing has been built.
    pub fn is_manifest_error(&self) -> bool {
        matches!(self, Self::NoFolder(_) | Self::NoManifest { .. } | Self::Manifest { .. })
    }

    /// Whether no change of the crate's sources can mend it.
    pub fn is_environment_error(&self) -> bool {
        matches!(self, Self::Toolchain(_) | Self::Cargo(_) | Self::Write { .. })
    }
}

/// How guests are compiled: small, since a component is compiled again where it runs, and without
/// unwinding, which they cannot do.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// Builds the guest crate in a folder. Cargo's own messages go to standard error. Without `out` the
/// component goes to `narrowboat/NAME.wasm` in cargo's target folder.
///
/// # Errors
/// What is missing or wrong, and what would be right.
pub fn build(folder: &Path, out: Option<&Path>) -> Result<BuiltPlugin, BuildError> {
    build_with_cancellation(folder, out, None)
}

/// The same for a build that another thread may end, which then fails.
///
/// # Errors
/// As [`build`].
pub fn build_cancellable(
    halt: &BuildCancellation,
    folder: &Path,
) -> Result<BuiltPlugin, BuildError> {
    build_with_cancellation(folder, None, Some(halt))
}

fn build_with_cancellation(
    folder: &Path,
    out: Option<&Path>,
    halt: Option<&BuildCancellation>,
) -> Result<BuiltPlugin, BuildError> {
    let (manifest, text) = read_manifest(folder)?;
    let cargo_target = find_target_folder(folder)?;
    let toolchain = Toolchain::find(&cargo_target)?;
    let module = compile_module(folder, &cargo_target, &toolchain, halt)?;
    let component = encode_component(&module)?;
    let bytes = component::append_manifest(component, &text);
    let file = out.map_or_else(
        || cargo_target.join("narrowboat").join(format!("{}.wasm", manifest.name)),
        Path::to_owned,
    );
    // Left alone, so that nobody is told of a change who watches it.
    let is_new = std::fs::read(&file).ok().as_ref() != Some(&bytes);
    if is_new {
        write_component(&file, &bytes)
            .map_err(|source| BuildError::Write { file: file.clone(), source })?;
    }
    Ok(BuiltPlugin { file, manifest, bytes, has_changed: is_new })
}

fn read_manifest(folder: &Path) -> Result<(Manifest, String), BuildError> {
    if !folder.is_dir() {
        return Err(BuildError::NoFolder(folder.to_owned()));
    }
    let file = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&file)
        .map_err(|source| BuildError::NoManifest { file: file.clone(), source })?;
    match Manifest::parse(text.as_bytes()) {
        Ok(manifest) => Ok((manifest, text)),
        Err(source) => Err(BuildError::Manifest { file, source }),
    }
}

/// The part of `cargo metadata` that is read.
#[derive(Deserialize)]
struct TargetMetadata {
    target_directory: PathBuf,
}

fn find_target_folder(folder: &Path) -> Result<PathBuf, BuildError> {
    let metadata: TargetMetadata = read_cargo_metadata(folder, &["--no-deps"], Stdio::inherit())?;
    Ok(metadata.target_directory)
}

/// The part of cargo's JSON messages that is read.
#[derive(Deserialize)]
struct Artifact {
    target: ArtifactTarget,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    kind: Vec<String>,
}

/// Compiles the crate to a core module. In a target folder of its own, since another compiler may
/// be at work than for the rest of the workspace.
fn compile_module(
    folder: &Path,
    cargo_target: &Path,
    toolchain: &Toolchain,
    halt: Option<&BuildCancellation>,
) -> Result<PathBuf, BuildError> {
    let mut command = toolchain.cargo_command();
    command
        .args(["build", "--release", "--lib", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(cargo_target.join("guests"))
        .envs(PROFILE)
        .stdout(Stdio::piped());
    let spawned = match halt {
        Some(halt) => halt.spawn_cargo(&mut command),
        None => command.spawn(),
    };
    let mut cargo = spawned.map_err(BuildError::Cargo)?;
    let messages = cargo.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    let artifacts = messages
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Artifact>(&line).ok())
        .filter(|artifact| artifact.target.kind.iter().any(|kind| kind == "cdylib"));
    let module = artifacts
        .flat_map(|artifact| artifact.filenames)
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .last();
    if let Some(halt) = halt {
        halt.mark_finished();
    }
    let status = cargo.wait().map_err(BuildError::Cargo)?;
    if !status.success() {
        return Err(BuildError::Failed(folder.to_owned()));
    }
    module.ok_or_else(|| BuildError::NoModule(folder.to_owned()))
}

fn encode_component(module: &Path) -> Result<Vec<u8>, BuildError> {
    let bytes = std::fs::read(module)
        .map_err(|source| BuildError::Write { file: module.to_owned(), source })?;
    let encoded =
        ComponentEncoder::default().validate(true).module(&bytes).and_then(|mut e| e.encode());
    let component =
        encoded.map_err(|problem| BuildError::Encode { module: module.to_owned(), problem })?;
    component::parse_plugin(&component)
        .map_err(|source| BuildError::World { module: module.to_owned(), source })?;
    Ok(component)
}

/// Writes the file whole: readers find the old bytes or the new.
fn write_component(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    atomic_file::write(file, FILE_MODE, bytes)
}

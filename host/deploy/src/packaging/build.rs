//! Builds a guest crate into a component that holds its manifest, for `narrowboat plugin build`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::build_error::BuildError;
use super::cancellation::BuildCancellation;
use super::cargo_metadata::read_cargo_metadata;
use super::toolchain::{TARGET, Toolchain};
use narrowboat_core::atomic_file;
use narrowboat_core::component;
use narrowboat_core::manifest::{self, Manifest};

/// Readable and writable by all, less the process's umask.
const FILE_MODE: u32 = 0o666;

/// A built plugin.
#[derive(Debug)]
pub struct BuiltPlugin {
    /// The path of its component or source bundle.
    pub file: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The component or the source bundle, which holds the manifest.
    pub bytes: Vec<u8>,
    /// Whether the bytes differ from those that the file held before.
    pub has_changed: bool,
}

/// Cargo's profile for guests: small, since the host compiles a component again, and without unwinding, which guests do
/// not support.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// Builds the guest crate in a folder. Cargo's messages go to standard error. Without `out` the component is written to
/// `narrowboat/NAME.wasm` in cargo's target folder.
///
/// # Errors
/// When the crate, its manifest or the toolchain is missing or wrong. The error says how to correct it.
pub fn build(folder: &Path, out: Option<&Path>) -> Result<BuiltPlugin, BuildError> {
    build_with_cancellation(folder, out, None)
}

/// As [`build`], for a build that another thread may cancel. A cancelled build fails.
///
/// # Errors
/// As [`build`].
pub fn build_cancellable(
    cancellation: &BuildCancellation,
    folder: &Path,
) -> Result<BuiltPlugin, BuildError> {
    build_with_cancellation(folder, None, Some(cancellation))
}

fn build_with_cancellation(
    folder: &Path,
    out: Option<&Path>,
    cancellation: Option<&BuildCancellation>,
) -> Result<BuiltPlugin, BuildError> {
    let (manifest, text) = read_manifest(folder)?;
    let cargo_target = find_target_folder(folder)?;
    let toolchain = Toolchain::find(&cargo_target)?;
    let module = compile_module(folder, &cargo_target, &toolchain, cancellation)?;
    let component = encode_component(&module)?;
    let bytes = component::append_manifest(component, &text);
    let file = out.map_or_else(
        || cargo_target.join("narrowboat").join(format!("{}.wasm", manifest.name)),
        Path::to_owned,
    );
    let has_changed = write_if_changed(&file, &bytes)
        .map_err(|source| BuildError::Write { file: file.clone(), source })?;
    Ok(BuiltPlugin { file, manifest, bytes, has_changed })
}

fn read_manifest(folder: &Path) -> Result<(Manifest, String), BuildError> {
    if !folder.is_dir() {
        return Err(BuildError::NoFolder(folder.to_owned()));
    }
    let file = folder.join(manifest::FILE_NAME);
    let text = std::fs::read_to_string(&file)
        .map_err(|source| BuildError::NoManifest { file: file.clone(), source })?;
    match Manifest::parse_of_component(text.as_bytes()) {
        Ok(manifest) => Ok((manifest, text)),
        Err(source) => Err(BuildError::Manifest { file, source }),
    }
}

/// The part of the output of `cargo metadata` that is used.
#[derive(Deserialize)]
struct TargetMetadata {
    target_directory: PathBuf,
}

fn find_target_folder(folder: &Path) -> Result<PathBuf, BuildError> {
    let metadata: TargetMetadata = read_cargo_metadata(folder, &["--no-deps"], Stdio::inherit())?;
    Ok(metadata.target_directory)
}

/// The part of cargo's JSON messages that is used.
#[derive(Deserialize)]
struct Artifact {
    target: ArtifactTarget,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ArtifactTarget {
    kind: Vec<String>,
}

/// Compiles the crate to a core module. The target folder is separate, since guests may need another compiler than the
/// rest of the workspace.
fn compile_module(
    folder: &Path,
    cargo_target: &Path,
    toolchain: &Toolchain,
    cancellation: Option<&BuildCancellation>,
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
    let spawned = match cancellation {
        Some(cancellation) => cancellation.spawn_cargo(&mut command),
        None => command.spawn(),
    };
    let mut cargo = spawned.map_err(BuildError::Cargo)?;
    let module = cargo.stdout.take().and_then(find_module);
    if let Some(cancellation) = cancellation {
        cancellation.mark_finished();
    }
    let status = cargo.wait().map_err(BuildError::Cargo)?;
    if !status.success() {
        return Err(BuildError::Failed(folder.to_owned()));
    }
    module.ok_or_else(|| BuildError::NoModule(folder.to_owned()))
}

/// Reads cargo's messages to their end, and returns the path of the last module that cargo made.
fn find_module(messages: ChildStdout) -> Option<PathBuf> {
    let artifacts = BufReader::new(messages)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Artifact>(&line).ok())
        .filter(|artifact| artifact.target.kind.iter().any(|kind| kind == "cdylib"));
    artifacts
        .flat_map(|artifact| artifact.filenames)
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .last()
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

/// Writes a component atomically: readers see the old bytes or the new ones. Returns whether the file has changed. An
/// unchanged file is not written, so that watchers of it see no change.
pub(super) fn write_if_changed(file: &Path, bytes: &[u8]) -> std::io::Result<bool> {
    if std::fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    atomic_file::write(file, FILE_MODE, bytes)?;
    Ok(true)
}

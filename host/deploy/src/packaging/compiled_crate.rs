//! A guest crate that cargo has compiled and that has no manifest yet.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::build_error::BuildError;
use super::built_plugin::{BuiltPlugin, write_if_changed};
use super::cancellation::BuildCancellation;
use super::cargo_metadata::read_cargo_metadata;
use super::toolchain::{TARGET, Toolchain};
use narrowboat_core::component;
use narrowboat_core::manifest::{self, Manifest};

/// Cargo's profile for guests: small, since the host compiles a component again, and without unwinding, which guests do
/// not support.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// A guest crate that cargo has compiled. Its manifest may change without another compilation.
#[derive(Debug)]
pub struct CompiledCrate {
    folder: PathBuf,
    /// Cargo's target folder.
    cargo_target: PathBuf,
    /// The component without a manifest.
    component: Vec<u8>,
    reads_manifest: bool,
}

impl CompiledCrate {
    /// Compiles the guest crate in a folder. Cargo's messages go to standard error. Another thread may cancel the build
    /// with `cancellation`; a cancelled build fails.
    ///
    /// # Errors
    /// When the crate, its manifest or the toolchain is missing or wrong. The error says how to correct it.
    pub fn compile(
        folder: &Path,
        cancellation: Option<&BuildCancellation>,
    ) -> Result<Self, BuildError> {
        // A wrong manifest is reported before cargo runs.
        read_manifest(folder)?;
        let cargo_target = find_target_folder(folder)?;
        let toolchain = Toolchain::find(&cargo_target)?;
        let module = compile_module(folder, &cargo_target, &toolchain, cancellation)?;
        Ok(Self {
            folder: folder.to_owned(),
            component: encode_component(&module)?,
            reads_manifest: may_read_manifest(folder, &module),
            cargo_target,
        })
    }

    /// Whether the code of the crate, or its build script, may read the manifest. Then a change of the manifest needs
    /// another compilation.
    pub fn reads_manifest(&self) -> bool {
        self.reads_manifest
    }

    /// Adds the manifest that the crate's folder has now. Without `out` the component is written to
    /// `narrowboat/NAME.wasm` in cargo's target folder.
    ///
    /// # Errors
    /// When the manifest is missing or wrong, or the component cannot be written.
    pub fn pack(&self, out: Option<&Path>) -> Result<BuiltPlugin, BuildError> {
        let (manifest, text) = read_manifest(&self.folder)?;
        let bytes = component::append_manifest(self.component.clone(), &text);
        let file = out.map_or_else(
            || self.cargo_target.join("narrowboat").join(format!("{}.wasm", manifest.name)),
            Path::to_owned,
        );
        let has_changed = write_if_changed(&file, &bytes)
            .map_err(|source| BuildError::Write { file: file.clone(), source })?;
        Ok(BuiltPlugin { file, manifest, bytes, has_changed })
    }
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

/// Whether the crate in a folder may read its manifest: cargo lists the manifest among the files that the module depends
/// on, or the crate has a build script.
fn may_read_manifest(folder: &Path, module: &Path) -> bool {
    let Ok(dependencies) = std::fs::read_to_string(module.with_extension("d")) else { return true };
    folder.join("build.rs").exists() || dependencies.contains(manifest::FILE_NAME)
}

//! `narrowboat plugin …`

use std::path::Path;

use anyhow::{Context, anyhow};

use super::arguments::PluginCommand;
use super::cli_error::CliError;
use super::output::{eprint_line, print, print_line};
use super::runtimes::language_runtimes;
use narrowboat_config::signature::{self, KeyError, PrivateKey, PublicKey, Signature};
use narrowboat_core::atomic_file;
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{self, BuildError, BuiltPlugin, MissingPackages, PackedSource};
use narrowboat_runtime::Sha256Digest;
use narrowboat_server::{self as server, SourceCheck};

/// Readable and writable by all, less the process's umask.
const SIGNATURE_MODE: u32 = 0o666;

pub(super) fn run(command: &PluginCommand) -> Result<(), CliError> {
    match command {
        PluginCommand::Build { dir, out, .. } if !packaging::is_source_plugin(dir) => {
            print_built(&packaging::build(dir, out.as_deref()).map_err(build_error)?)
        }
        PluginCommand::Build { dir, out, max_size, no_check } => {
            build_source(dir, out.as_deref(), *max_size, *no_check)
        }
        PluginCommand::Pack { file, manifest, out } => pack(file, manifest, out.as_deref()),
        PluginCommand::Inspect { file, key } => inspect(file, key.as_deref()),
        PluginCommand::Keygen { name } => keygen(name),
        PluginCommand::Sign { file, key } => sign(file, key),
    }
}

/// Checks and packs a source plugin, and prints the path of its source bundle.
fn build_source(
    folder: &Path,
    out: Option<&Path>,
    max_size: ByteSize,
    no_check: bool,
) -> Result<(), CliError> {
    let source = PackedSource::from_folder(folder, max_size, MissingPackages::Install);
    let source = source.map_err(build_error)?;
    if !no_check {
        check_source(folder, &source)?;
    }
    print_built(&packaging::write_bundle(source, out).map_err(build_error)?)
}

/// Checks the source with the runtime that the program carries. Prints a line if it cannot be checked.
fn check_source(folder: &Path, source: &PackedSource) -> Result<(), CliError> {
    let checked = server::check_source(folder, source, language_runtimes());
    if let SourceCheck::NotChecked(reason) = checked.map_err(CliError::usage)? {
        eprint_line(format_args!("the source was not checked: {reason}"));
    }
    Ok(())
}

/// The error of a build with its exit code.
pub(super) fn build_error(error: BuildError) -> CliError {
    if error.is_manifest_error() { CliError::usage(error) } else { CliError::runtime(error) }
}

/// Gives a component its manifest, and prints the path of the result.
fn pack(file: &Path, manifest: &Path, out: Option<&Path>) -> Result<(), CliError> {
    print_built(&packaging::pack(file, manifest, out).map_err(CliError::usage)?)
}

fn print_built(built: &BuiltPlugin) -> Result<(), CliError> {
    let hash = Sha256Digest::of(&built.bytes);
    let (file, name, size) = (built.file.display(), &built.manifest.name, built.bytes.len());
    print_line(format_args!("{file}\n  {name}  {size} bytes  sha256 {hash}"))
}

/// Prints the contents of a component or source bundle, and checks its signature with a key.
fn inspect(file: &Path, key: Option<&Path>) -> Result<(), CliError> {
    let bytes = std::fs::read(file)
        .with_context(|| file.display().to_string())
        .map_err(CliError::runtime)?;
    let inspection = packaging::inspect(&bytes)
        .map_err(|error| CliError::runtime(anyhow!("{} {error}", file.display())))?;
    print(&inspection.to_string())?;
    key.map_or(Ok(()), |key| check_signature(file, &bytes, key))
}

fn check_signature(file: &Path, bytes: &[u8], key: &Path) -> Result<(), CliError> {
    let public = PublicKey::read(key).map_err(CliError::usage)?;
    let signature = Signature::read_beside(file).map_err(CliError::runtime)?;
    let (file, key) = (file.display(), key.display());
    if !public.verify(bytes, &signature) {
        let error = anyhow!("{file}.sig is not a signature of {file} by {key}");
        return Err(CliError::runtime(error));
    }
    print_line(format_args!("signed    by {key}"))
}

/// Creates a key pair, and prints the paths of the files.
fn keygen(name: &Path) -> Result<(), CliError> {
    let (private, public) =
        PrivateKey::generate().write_pair(name).map_err(|error| match error {
            KeyError::Unwritable { .. } => CliError::runtime(error),
            error => CliError::usage(error),
        })?;
    let (private, public) = (private.display(), public.display());
    print_line(format_args!(
        "{private}  signs components and source bundles; keep it secret\n{public}  verifies signatures; add it to [signatures] keys"
    ))
}

/// Signs a component or source bundle, and prints the path of the signature.
fn sign(file: &Path, key: &Path) -> Result<(), CliError> {
    let key = PrivateKey::read(key).map_err(CliError::usage)?;
    let bytes = std::fs::read(file).with_context(|| file.display().to_string());
    let signature = key.sign(&bytes.map_err(CliError::usage)?);
    let beside = signature::signature_path(file);
    atomic_file::write(&beside, SIGNATURE_MODE, signature.bytes())
        .with_context(|| beside.display().to_string())
        .map_err(CliError::runtime)?;
    print_line(beside.display())
}

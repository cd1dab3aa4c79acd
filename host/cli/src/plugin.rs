//! `narrowboat plugin …`

use std::path::Path;

use anyhow::{Context, anyhow};

use super::Failure;
use super::output::{print, print_line};
use narrowboat_config::signature::{self, KeyError, PrivateKey, PublicKey, Signature};
use narrowboat_core::atomic_file;
use narrowboat_deploy::packaging;
use narrowboat_runtime::Hash;

/// For everybody to read, as far as the process's umask lets them.
const SIGNATURE_MODE: u32 = 0o666;

/// Builds a guest crate and prints where its component is.
pub(super) fn build(folder: &Path, out: Option<&Path>) -> Result<(), Failure> {
    let built = packaging::build(folder, out).map_err(|error| {
        if error.is_about_the_manifest() {
            Failure::usage(error)
        } else {
            Failure::at_run_time(error)
        }
    })?;
    let hash = Hash::of(&built.bytes);
    let (file, name, size) = (built.file.display(), &built.manifest.name, built.bytes.len());
    print_line(format_args!("{file}\n  {name}  {size} bytes  sha256 {hash}"))
}

/// Prints what a component says of itself, and whether the owner of a key has signed it.
pub(super) fn inspect(file: &Path, key: Option<&Path>) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .with_context(|| file.display().to_string())
        .map_err(Failure::at_run_time)?;
    let inspection = packaging::inspect(&bytes)
        .map_err(|error| Failure::at_run_time(anyhow!("{} {error}", file.display())))?;
    print(&inspection.to_string())?;
    key.map_or(Ok(()), |key| check_signature(file, &bytes, key))
}

fn check_signature(file: &Path, bytes: &[u8], key: &Path) -> Result<(), Failure> {
    let public = PublicKey::read(key).map_err(Failure::usage)?;
    let signature = Signature::beside(file).map_err(Failure::at_run_time)?;
    let (file, key) = (file.display(), key.display());
    if !public.has_signed(bytes, &signature) {
        let error = anyhow!("{file}.sig is no signature of {file} by {key}");
        return Err(Failure::at_run_time(error));
    }
    print_line(format_args!("signed    by {key}"))
}

/// Makes a pair of keys and prints where they are.
pub(super) fn keygen(name: &Path) -> Result<(), Failure> {
    let (private, public) = PrivateKey::generate().write(name).map_err(|error| match error {
        KeyError::Unwritable { .. } => Failure::at_run_time(error),
        error => Failure::usage(error),
    })?;
    let (private, public) = (private.display(), public.display());
    print_line(format_args!(
        "{private}  signs components: keep it to yourself\n{public}  is what hosts know them by: for [signatures] keys"
    ))
}

/// Signs a component and prints where the signature is.
pub(super) fn sign(file: &Path, key: &Path) -> Result<(), Failure> {
    let key = PrivateKey::read(key).map_err(Failure::usage)?;
    let bytes = std::fs::read(file).with_context(|| file.display().to_string());
    let signature = key.sign(&bytes.map_err(Failure::usage)?);
    let beside = signature::file_beside(file);
    atomic_file::write(&beside, SIGNATURE_MODE, signature.bytes())
        .with_context(|| beside.display().to_string())
        .map_err(Failure::at_run_time)?;
    print_line(beside.display())
}

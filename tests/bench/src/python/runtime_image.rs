//! The Python runtime that the benchmark was built with, which is that of the host's program.

use anyhow::Context;
use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_python_runtime::{IMAGE, PythonImage};
use narrowboat_runtime::{LanguageRuntimes, RuntimeImage};

/// Returns the runtimes of a host.
pub(crate) fn language_runtimes() -> LanguageRuntimes {
    let to_image = |PythonImage { sha256, gzip }| {
        RuntimeImage::embedded(Language::Python, Sha256Digest::new(sha256), gzip)
    };
    LanguageRuntimes::new(IMAGE.map(to_image).into_iter().collect())
}

/// Returns the compressed component of the runtime.
///
/// # Errors
/// If the program was built without Python.
pub(super) fn compressed_component() -> anyhow::Result<&'static [u8]> {
    let image =
        IMAGE.context("the benchmark was built without python3: install it and build again");
    Ok(image?.gzip)
}

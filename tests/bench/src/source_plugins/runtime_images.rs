//! The runtimes that the benchmark was built with, which are those of the host's program.

use anyhow::Context;
use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_runtime::{LanguageRuntimes, RuntimeImage};

/// The SHA-256 of the component of a runtime, and its compressed bytes.
type EmbeddedImage = ([u8; 32], &'static [u8]);

/// Returns the runtimes of a host.
pub(crate) fn language_runtimes() -> LanguageRuntimes {
    let embedded = Language::ALL.into_iter().filter_map(|language| {
        let (sha256, gzip) = image(language)?;
        Some(RuntimeImage::embedded(language, Sha256Digest::new(sha256), gzip))
    });
    LanguageRuntimes::new(embedded.collect())
}

/// Returns the compressed component of a runtime.
///
/// # Errors
/// If the program was built without the runtime.
pub(super) fn compressed_component(language: Language) -> anyhow::Result<&'static [u8]> {
    let image = image(language)
        .context("the benchmark was built without python3: install it and build again")?;
    Ok(image.1)
}

fn image(language: Language) -> Option<EmbeddedImage> {
    match language {
        Language::Python => narrowboat_python_runtime::IMAGE.map(|it| (it.sha256, it.gzip)),
        Language::JavaScript => narrowboat_javascript_runtime::IMAGE.map(|it| (it.sha256, it.gzip)),
    }
}

//! The runtimes of languages that the program carries.

use narrowboat_runtime::{LanguageRuntimes, RuntimeImage};

/// Returns the runtimes that the program was built with.
pub(super) fn language_runtimes() -> LanguageRuntimes {
    LanguageRuntimes::new([python_image(), javascript_image()].into_iter().flatten().collect())
}

#[cfg(feature = "python")]
fn python_image() -> Option<RuntimeImage> {
    let image = narrowboat_python_runtime::IMAGE?;
    Some(embedded(narrowboat_core::manifest::Language::Python, image.sha256, image.gzip))
}

#[cfg(not(feature = "python"))]
fn python_image() -> Option<RuntimeImage> {
    None
}

#[cfg(feature = "javascript")]
fn javascript_image() -> Option<RuntimeImage> {
    let image = narrowboat_javascript_runtime::IMAGE?;
    Some(embedded(narrowboat_core::manifest::Language::JavaScript, image.sha256, image.gzip))
}

#[cfg(not(feature = "javascript"))]
fn javascript_image() -> Option<RuntimeImage> {
    None
}

#[cfg(any(feature = "python", feature = "javascript"))]
fn embedded(
    language: narrowboat_core::manifest::Language,
    sha256: [u8; 32],
    gzip: &'static [u8],
) -> RuntimeImage {
    let digest = narrowboat_core::sha256_digest::Sha256Digest::new(sha256);
    RuntimeImage::embedded(language, digest, gzip)
}

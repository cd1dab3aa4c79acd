//! The runtimes of languages that the program carries.

use narrowboat_runtime::LanguageRuntimes;

/// Returns the runtimes that the program was built with.
pub(super) fn language_runtimes() -> LanguageRuntimes {
    #[cfg(feature = "python")]
    let images = narrowboat_python_runtime::IMAGE.map(to_image).into_iter().collect();
    #[cfg(not(feature = "python"))]
    let images = Vec::new();
    LanguageRuntimes::new(images)
}

#[cfg(feature = "python")]
fn to_image(image: narrowboat_python_runtime::Image) -> narrowboat_runtime::RuntimeImage {
    narrowboat_runtime::RuntimeImage::embedded(
        narrowboat_core::manifest::Language::Python,
        narrowboat_core::sha256_digest::Sha256Digest::new(image.sha256),
        image.gzip,
    )
}

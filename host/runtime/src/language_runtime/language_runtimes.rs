//! The runtimes of a host, by language.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::compiled_runtime::CompiledRuntime;
use super::runtime_error::RuntimeError;
use crate::engine::Engine;
use crate::runtime_image::RuntimeImage;
use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The runtimes of a host: the current one of each language, and earlier ones that kept versions have run on. Each is
/// compiled when the first plugin needs it, and stays compiled.
#[derive(Default)]
pub struct LanguageRuntimes {
    /// The current runtime of a language comes first.
    images: Vec<RuntimeImage>,
    /// Held while a runtime is compiled, so that two plugins do not compile it twice.
    compiled: Mutex<FxHashMap<Sha256Digest, Arc<CompiledRuntime>>>,
}

impl LanguageRuntimes {
    /// Creates the runtimes from the images of the current ones.
    pub fn new(images: Vec<RuntimeImage>) -> Self {
        Self { images, compiled: Mutex::default() }
    }

    /// Adds earlier runtimes.
    #[must_use]
    pub fn with_earlier(mut self, images: Vec<RuntimeImage>) -> Self {
        self.images.extend(images);
        self
    }

    /// The image of a language: the `wanted` one if the host has it, else the current one.
    fn image(&self, language: Language, wanted: Option<Sha256Digest>) -> Option<&RuntimeImage> {
        let mut images = self.images.iter().filter(|image| image.language == language);
        let is_wanted = |image: &&RuntimeImage| Some(image.digest) == wanted;
        images.clone().find(is_wanted).or_else(|| images.next())
    }

    /// Returns a runtime of a language: the `wanted` one if the host has it, else the current one. Compiles it if it is
    /// used for the first time, which takes seconds, so do not call it from async code.
    ///
    /// # Errors
    /// If the host has no runtime of the language, or the runtime does not compile.
    pub(crate) fn get(
        &self,
        engine: &Engine,
        language: Language,
        wanted: Option<Sha256Digest>,
    ) -> Result<Arc<CompiledRuntime>, RuntimeError> {
        let image = self.image(language, wanted).ok_or(RuntimeError::Missing(language))?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = compiled.get(&image.digest) {
            return Ok(Arc::clone(runtime));
        }
        let runtime = Arc::new(CompiledRuntime::compile(engine, image)?);
        compiled.insert(image.digest, Arc::clone(&runtime));
        Ok(runtime)
    }
}

//! The runtimes of a host, by language.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::compiled_runtime::CompiledRuntime;
use super::runtime_error::RuntimeError;
use super::runtime_image::RuntimeImage;
use crate::engine::Engine;
use narrowboat_core::manifest::Language;

/// The runtimes of a host. Each is compiled when the first plugin needs it, and stays compiled.
#[derive(Default)]
pub struct LanguageRuntimes {
    images: Vec<RuntimeImage>,
    /// Held while a runtime is compiled, so that two plugins do not compile it twice.
    compiled: Mutex<FxHashMap<Language, Arc<CompiledRuntime>>>,
}

impl LanguageRuntimes {
    /// Creates the runtimes from their images, at most one for each language.
    pub fn new(images: Vec<RuntimeImage>) -> Self {
        Self { images, compiled: Mutex::default() }
    }

    /// The image of the runtime of a language.
    pub fn image(&self, language: Language) -> Option<&RuntimeImage> {
        self.images.iter().find(|image| image.language == language)
    }

    /// Returns the runtime of a language. Compiles it if it is used for the first time, which takes seconds, so do not
    /// call it from async code.
    ///
    /// # Errors
    /// If the host has no runtime of the language, or the runtime does not compile.
    pub(crate) fn get(
        &self,
        engine: &Engine,
        language: Language,
    ) -> Result<Arc<CompiledRuntime>, RuntimeError> {
        let image = self.image(language).ok_or(RuntimeError::Missing(language))?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = compiled.get(&language) {
            return Ok(Arc::clone(runtime));
        }
        let runtime = Arc::new(CompiledRuntime::compile(engine, image)?);
        compiled.insert(language, Arc::clone(&runtime));
        Ok(runtime)
    }
}

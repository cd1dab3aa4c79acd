//! A compiled runtime, which all source plugins of its language share.

use std::sync::Arc;

use super::program::Program;
use super::runtime_error::RuntimeError;
use crate::bindings::source_loader_world::SourceLoaderIndices;
use crate::bindings::source_tests_world::SourceTestsIndices;
use crate::engine::{CompiledComponent, Engine};
use crate::runtime_image::RuntimeImage;
use crate::shared_by_digest::SharedByDigest;
use narrowboat_core::component::{ComponentResources, Role};

/// The size of a page of linear memory, in which the engine gives the initial memory.
const WASM_PAGE_BYTES: u64 = 64 * 1024;

/// A compiled runtime.
pub(crate) struct CompiledRuntime {
    pub(crate) image: RuntimeImage,
    pub(crate) component: Arc<CompiledComponent>,
    pub(crate) loader_indices: SourceLoaderIndices,
    /// `None` for an earlier runtime, which cannot run tests.
    pub(crate) tests_indices: Option<SourceTestsIndices>,
    /// The resources of one instance, as far as the engine tells them.
    pub(crate) resources: ComponentResources,
    /// The programs that versions hold, by the digests of their bundles.
    pub(crate) programs: SharedByDigest<Program>,
}

impl CompiledRuntime {
    /// Compiles a runtime, unless the cache has its code. Takes seconds, so do not call it from async code.
    ///
    /// # Errors
    /// If the image is damaged, or is not the component of a runtime.
    pub(super) fn compile(engine: &Engine, image: &RuntimeImage) -> Result<Self, RuntimeError> {
        Self::try_compile(engine, image)
            .map_err(|problem| RuntimeError::Unusable { language: image.language, problem })
    }

    fn try_compile(engine: &Engine, image: &RuntimeImage) -> wasmtime::Result<Self> {
        let decompress = || Ok(image.decompress()?);
        let component = engine.load_runtime(image.language, image.digest, decompress)?;
        let required = component.resources_required();
        let initial_pages = required.and_then(|required| required.max_initial_memory_size);
        let component = CompiledComponent::link(&component, engine.linker(), &Role::ALL, None)?;
        Ok(Self {
            image: image.clone(),
            loader_indices: SourceLoaderIndices::new(&component.pre)?,
            tests_indices: SourceTestsIndices::new(&component.pre).ok(),
            resources: ComponentResources {
                initial_memory_bytes: initial_pages.unwrap_or(0).saturating_mul(WASM_PAGE_BYTES),
                core_instances: None,
                ..ComponentResources::default()
            },
            component: Arc::new(component),
            programs: SharedByDigest::default(),
        })
    }
}

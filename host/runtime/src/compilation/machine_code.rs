//! Machine code of a component, as wasmtime serializes it.

use std::borrow::Cow;

use wasmtime::component::Component;

use super::memory_images::create_memory_images;

/// Machine code of a component, as wasmtime serializes it. It comes from a trusted place.
pub(crate) struct MachineCode<'a>(Cow<'a, [u8]>);

impl<'a> MachineCode<'a> {
    /// The code in an entry of the cache, whose file and digests the cache has checked.
    pub(crate) fn from_cache(code: &'a [u8]) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// The output of the compiler of this program, in this process or in one that it has started.
    pub(crate) fn from_compiler(code: Vec<u8>) -> Self {
        Self(Cow::Owned(code))
    }

    /// The bytes of the code.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads the code into an engine, and makes the memory images of the component. Blocks.
    ///
    /// # Errors
    /// If the code is for an engine with other settings, or the system refuses the images.
    pub(crate) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
        #[expect(unsafe_code, reason = "the engine cannot verify serialized code")]
        // SAFETY: `deserialize` requires unchanged bytes from `Component::serialize` or `Engine::precompile_component`.
        // There are two sources of such bytes.
        // The cache: `CacheFolder` only opens regular files that belong to this user and that no other user may write,
        // in a folder of the same kind, and checks both on open descriptors. So only hosts of this user have written
        // the file, and they write the output of the compiler. The digests that the cache has checked show that the
        // code is complete, and belongs to this component, the settings of this engine and this version of wasmtime.
        // The compiler: its bytes come from `precompile_component` in this process, or over a pipe from a process that
        // this one has started from its own program and of which nothing else has the other end.
        // In both cases the bytes are a copy in memory that no longer changes.
        let component = unsafe { Component::deserialize(engine, &self.0) }?;
        create_memory_images(&component)?;
        Ok(component)
    }
}

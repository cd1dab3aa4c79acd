//! The runtime of plugins in Python: CPython and the modules of `runtimes/python`, as a component that the build script
//! makes.

/// The component of the runtime.
#[derive(Debug, Clone, Copy)]
pub struct PythonImage {
    /// The SHA-256 of the component.
    pub sha256: [u8; 32],
    /// The component, compressed with gzip.
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/image.rs"));

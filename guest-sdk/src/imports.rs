//! The functions of the host: the imports of the component, or those of the host of a test.

#[cfg(target_family = "wasm")]
pub(crate) use crate::bindings::narrowboat::consumer::{channel_layer, connections, instance};
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::native::imports::{channel_layer, connections, instance};

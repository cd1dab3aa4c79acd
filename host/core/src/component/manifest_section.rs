//! The section of a component that has its manifest.

use wasm_encoder::{CustomSection, Encode, Section};

use crate::manifest;

/// Appends a manifest to the bytes of a component.
pub fn append_manifest(mut component: Vec<u8>, text: &str) -> Vec<u8> {
    let section =
        CustomSection { name: manifest::CUSTOM_SECTION_NAME.into(), data: text.as_bytes().into() };
    component.push(section.id());
    section.encode(&mut component);
    component
}

//! The section of a component that has its manifest.

use wasm_encoder::{CustomSection, Encode, Section};

use crate::manifest;

/// Appends a manifest to the bytes of a component.
pub fn append_manifest(component: Vec<u8>, text: &str) -> Vec<u8> {
    append_custom_section(component, manifest::CUSTOM_SECTION_NAME, text.as_bytes())
}

/// Appends a custom section to the bytes of a component.
pub fn append_custom_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let section = CustomSection { name: name.into(), data: data.into() };
    component.push(section.id());
    section.encode(&mut component);
    component
}

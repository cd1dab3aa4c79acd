//! The file of a plugin: a component or a source bundle, told apart by its first bytes.

use thiserror::Error;

use crate::component::{self, ComponentError, ComponentInfo};
use crate::manifest::{Manifest, ManifestError};
use crate::source_bundle::{SourceBundle, SourceBundleError};

/// The kind of a plugin's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginFileKind {
    /// A component.
    Component,
    /// A source bundle.
    Bundle,
}

impl PluginFileKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Component, Self::Bundle];

    /// The kind of bytes, by their beginning. Bytes that are neither count as a component.
    pub fn of(bytes: &[u8]) -> Self {
        if SourceBundle::is_bundle(bytes) { Self::Bundle } else { Self::Component }
    }

    /// The extension of files of this kind.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Component => "wasm",
            Self::Bundle => "narrowboat",
        }
    }

    /// The media type of files of this kind.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Component => "application/wasm",
            Self::Bundle => "application/x-tar",
        }
    }
}

/// A parsed file of a plugin.
#[derive(Debug, PartialEq, Eq)]
pub enum PluginFile<'a> {
    /// A component with at least one role.
    Component(ComponentInfo<'a>),
    /// A source bundle.
    Bundle(SourceBundle<'a>),
}

/// The reason why bytes are not a file of a plugin.
#[derive(Debug, Error)]
pub enum PluginFileError {
    /// The bytes are not a usable component.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The bytes are not a canonical source bundle.
    #[error("is not a source bundle: it {0}")]
    Bundle(#[from] SourceBundleError),
}

impl<'a> PluginFile<'a> {
    /// Parses the bytes of a component or of a source bundle, without compiling or running them.
    ///
    /// # Errors
    /// The bytes are neither.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PluginFileError> {
        Ok(match PluginFileKind::of(bytes) {
            PluginFileKind::Bundle => Self::Bundle(SourceBundle::parse(bytes)?),
            PluginFileKind::Component => Self::Component(component::parse_plugin(bytes)?),
        })
    }

    /// Parses the manifest; `None` if it is a component without one.
    ///
    /// # Errors
    /// The manifest is wrong, or has a runtime in a component, or none in a source bundle.
    pub fn manifest(&self) -> Result<Option<Manifest>, ManifestError> {
        match self {
            Self::Component(info) => info.manifest.map(Manifest::parse_of_component).transpose(),
            Self::Bundle(bundle) => Manifest::parse_of_bundle(bundle.manifest_text()).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_bundle::SourcePath;
    use std::collections::BTreeMap;

    fn bundle(manifest: &str) -> Vec<u8> {
        let path = SourcePath::parse("plugin.toml").unwrap();
        SourceBundle::pack(&BTreeMap::from([(path, manifest)])).unwrap()
    }

    #[test]
    fn a_bundle_has_the_manifest_of_a_source_plugin() {
        let bytes = bundle("name = \"chat\"\nruntime = \"python\"");
        let manifest = PluginFile::parse(&bytes).unwrap().manifest().unwrap().unwrap();
        assert!(manifest.source.is_some());
        let bytes = bundle("name = \"chat\"");
        let problem = PluginFile::parse(&bytes).unwrap().manifest().unwrap_err();
        assert_eq!(problem, ManifestError::NoRuntime);
    }

    #[test]
    fn a_damaged_bundle_is_not_reported_as_a_component() {
        let bytes = bundle("name = \"chat\"\nruntime = \"python\"");
        let problem = PluginFile::parse(&bytes[..1_000]).unwrap_err().to_string();
        assert_eq!(
            problem,
            "is not a source bundle: it is cut off at byte 1000; `narrowboat plugin build` writes canonical bundles"
        );
    }

    #[test]
    fn other_bytes_are_not_a_component() {
        let problem = PluginFile::parse(b"#!/bin/sh").unwrap_err();
        assert!(matches!(problem, PluginFileError::Component(ComponentError::NotWasm)));
    }
}

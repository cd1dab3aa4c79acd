//! Reads the contents of a component or a source bundle, without running it, for `narrowboat plugin inspect`.

use std::fmt;

use super::bundle_inspection::BundleInspection;
use super::inspection_list::{write_list, write_manifest};
use narrowboat_core::component::{ComponentError, Role, parse_info};
use narrowboat_core::manifest::Manifest;
use narrowboat_core::plugin_file::{PluginFileError, PluginFileKind};
use narrowboat_core::source_bundle::SourceBundle;
use narrowboat_runtime::Sha256Digest;

/// The contents of a component or a source bundle. Its `Display` is a table for people.
#[derive(Debug)]
pub enum Inspection {
    /// Those of a component.
    Component(ComponentInspection),
    /// Those of a source bundle.
    Bundle(BundleInspection),
}

/// The imports, exports and requested capabilities of a component. Its `Display` is a table for people.
#[derive(Debug)]
pub struct ComponentInspection {
    imports: Vec<String>,
    exports: Vec<String>,
    roles: Vec<Role>,
    manifest: Option<String>,
    /// The capabilities that the manifest requests, one text each.
    requested_capabilities: Vec<String>,
    size: usize,
    digest: Sha256Digest,
}

/// Inspects the bytes of a component or a source bundle.
///
/// # Errors
/// When the bytes are neither a complete component nor a canonical source bundle.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, PluginFileError> {
    Ok(match PluginFileKind::of(bytes) {
        PluginFileKind::Component => Inspection::Component(inspect_component(bytes)?),
        PluginFileKind::Bundle => {
            Inspection::Bundle(BundleInspection::new(&SourceBundle::parse(bytes)?, bytes))
        }
    })
}

fn inspect_component(bytes: &[u8]) -> Result<ComponentInspection, ComponentError> {
    let info = parse_info(bytes)?;
    let manifest = info.manifest.and_then(|text| Manifest::parse(text).ok());
    Ok(ComponentInspection {
        requested_capabilities: manifest
            .map_or_else(Vec::new, |manifest| manifest.capabilities.descriptions()),
        roles: info.roles().collect(),
        manifest: info.manifest.map(|text| String::from_utf8_lossy(text).into_owned()),
        imports: info.imports,
        exports: info.exports,
        size: bytes.len(),
        digest: Sha256Digest::of(bytes),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(inspection) => inspection.fmt(f),
            Self::Bundle(inspection) => inspection.fmt(f),
        }
    }
}

impl fmt::Display for ComponentInspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worlds: Vec<_> = self.roles.iter().map(|role| role.world().to_owned()).collect();
        match worlds.as_slice() {
            [] => writeln!(f, "world        unknown (no consumer and no worker is exported)")?,
            worlds => write_list(f, "world", worlds)?,
        }
        write_list(f, "imports", &self.imports)?;
        write_list(f, "exports", &self.exports)?;
        write_list(f, "capabilities", &self.requested_capabilities)?;
        writeln!(f, "size         {} bytes", self.size)?;
        writeln!(f, "sha256       {}", self.digest)?;
        match &self.manifest {
            None => writeln!(f, "manifest     none"),
            Some(text) => write_manifest(f, text),
        }
    }
}

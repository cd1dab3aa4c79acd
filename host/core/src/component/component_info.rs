//! The parser of components.

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use super::component_error::ComponentError;
use super::component_resources::ComponentResources;
use super::role::Role;
use crate::manifest;

/// The contents of a component that the host reads without compiling it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ComponentInfo<'a> {
    /// The names of the imports, in order.
    pub imports: Vec<String>,
    /// The names of the exports, in order.
    pub exports: Vec<String>,
    /// The text of the manifest, if the component has one.
    pub manifest: Option<&'a [u8]>,
    /// The resources that the component needs.
    pub resources: ComponentResources,
}

impl ComponentInfo<'_> {
    /// The roles of the component.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(|role| {
            let mut versions =
                self.exports.iter().filter_map(|export| export.strip_prefix(role.interface()));
            versions.any(|version| version.is_empty() || version.starts_with('@'))
        })
    }
}

/// Parses a component.
///
/// # Errors
/// The bytes are not a complete component.
pub fn parse_info(bytes: &[u8]) -> Result<ComponentInfo<'_>, ComponentError> {
    if bytes.is_empty() {
        return Err(ComponentError::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    let mut info = ComponentInfo::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        info.resources.add_payload(&payload, depth == 0)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(ComponentError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    info.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    let export = export?;
                    if export.kind != ComponentExternalKind::Type {
                        info.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section)
                if depth == 0 && section.name() == manifest::CUSTOM_SECTION_NAME =>
            {
                info.manifest = Some(section.data());
            }
            _ => {}
        }
    }
    Ok(info)
}

/// Parses a component that has at least one role.
///
/// # Errors
/// The bytes are not a complete component, or the component has no role.
pub fn parse_plugin(bytes: &[u8]) -> Result<ComponentInfo<'_>, ComponentError> {
    let info = parse_info(bytes)?;
    if info.roles().next().is_none() {
        return Err(ComponentError::UnsupportedWorld { exports: info.exports });
    }
    Ok(info)
}

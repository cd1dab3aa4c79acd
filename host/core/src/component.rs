//! The bytes of a component, looked at without running them: what it is, what it imports and
//! exports, and the manifest it carries.

mod resources;

use thiserror::Error;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

pub use resources::ComponentResources;

use crate::manifest;

/// What a component can be run as, by what it exports; it may be both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides what happens on connections.
    Consumer,
    /// Takes the messages of named channels.
    Worker,
}

impl Role {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Consumer, Self::Worker];

    /// The interface that makes a component this, without its version.
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Consumer => "narrowboat:consumer/websocket",
            Self::Worker => "narrowboat:consumer/worker",
        }
    }

    /// The world that such a component is of.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Consumer => "narrowboat:consumer/websocket-consumer",
            Self::Worker => "narrowboat:consumer/worker-consumer",
        }
    }
}

/// What is said of a component without exports.
const NO_EXPORTS: &str =
    "nothing; is there a narrowboat_guest::export!(…) or export_worker!(…) in its code?";

/// Why bytes are not a component.
#[derive(Debug, Error)]
pub enum ComponentError {
    /// Nothing there.
    #[error("is empty (0 bytes); is it still being written?")]
    Empty,
    /// Something else.
    #[error("is not WebAssembly; name a component, or a guest crate with `crate = \"DIR\"`")]
    NotWasm,
    /// WebAssembly, but not a component.
    #[error(
        "is a core WebAssembly module, not a component; `narrowboat plugin build DIR` makes a \
         component of a guest crate"
    )]
    CoreModule,
    /// Cut off or damaged.
    #[error("is cut off or damaged at byte {offset}: {problem}")]
    Malformed {
        /// Where reading failed.
        offset: usize,
        /// What the parser said.
        problem: String,
    },
    /// More than the host admits, whatever its code does.
    #[error("has {has} {what}, and may have {most}")]
    LimitExceeded {
        /// Of what.
        what: &'static str,
        /// How much.
        has: u64,
        /// How much it may have.
        most: u64,
    },
    /// A component of some other world.
    #[error(
        "exports no consumer ({}) and no worker ({}); it exports {}",
        Role::Consumer.interface(),
        Role::Worker.interface(),
        if exports.is_empty() { NO_EXPORTS.to_owned() } else { exports.join(", ") }
    )]
    UnsupportedWorld {
        /// What it exports instead.
        exports: Vec<String>,
    },
}

/// What a component says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ComponentInfo<'a> {
    /// Names of its imports, in order.
    pub imports: Vec<String>,
    /// Names of its exports, in order.
    pub exports: Vec<String>,
    /// The text of its manifest, if it carries one.
    pub manifest: Option<&'a [u8]>,
    /// What it takes of a host.
    pub resources: ComponentResources,
}

impl ComponentInfo<'_> {
    /// What it can be run as.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(|role| {
            let rests =
                self.exports.iter().filter_map(|export| export.strip_prefix(role.interface()));
            rests.into_iter().any(|rest| rest.is_empty() || rest.starts_with('@'))
        })
    }
}

/// Reads what a component says of itself.
///
/// # Errors
/// When the bytes are not a whole component.
pub fn parse_info(bytes: &[u8]) -> Result<ComponentInfo<'_>, ComponentError> {
    if bytes.is_empty() {
        return Err(ComponentError::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    let mut summary = ComponentInfo::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        summary.resources.add_payload(&payload, depth == 0).map_err(malformed)?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(ComponentError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    summary.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    let export = export.map_err(malformed)?;
                    if export.kind != ComponentExternalKind::Type {
                        summary.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section)
                if depth == 0 && section.name() == manifest::CUSTOM_SECTION_NAME =>
            {
                summary.manifest = Some(section.data());
            }
            _ => {}
        }
    }
    Ok(summary)
}

/// What a component says of itself that can be run.
///
/// # Errors
/// When the bytes are not a whole component, or one of another world.
pub fn parse_plugin(bytes: &[u8]) -> Result<ComponentInfo<'_>, ComponentError> {
    let summary = parse_info(bytes)?;
    if summary.roles().next().is_none() {
        return Err(ComponentError::UnsupportedWorld { exports: summary.exports });
    }
    Ok(summary)
}

/// Appends a manifest to a component.
pub fn append_manifest(mut component: Vec<u8>, text: &str) -> Vec<u8> {
    use wasm_encoder::{CustomSection, Encode, Section};

    let section =
        CustomSection { name: manifest::CUSTOM_SECTION_NAME.into(), data: text.as_bytes().into() };
    component.push(section.id());
    section.encode(&mut component);
    component
}

fn malformed(error: wasmparser::BinaryReaderError) -> ComponentError {
    ComponentError::Malformed { offset: error.offset(), problem: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        assert!(matches!(parse_info(b""), Err(ComponentError::Empty)));
        assert!(matches!(parse_info(b"#!/bin/sh"), Err(ComponentError::NotWasm)));
        assert!(matches!(parse_info(b"\0asm\x01\0\0\0"), Err(ComponentError::CoreModule)));
        assert!(matches!(parse_info(b"\0asm\x0d\0"), Err(ComponentError::Malformed { .. })));
    }

    #[test]
    fn a_manifest_comes_out_as_it_went_in() {
        let empty = wasm_encoder::Component::new().finish();
        let bytes = append_manifest(empty, "name = \"echo\"");
        assert_eq!(parse_info(&bytes).unwrap().manifest, Some(&b"name = \"echo\""[..]));
        assert!(matches!(parse_plugin(&bytes), Err(ComponentError::UnsupportedWorld { .. })));
    }
}

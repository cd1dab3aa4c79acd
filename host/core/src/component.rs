//! Components as bytes, parsed without compiling or running them.

mod component_error;
mod component_info;
mod component_resources;
mod manifest_section;
mod role;

pub use component_error::ComponentError;
pub use component_info::{ComponentInfo, parse_info, parse_plugin};
pub use component_resources::ComponentResources;
pub use manifest_section::{append_custom_section, append_manifest};
pub use role::Role;

#[cfg(test)]
mod tests;

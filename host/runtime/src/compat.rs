//! Checks whether the imports and exports of a component match the interfaces of this host.

mod host_interface;
mod incompatibility;
mod interface_version;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use host_interface::{CONTRACT, CONTRACT_VERSION, HOST_INTERFACES, HostInterface};
pub use incompatibility::Incompatibility;
use interface_version::{is_compatible, split_version};
use narrowboat_config::closest_match;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;

/// Packages that the standard library of a WASI target imports, whether or not the program uses them.
const STD_WASI_PACKAGES: [&str; 3] = ["wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// Checks the imports and exports of a component against the interfaces of the host and the `granted` capabilities, and
/// returns the roles that the component exports.
///
/// # Errors
/// The first import or export that does not match.
pub(crate) fn check(
    component: &Component,
    granted: &Capabilities,
) -> Result<Vec<Role>, Incompatibility> {
    let engine = component.engine();
    let component = component.component_type();
    for (name, item) in component.imports(engine) {
        check_import(engine, name, &item.ty, granted)?;
    }
    let mut roles = Vec::new();
    for (name, _) in component.exports(engine) {
        let (interface, version) = split_version(name);
        if let Some(role) = Role::ALL.into_iter().find(|role| role.interface() == interface) {
            check_contract(version)?;
            roles.push(role);
        }
    }
    Ok(roles)
}

/// Checks the names of imports against the interfaces of the host. Cheap, because the component need not be compiled.
///
/// # Errors
/// The first import that does not match.
pub(crate) fn check_names(imports: &[String]) -> Result<(), Incompatibility> {
    imports.iter().try_for_each(|import| find_host_interface(import).map(drop))
}

/// Returns the interface of the host that an import names.
fn find_host_interface(import: &str) -> Result<&'static HostInterface, Incompatibility> {
    let (interface, version) = split_version(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    let found = HOST_INTERFACES.iter().find(|offered| {
        let fits = |version| is_compatible(version, offered.version);
        offered.name == interface && version.is_none_or(fits)
    });
    found.ok_or_else(|| {
        if STD_WASI_PACKAGES.iter().any(|package| interface.starts_with(package)) {
            return Incompatibility::Wasi { import: import.to_owned() };
        }
        let nearest = closest_match(interface, HOST_INTERFACES.iter().map(|offered| offered.name));
        let nearest = HOST_INTERFACES.iter().find(|offered| Some(offered.name) == nearest);
        Incompatibility::Interface {
            import: import.to_owned(),
            nearest: nearest.map(HostInterface::full_name),
        }
    })
}

fn check_import(
    engine: &Engine,
    import: &str,
    item: &ComponentItem,
    granted: &Capabilities,
) -> Result<(), Incompatibility> {
    let HostInterface { functions, requirement, .. } = find_host_interface(import)?;
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    // Types need no capability: an interface may only name the types of another one.
    let is_type =
        |item: &ComponentItem| matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
    let is_used = instance.exports(engine).any(|(_, item)| !is_type(&item.ty));
    if let Some(missing) = requirement.filter(|needed| is_used && !needed.is_requested(granted)) {
        return Err(Incompatibility::NotRequested {
            import: import.to_owned(),
            line: missing.manifest_line(),
        });
    }
    for (function, item) in instance.exports(engine) {
        if !is_type(&item.ty) && !functions.contains(&function) {
            let nearest = closest_match(function, functions.iter().copied()).map(str::to_owned);
            let (import, function) = (import.to_owned(), function.to_owned());
            return Err(Incompatibility::Function { import, function, nearest });
        }
    }
    Ok(())
}

fn check_contract(version: Option<&str>) -> Result<(), Incompatibility> {
    match version {
        Some(version) if !is_compatible(version, CONTRACT_VERSION) => {
            Err(Incompatibility::Contract { built: version.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_wasip2_component_names_the_right_target() {
        let imports = ["narrowboat:consumer/types@0.1.0", "wasi:cli/environment@0.2.6"];
        let problem = check_names(&imports.map(str::to_owned)).unwrap_err().to_string();
        assert!(problem.contains("wasi:cli/environment@0.2.6"), "{problem}");
        assert!(problem.contains("wasm32-wasip2"), "{problem}");
        assert!(problem.contains("Build it for wasm32-unknown-unknown"), "{problem}");
    }
}

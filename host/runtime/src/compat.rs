//! Checks whether the imports and exports of a component match the interfaces of this host.

mod host_interface;
mod incompatibility;
mod interface_version;
mod wasi_interface;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use host_interface::{CONTRACT, CONTRACT_VERSION, HOST_INTERFACES, HostInterface};
pub use incompatibility::Incompatibility;
use interface_version::{is_compatible, split_version};
use narrowboat_config::closest_match;
use narrowboat_core::component::Role;
use wasi_interface::{WASI_VERSION, is_wasi_interface, wasi_interfaces};

/// Checks the imports and exports of a component against the interfaces of the host, and returns the roles that the
/// component exports.
///
/// # Errors
/// The first import or export that does not match.
pub(crate) fn check(component: &Component) -> Result<Vec<Role>, Incompatibility> {
    let engine = component.engine();
    let component = component.component_type();
    for (name, item) in component.imports(engine) {
        check_import(engine, name, &item.ty)?;
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

/// Returns the interface of the host that an import names; `None` if it is one of WASI 0.2.
fn find_host_interface(import: &str) -> Result<Option<&'static HostInterface>, Incompatibility> {
    let (interface, version) = split_version(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    if is_wasi_interface(interface, version) {
        return Ok(None);
    }
    let found = HOST_INTERFACES.iter().find(|offered| {
        let fits = |version| is_compatible(version, offered.version);
        offered.name == interface && version.is_none_or(fits)
    });
    found.map(Some).ok_or_else(|| {
        let offered = HOST_INTERFACES.iter().map(|offered| offered.name);
        let nearest = closest_match(interface, offered.chain(wasi_interfaces()));
        Incompatibility::Interface { import: import.to_owned(), nearest: nearest.map(with_version) }
    })
}

/// The name of an interface with the version that the host offers.
fn with_version(name: &str) -> String {
    let offered = HOST_INTERFACES.iter().find(|offered| offered.name == name);
    offered.map_or_else(|| format!("{name}@{WASI_VERSION}"), HostInterface::full_name)
}

/// Checks the functions of an import. The linker checks those of WASI interfaces.
fn check_import(
    engine: &Engine,
    import: &str,
    item: &ComponentItem,
) -> Result<(), Incompatibility> {
    let Some(HostInterface { functions, .. }) = find_host_interface(import)? else { return Ok(()) };
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    let is_type =
        |item: &ComponentItem| matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
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

    fn check_name(import: &str) -> Result<(), String> {
        check_names(&[import.to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn every_0_2_version_of_wasi_is_offered() {
        for version in ["0.2.0", "0.2.9", "0.2.12"] {
            assert_eq!(check_name(&format!("wasi:cli/environment@{version}")), Ok(()));
        }
    }

    #[test]
    fn another_version_of_wasi_is_refused_with_the_version_that_the_host_offers() {
        let error = check_name("wasi:cli/environment@0.3.0").unwrap_err();
        assert!(error.contains("the nearest it has is wasi:cli/environment@0.2.0"), "{error}");
    }

    #[test]
    fn an_unknown_interface_is_refused() {
        let error = check_name("wasi:nn/tensor@0.2.0").unwrap_err();
        assert!(error.contains("imports wasi:nn/tensor@0.2.0"), "{error}");
    }
}

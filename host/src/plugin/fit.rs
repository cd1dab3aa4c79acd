//! Whether a component's imports and exports are those of this host, and what is nearest if not.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::component::Role;
use crate::config::closest;

/// The package of the contract, and its version.
const CONTRACT: &str = "narrowboat:consumer";
const CONTRACT_VERSION: &str = "0.1.0";

/// What the host offers: interfaces, their versions and their functions, as in `wit/`.
const OFFERED: [(&str, &str, &[&str]); 4] = [
    ("narrowboat:consumer/types", CONTRACT_VERSION, &[]),
    (
        "narrowboat:consumer/connections",
        CONTRACT_VERSION,
        &[
            "connection",
            "[method]connection.channel-name",
            "[method]connection.scope",
            "[method]connection.send",
            "[method]connection.buffered-amount",
            "[method]connection.close",
            "[method]connection.set-timer",
            "[method]connection.clear-timer",
            "send-many",
            "find",
        ],
    ),
    (
        "narrowboat:consumer/channel-layer",
        CONTRACT_VERSION,
        &["send", "group-add", "group-discard", "group-send", "group-send-frame"],
    ),
    ("wasi:logging/logging", "0.1.0-draft", &["log"]),
];

/// Why a component does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misfit {
    /// Made for another version of the contract.
    #[error(
        "was built against {CONTRACT}@{built}, and this host offers {CONTRACT}@{CONTRACT_VERSION}; \
         build it with this host's guest SDK, or its wit/"
    )]
    Contract {
        /// The version it names.
        built: String,
    },
    /// An interface there is none of.
    #[error("imports {import}, which this host does not offer; {}", nearest_words(.nearest))]
    Interface {
        /// As the component names it.
        import: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// A function that its interface does not have.
    #[error(
        "imports {function} of {import}, which this host does not offer; {}",
        nearest_words(.nearest)
    )]
    Function {
        /// The interface.
        import: String,
        /// The function, as the component names it.
        function: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
}

fn nearest_words(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("the nearest it has is {name}"),
        None => {
            let names = OFFERED.iter().filter(|(.., functions)| !functions.is_empty());
            let names: Vec<_> =
                names.map(|(name, version, _)| format!("{name}@{version}")).collect();
            format!("it offers {}", names.join(", "))
        }
    }
}

/// Holds what a component imports and exports against what the host has, and says what it can be
/// run as.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn check(component: &Component) -> Result<Vec<Role>, Misfit> {
    let engine = component.engine();
    let component = component.component_type();
    for (name, item) in component.imports(engine) {
        check_import(engine, name, &item.ty)?;
    }
    let mut roles = Vec::new();
    for (name, _) in component.exports(engine) {
        let (interface, version) = split(name);
        if let Some(role) = Role::ALL.into_iter().find(|role| role.interface() == interface) {
            check_contract(version)?;
            roles.push(role);
        }
    }
    Ok(roles)
}

/// Holds the names of imports against the interfaces that the host has: what fails here need not be compiled.
///
/// # Errors
/// The first that does not fit.
pub(super) fn check_names(imports: &[String]) -> Result<(), Misfit> {
    imports.iter().try_for_each(|import| functions_of(import).map(drop))
}

/// The functions of the interface that an import names.
fn functions_of(import: &str) -> Result<&'static [&'static str], Misfit> {
    let (interface, version) = split(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    let offered = OFFERED.iter().find(|(name, offers, _)| {
        *name == interface && version.is_none_or(|version| is_compatible(version, offers))
    });
    if let Some((_, _, functions)) = offered {
        return Ok(functions);
    }
    let names = OFFERED.iter().map(|(name, ..)| *name);
    let nearest = closest(interface, names).map(|name| {
        let version = OFFERED.iter().find(|offered| offered.0 == name).map_or("", |it| it.1);
        format!("{name}@{version}")
    });
    Err(Misfit::Interface { import: import.to_owned(), nearest })
}

fn check_import(engine: &Engine, import: &str, item: &ComponentItem) -> Result<(), Misfit> {
    let functions = functions_of(import)?;
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    for (function, item) in instance.exports(engine) {
        let is_type = matches!(item.ty, ComponentItem::Type(_));
        if !is_type && !functions.contains(&function) {
            let nearest = closest(function, functions.iter().copied()).map(str::to_owned);
            let (import, function) = (import.to_owned(), function.to_owned());
            return Err(Misfit::Function { import, function, nearest });
        }
    }
    Ok(())
}

fn check_contract(version: Option<&str>) -> Result<(), Misfit> {
    match version {
        Some(version) if !is_compatible(version, CONTRACT_VERSION) => {
            Err(Misfit::Contract { built: version.to_owned() })
        }
        _ => Ok(()),
    }
}

fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((interface, version)) => (interface, Some(version)),
        None => (name, None),
    }
}

/// By the rules of semantic versions, 0.1.x go together, 0.2 is another matter.
fn is_compatible(wanted: &str, offered: &str) -> bool {
    let key = |version: &str| {
        let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
        let mut numbers = numbers.split('.').map(str::to_owned);
        let major = numbers.next();
        let minor = if major.as_deref() == Some("0") { numbers.next() } else { None };
        (major, minor, pre.to_owned())
    };
    key(wanted) == key(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions that an interface of `wit/` declares, as a component names them.
    fn declared(text: &str, interface: &str) -> Vec<String> {
        let start = text.find(&format!("interface {interface} {{")).unwrap();
        let mut names = Vec::new();
        let mut resource = None;
        for line in text[start..].lines().skip(1).take_while(|line| *line != "}") {
            let line = line.trim();
            if let Some(name) = line.strip_prefix("resource ") {
                let name = name.trim_end_matches(" {");
                resource = Some(name.to_owned());
                names.push(name.to_owned());
            } else if line == "}" {
                resource = None;
            } else if let Some((name, rest)) = line.split_once(": ")
                && rest.starts_with("func(")
            {
                names.push(match &resource {
                    Some(resource) => format!("[method]{resource}.{name}"),
                    None => name.to_owned(),
                });
            }
        }
        names
    }

    #[test]
    fn what_is_offered_is_what_the_contract_declares() {
        let contract = include_str!("../../../wit/consumer.wit");
        let logging = include_str!("../../../wit/deps/logging/logging.wit");
        assert!(contract.contains(&format!("package {CONTRACT}@{CONTRACT_VERSION};")));
        for (name, _, functions) in OFFERED {
            let interface = name.rsplit('/').next().unwrap();
            let text = if name.starts_with(CONTRACT) { contract } else { logging };
            assert_eq!(declared(text, interface), functions, "{name}");
        }
    }

    #[test]
    fn versions_go_together_by_the_rules_of_semantic_versions() {
        assert!(is_compatible("0.1.7", "0.1.0"));
        assert!(!is_compatible("0.2.0", "0.1.0"));
        assert!(is_compatible("1.4.0", "1.0.0"));
        assert!(!is_compatible("0.1.0", "0.1.0-draft"));
    }
}

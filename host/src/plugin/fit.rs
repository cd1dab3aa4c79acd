//! Whether a component's imports and exports are those of this host, and what is nearest if not.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::capabilities::{Capabilities, Power};
use crate::component::Role;
use crate::config::closest;

/// The package of the contract, and its version.
const CONTRACT: &str = "narrowboat:consumer";
const CONTRACT_VERSION: &str = "0.1.0";

/// An interface that the host has, as in `wit/`.
struct Offered {
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
    /// What a manifest has to ask for before it may be imported.
    power: Option<Power>,
}

/// The versions of WASI's interfaces.
const WASI_VERSION: &str = "0.2.0";

/// What is for everybody.
const fn open(
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
) -> Offered {
    Offered { name, version, functions, power: None }
}

/// What is for those to whom it is granted.
const fn granted(name: &'static str, power: Power, functions: &'static [&'static str]) -> Offered {
    Offered { name, version: WASI_VERSION, functions, power: Some(power) }
}

/// What the host offers.
const OFFERED: [Offered; 9] = [
    open("narrowboat:consumer/types", CONTRACT_VERSION, &[]),
    open(
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
    open(
        "narrowboat:consumer/channel-layer",
        CONTRACT_VERSION,
        &["send", "group-add", "group-discard", "group-send", "group-send-frame"],
    ),
    open("wasi:logging/logging", "0.1.0-draft", &["log"]),
    granted("wasi:clocks/monotonic-clock", Power::Clocks, &["now", "resolution"]),
    granted("wasi:clocks/wall-clock", Power::Clocks, &["now", "resolution"]),
    granted("wasi:random/random", Power::Random, &["get-random-bytes", "get-random-u64"]),
    granted(
        "wasi:random/insecure",
        Power::Random,
        &["get-insecure-random-bytes", "get-insecure-random-u64"],
    ),
    granted("wasi:random/insecure-seed", Power::Random, &["insecure-seed"]),
];

impl Offered {
    /// As a component imports it.
    fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

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
    /// An interface that its manifest does not ask for.
    #[error(
        "imports {import}, and its manifest does not ask for it: `{key} = true` belongs under [asks] in its \
         plugin.toml, and into its `grants` in the host's configuration"
    )]
    Unasked {
        /// As the component names it.
        import: String,
        /// The key that asks for it.
        key: &'static str,
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
            let names = OFFERED.iter().filter(|offered| !offered.functions.is_empty());
            let names: Vec<_> = names.map(Offered::full_name).collect();
            format!("it offers {}", names.join(", "))
        }
    }
}

/// Holds what a component imports and exports against what the host has and its manifest `asks` for, and says what it
/// can be run as.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn check(component: &Component, asks: &Capabilities) -> Result<Vec<Role>, Misfit> {
    let engine = component.engine();
    let component = component.component_type();
    for (name, item) in component.imports(engine) {
        check_import(engine, name, &item.ty, asks)?;
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

/// Holds the names of imports against the interfaces that the host has and a manifest asks for: what fails here need not
/// be compiled.
///
/// # Errors
/// The first that does not fit.
pub(super) fn check_names(imports: &[String], asks: &Capabilities) -> Result<(), Misfit> {
    imports.iter().try_for_each(|import| functions_of(import, asks).map(drop))
}

/// The functions of the interface that an import names.
fn functions_of(import: &str, asks: &Capabilities) -> Result<&'static [&'static str], Misfit> {
    let (interface, version) = split(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    let offered = OFFERED.iter().find(|offered| {
        let fits = |version| is_compatible(version, offered.version);
        offered.name == interface && version.is_none_or(fits)
    });
    let Some(Offered { functions, power, .. }) = offered else {
        let nearest = closest(interface, OFFERED.iter().map(|offered| offered.name));
        let nearest = OFFERED.iter().find(|offered| Some(offered.name) == nearest);
        let (import, nearest) = (import.to_owned(), nearest.map(Offered::full_name));
        return Err(Misfit::Interface { import, nearest });
    };
    match power.filter(|power| !asks.have(*power)) {
        Some(power) => Err(Misfit::Unasked { import: import.to_owned(), key: power.key() }),
        None => Ok(functions),
    }
}

fn check_import(
    engine: &Engine,
    import: &str,
    item: &ComponentItem,
    asks: &Capabilities,
) -> Result<(), Misfit> {
    let functions = functions_of(import, asks)?;
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
        let clocks = include_str!("../../../wit/deps/clocks/clocks.wit");
        let random = include_str!("../../../wit/deps/random/random.wit");
        assert!(contract.contains(&format!("package {CONTRACT}@{CONTRACT_VERSION};")));
        for Offered { name, version, functions, .. } in OFFERED {
            let (package, interface) = name.split_once('/').unwrap();
            let text = [contract, logging, clocks, random].into_iter();
            let mut text =
                text.filter(|text| text.contains(&format!("package {package}@{version};")));
            assert_eq!(declared(text.next().unwrap(), interface), functions, "{name}");
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

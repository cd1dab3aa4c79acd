//! Whether a component's imports and exports are those of this host, and what is nearest if not.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use narrowboat_config::closest;
use narrowboat_core::capabilities::{Capabilities, Power};
use narrowboat_core::component::Role;

/// The package of the contract, and its version.
const CONTRACT: &str = "narrowboat:consumer";
const CONTRACT_VERSION: &str = "0.1.0";

/// An interface that the host has, as in `wit/`.
struct Offered {
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
    /// What a manifest has to ask for before it may be imported.
    need: Option<Need>,
}

/// What a manifest has to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Power(Power),
    /// Some host.
    Hosts,
}

impl Need {
    fn is_asked(self, asks: &Capabilities) -> bool {
        match self {
            Self::Power(power) => asks.have(power),
            Self::Hosts => asks.reach_hosts(),
        }
    }

    /// The line that asks for it.
    fn line(self) -> String {
        match self {
            Self::Power(power) => format!("{} = true", power.key()),
            Self::Hosts => "http = [\"https://HOST\"]".to_owned(),
        }
    }
}

/// The versions of WASI's interfaces.
const WASI_VERSION: &str = "0.2.0";
const KEYVALUE_VERSION: &str = "0.2.0-draft2";

/// The packages that programs import which are built for WASI, whether they use them or not.
const OF_STANDARD_LIBRARIES: [&str; 3] = ["wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// What is for everybody.
const fn open(
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
) -> Offered {
    Offered { name, version, functions, need: None }
}

/// What is for those to whom it is granted.
const fn granted(name: &'static str, power: Power, functions: &'static [&'static str]) -> Offered {
    Offered { name, version: WASI_VERSION, functions, need: Some(Need::Power(power)) }
}

/// The same of what is kept.
const fn kept(name: &'static str, functions: &'static [&'static str]) -> Offered {
    let need = Some(Need::Power(Power::Keyvalue));
    Offered { name, version: KEYVALUE_VERSION, functions, need }
}

/// The same of what requests need.
const fn requested(name: &'static str, functions: &'static [&'static str]) -> Offered {
    Offered { name, version: WASI_VERSION, functions, need: Some(Need::Hosts) }
}

/// What the host offers.
const OFFERED: [Offered; 16] = [
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
    kept(
        "wasi:keyvalue/store",
        &[
            "open",
            "bucket",
            "[method]bucket.get",
            "[method]bucket.set",
            "[method]bucket.delete",
            "[method]bucket.exists",
            "[method]bucket.list-keys",
        ],
    ),
    kept("wasi:keyvalue/atomics", &["increment"]),
    requested("wasi:io/error", &["error", "[method]error.to-debug-string"]),
    requested(
        "wasi:io/poll",
        &["pollable", "[method]pollable.ready", "[method]pollable.block", "poll"],
    ),
    requested(
        "wasi:io/streams",
        &[
            "input-stream",
            "[method]input-stream.read",
            "[method]input-stream.blocking-read",
            "[method]input-stream.skip",
            "[method]input-stream.blocking-skip",
            "[method]input-stream.subscribe",
            "output-stream",
            "[method]output-stream.check-write",
            "[method]output-stream.write",
            "[method]output-stream.blocking-write-and-flush",
            "[method]output-stream.flush",
            "[method]output-stream.blocking-flush",
            "[method]output-stream.subscribe",
            "[method]output-stream.write-zeroes",
            "[method]output-stream.blocking-write-zeroes-and-flush",
            "[method]output-stream.splice",
            "[method]output-stream.blocking-splice",
        ],
    ),
    requested(
        "wasi:http/types",
        &[
            "fields",
            "[constructor]fields",
            "[static]fields.from-list",
            "[method]fields.get",
            "[method]fields.has",
            "[method]fields.set",
            "[method]fields.delete",
            "[method]fields.append",
            "[method]fields.entries",
            "[method]fields.clone",
            "outgoing-request",
            "[constructor]outgoing-request",
            "[method]outgoing-request.body",
            "[method]outgoing-request.method",
            "[method]outgoing-request.set-method",
            "[method]outgoing-request.path-with-query",
            "[method]outgoing-request.set-path-with-query",
            "[method]outgoing-request.scheme",
            "[method]outgoing-request.set-scheme",
            "[method]outgoing-request.authority",
            "[method]outgoing-request.set-authority",
            "[method]outgoing-request.headers",
            "request-options",
            "[constructor]request-options",
            "[method]request-options.connect-timeout",
            "[method]request-options.set-connect-timeout",
            "[method]request-options.first-byte-timeout",
            "[method]request-options.set-first-byte-timeout",
            "[method]request-options.between-bytes-timeout",
            "[method]request-options.set-between-bytes-timeout",
            "incoming-response",
            "[method]incoming-response.status",
            "[method]incoming-response.headers",
            "[method]incoming-response.consume",
            "incoming-body",
            "[method]incoming-body.stream",
            "[static]incoming-body.finish",
            "future-trailers",
            "[method]future-trailers.subscribe",
            "[method]future-trailers.get",
            "outgoing-body",
            "[method]outgoing-body.write",
            "[static]outgoing-body.finish",
            "future-incoming-response",
            "[method]future-incoming-response.subscribe",
            "[method]future-incoming-response.get",
            "http-error-code",
        ],
    ),
    requested("wasi:http/outgoing-handler", &["handle"]),
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
    /// An interface of WASI that the standard library of a target with WASI imports.
    #[error(
        "imports {import}, which this host does not offer; was it built for wasm32-wasip2? Build it for \
         wasm32-unknown-unknown, as `narrowboat plugin build` does, and ask for what it needs of WASI in its plugin.toml"
    )]
    Wasi {
        /// As the component names it.
        import: String,
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
        "imports {import}, and its manifest does not ask for it: `{line}` belongs under [asks] in its \
         plugin.toml, and into its `grants` in the host's configuration"
    )]
    Unasked {
        /// As the component names it.
        import: String,
        /// The line that asks for it.
        line: String,
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

/// Holds the names of imports against the interfaces that the host has: what fails here need not be compiled.
///
/// # Errors
/// The first that does not fit.
pub(super) fn check_names(imports: &[String]) -> Result<(), Misfit> {
    imports.iter().try_for_each(|import| offered(import).map(drop))
}

/// The interface that an import names.
fn offered(import: &str) -> Result<&'static Offered, Misfit> {
    let (interface, version) = split(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    let offered = OFFERED.iter().find(|offered| {
        let fits = |version| is_compatible(version, offered.version);
        offered.name == interface && version.is_none_or(fits)
    });
    offered.ok_or_else(|| {
        if OF_STANDARD_LIBRARIES.iter().any(|package| interface.starts_with(package)) {
            return Misfit::Wasi { import: import.to_owned() };
        }
        let nearest = closest(interface, OFFERED.iter().map(|offered| offered.name));
        let nearest = OFFERED.iter().find(|offered| Some(offered.name) == nearest);
        Misfit::Interface { import: import.to_owned(), nearest: nearest.map(Offered::full_name) }
    })
}

fn check_import(
    engine: &Engine,
    import: &str,
    item: &ComponentItem,
    asks: &Capabilities,
) -> Result<(), Misfit> {
    let Offered { functions, need, .. } = offered(import)?;
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    // Types alone are words, be they another interface's that this one speaks of.
    let is_type =
        |item: &ComponentItem| matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
    let is_used = instance.exports(engine).any(|(_, item)| !is_type(&item.ty));
    if let Some(need) = need.filter(|need| is_used && !need.is_asked(asks)) {
        return Err(Misfit::Unasked { import: import.to_owned(), line: need.line() });
    }
    for (function, item) in instance.exports(engine) {
        if !is_type(&item.ty) && !functions.contains(&function) {
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
            } else if let (true, Some(resource)) = (line.starts_with("constructor("), &resource) {
                names.push(format!("[constructor]{resource}"));
            } else if let Some((name, rest)) = line.split_once(": ")
                && let Some(kind) = rest.strip_suffix(';').and_then(|it| it.split_once("func("))
            {
                // A name that is a word of the language has a sign before it.
                let name = name.trim_start_matches('%');
                names.push(match (&resource, kind.0) {
                    (Some(resource), "static ") => format!("[static]{resource}.{name}"),
                    (Some(resource), _) => format!("[method]{resource}.{name}"),
                    (None, _) => name.to_owned(),
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
        let keyvalue = include_str!("../../../wit/deps/keyvalue/keyvalue.wit");
        let io = include_str!("../../../wit/deps/io/io.wit");
        let http = include_str!("../../../wit/deps/http/http.wit");
        assert!(contract.contains(&format!("package {CONTRACT}@{CONTRACT_VERSION};")));
        for Offered { name, version, functions, .. } in OFFERED {
            let (package, interface) = name.split_once('/').unwrap();
            let text = [contract, logging, clocks, random, keyvalue, io, http].into_iter();
            let mut text =
                text.filter(|text| text.contains(&format!("package {package}@{version};")));
            assert_eq!(declared(text.next().unwrap(), interface), functions, "{name}");
        }
    }

    #[test]
    fn a_component_for_wasip2_is_told_what_to_build_for() {
        let imports = ["narrowboat:consumer/types@0.1.0", "wasi:cli/environment@0.2.6"];
        let problem = check_names(&imports.map(str::to_owned)).unwrap_err().to_string();
        assert!(problem.contains("wasi:cli/environment@0.2.6"), "{problem}");
        assert!(problem.contains("wasm32-wasip2"), "{problem}");
        assert!(problem.contains("Build it for wasm32-unknown-unknown"), "{problem}");
    }

    #[test]
    fn versions_go_together_by_the_rules_of_semantic_versions() {
        assert!(is_compatible("0.1.7", "0.1.0"));
        assert!(!is_compatible("0.2.0", "0.1.0"));
        assert!(is_compatible("1.4.0", "1.0.0"));
        assert!(!is_compatible("0.1.0", "0.1.0-draft"));
    }
}

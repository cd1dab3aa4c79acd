//! Whether a component's imports and exports are those of this host, and what is nearest if not.

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use narrowboat_config::closest_match;
use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};
use narrowboat_core::component::Role;

/// The package of the contract, and its version.
const CONTRACT: &str = "narrowboat:consumer";
const CONTRACT_VERSION: &str = "0.1.0";

/// An interface that the host has, as in `wit/`.
struct HostInterface {
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
    /// What a manifest has to request before it may be imported.
    requirement: Option<Requirement>,
}

/// What a manifest has to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requirement {
    CapabilityFlag(CapabilityFlag),
    /// Some host.
    HttpHosts,
}

impl Requirement {
    fn is_requested(self, asks: &Capabilities) -> bool {
        match self {
            Self::CapabilityFlag(power) => asks.has_flag(power),
            Self::HttpHosts => asks.has_http(),
        }
    }

    /// The line that asks for it.
    fn manifest_line(self) -> String {
        match self {
            Self::CapabilityFlag(power) => format!("{} = true", power.key()),
            Self::HttpHosts => "http = [\"https://HOST\"]".to_owned(),
        }
    }
}

/// The versions of WASI's interfaces.
const WASI_VERSION: &str = "0.2.0";
const KEYVALUE_VERSION: &str = "0.2.0-draft2";

/// The packages that programs import which are built for WASI, whether they use them or not.
const STD_WASI_PACKAGES: [&str; 3] = ["wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// What is for everybody.
const fn ungated_interface(
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
) -> HostInterface {
    HostInterface { name, version, functions, requirement: None }
}

/// What is for those to whom it is granted.
const fn gated_interface(
    name: &'static str,
    power: CapabilityFlag,
    functions: &'static [&'static str],
) -> HostInterface {
    HostInterface {
        name,
        version: WASI_VERSION,
        functions,
        requirement: Some(Requirement::CapabilityFlag(power)),
    }
}

/// The same of what is kept.
const fn keyvalue_interface(
    name: &'static str,
    functions: &'static [&'static str],
) -> HostInterface {
    let need = Some(Requirement::CapabilityFlag(CapabilityFlag::Keyvalue));
    HostInterface { name, version: KEYVALUE_VERSION, functions, requirement: need }
}

/// The same of what requests need.
const fn http_interface(name: &'static str, functions: &'static [&'static str]) -> HostInterface {
    HostInterface {
        name,
        version: WASI_VERSION,
        functions,
        requirement: Some(Requirement::HttpHosts),
    }
}

/// What the host offers.
const HOST_INTERFACES: [HostInterface; 16] = [
    ungated_interface("narrowboat:consumer/types", CONTRACT_VERSION, &[]),
    ungated_interface(
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
    ungated_interface(
        "narrowboat:consumer/channel-layer",
        CONTRACT_VERSION,
        &["send", "group-add", "group-discard", "group-send", "group-send-frame"],
    ),
    ungated_interface("wasi:logging/logging", "0.1.0-draft", &["log"]),
    gated_interface("wasi:clocks/monotonic-clock", CapabilityFlag::Clocks, &["now", "resolution"]),
    gated_interface("wasi:clocks/wall-clock", CapabilityFlag::Clocks, &["now", "resolution"]),
    gated_interface(
        "wasi:random/random",
        CapabilityFlag::Random,
        &["get-random-bytes", "get-random-u64"],
    ),
    gated_interface(
        "wasi:random/insecure",
        CapabilityFlag::Random,
        &["get-insecure-random-bytes", "get-insecure-random-u64"],
    ),
    gated_interface("wasi:random/insecure-seed", CapabilityFlag::Random, &["insecure-seed"]),
    keyvalue_interface(
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
    keyvalue_interface("wasi:keyvalue/atomics", &["increment"]),
    http_interface("wasi:io/error", &["error", "[method]error.to-debug-string"]),
    http_interface(
        "wasi:io/poll",
        &["pollable", "[method]pollable.ready", "[method]pollable.block", "poll"],
    ),
    http_interface(
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
    http_interface(
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
    http_interface("wasi:http/outgoing-handler", &["handle"]),
];

impl HostInterface {
    /// As a component imports it.
    fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Why a component does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incompatibility {
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
    #[error("imports {import}, which this host does not offer; {}", describe_nearest(.nearest))]
    Interface {
        /// As the component names it.
        import: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// An interface that its manifest does not request.
    #[error(
        "imports {import}, and its manifest does not request it: `{line}` belongs under [capabilities] in its \
         plugin.toml, and into its `grants` in the host's configuration"
    )]
    NotRequested {
        /// As the component names it.
        import: String,
        /// The line that asks for it.
        line: String,
    },
    /// A function that its interface does not have.
    #[error(
        "imports {function} of {import}, which this host does not offer; {}",
        describe_nearest(.nearest)
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

fn describe_nearest(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("the nearest it has is {name}"),
        None => {
            let names = HOST_INTERFACES.iter().filter(|offered| !offered.functions.is_empty());
            let names: Vec<_> = names.map(HostInterface::full_name).collect();
            format!("it offers {}", names.join(", "))
        }
    }
}

/// Holds what a component imports and exports against what the host has and its manifest requests, and says what it
/// can be run as.
///
/// # Errors
/// The first thing that does not fit.
pub(crate) fn check(
    component: &Component,
    asks: &Capabilities,
) -> Result<Vec<Role>, Incompatibility> {
    let engine = component.engine();
    let component = component.component_type();
    for (name, item) in component.imports(engine) {
        check_import(engine, name, &item.ty, asks)?;
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

/// Holds the names of imports against the interfaces that the host has: what fails here need not be compiled.
///
/// # Errors
/// The first that does not fit.
pub(crate) fn check_names(imports: &[String]) -> Result<(), Incompatibility> {
    imports.iter().try_for_each(|import| find_host_interface(import).map(drop))
}

/// The interface that an import names.
fn find_host_interface(import: &str) -> Result<&'static HostInterface, Incompatibility> {
    let (interface, version) = split_version(import);
    if interface.split('/').next() == Some(CONTRACT) {
        check_contract(version)?;
    }
    let offered = HOST_INTERFACES.iter().find(|offered| {
        let fits = |version| is_compatible(version, offered.version);
        offered.name == interface && version.is_none_or(fits)
    });
    offered.ok_or_else(|| {
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
    asks: &Capabilities,
) -> Result<(), Incompatibility> {
    let HostInterface { functions, requirement: need, .. } = find_host_interface(import)?;
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    // Types alone are words, be they another interface's that this one speaks of.
    let is_type =
        |item: &ComponentItem| matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
    let is_used = instance.exports(engine).any(|(_, item)| !is_type(&item.ty));
    if let Some(need) = need.filter(|need| is_used && !need.is_requested(asks)) {
        return Err(Incompatibility::NotRequested {
            import: import.to_owned(),
            line: need.manifest_line(),
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

fn split_version(name: &str) -> (&str, Option<&str>) {
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
        for HostInterface { name, version, functions, .. } in HOST_INTERFACES {
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

//! The interfaces of the host, as in `wit/`.

use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};

/// The package of the contract.
pub(super) const CONTRACT: &str = "narrowboat:consumer";

/// The version of the contract.
pub(super) const CONTRACT_VERSION: &str = "0.1.0";

/// The version of most interfaces of WASI.
const WASI_VERSION: &str = "0.2.0";

/// The version of `wasi:keyvalue`.
const KEYVALUE_VERSION: &str = "0.2.0-draft2";

/// An interface that the host offers, as in `wit/`.
pub(super) struct HostInterface {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) functions: &'static [&'static str],
    /// The capability that the manifest must request; `None` if any component may import the interface.
    pub(super) requirement: Option<Requirement>,
}

/// A capability that a manifest must request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requirement {
    CapabilityFlag(CapabilityFlag),
    /// At least one host for HTTP requests.
    HttpHosts,
}

impl Requirement {
    pub(super) fn is_requested(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::CapabilityFlag(flag) => capabilities.has_flag(flag),
            Self::HttpHosts => capabilities.has_http(),
        }
    }

    /// The line of a manifest that requests the capability.
    pub(super) fn manifest_line(self) -> String {
        match self {
            Self::CapabilityFlag(flag) => format!("{} = true", flag.key()),
            Self::HttpHosts => "http = [\"https://HOST\"]".to_owned(),
        }
    }
}

impl HostInterface {
    /// The name with the version, as a component imports it.
    pub(super) fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// An interface that any component may import.
const fn ungated_interface(
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
) -> HostInterface {
    HostInterface { name, version, functions, requirement: None }
}

/// An interface that needs the capability `flag`.
const fn gated_interface(
    name: &'static str,
    flag: CapabilityFlag,
    functions: &'static [&'static str],
) -> HostInterface {
    HostInterface {
        name,
        version: WASI_VERSION,
        functions,
        requirement: Some(Requirement::CapabilityFlag(flag)),
    }
}

/// An interface that needs the capability `keyvalue`.
const fn keyvalue_interface(
    name: &'static str,
    functions: &'static [&'static str],
) -> HostInterface {
    let requirement = Some(Requirement::CapabilityFlag(CapabilityFlag::Keyvalue));
    HostInterface { name, version: KEYVALUE_VERSION, functions, requirement }
}

/// An interface that needs the capability `http`.
const fn http_interface(name: &'static str, functions: &'static [&'static str]) -> HostInterface {
    HostInterface {
        name,
        version: WASI_VERSION,
        functions,
        requirement: Some(Requirement::HttpHosts),
    }
}

/// All interfaces that the host offers.
pub(super) const HOST_INTERFACES: [HostInterface; 16] = [
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the functions that an interface of `wit/` declares, as a component names them.
    fn declared_functions(text: &str, interface: &str) -> Vec<String> {
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
                // WIT escapes names that are keywords with `%`.
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
    fn the_host_offers_the_functions_that_wit_declares() {
        let contract = include_str!("../../../../wit/consumer.wit");
        let logging = include_str!("../../../../wit/deps/logging/logging.wit");
        let clocks = include_str!("../../../../wit/deps/clocks/clocks.wit");
        let random = include_str!("../../../../wit/deps/random/random.wit");
        let keyvalue = include_str!("../../../../wit/deps/keyvalue/keyvalue.wit");
        let io = include_str!("../../../../wit/deps/io/io.wit");
        let http = include_str!("../../../../wit/deps/http/http.wit");
        assert!(contract.contains(&format!("package {CONTRACT}@{CONTRACT_VERSION};")));
        for HostInterface { name, version, functions, .. } in HOST_INTERFACES {
            let (package, interface) = name.split_once('/').unwrap();
            let text = [contract, logging, clocks, random, keyvalue, io, http].into_iter();
            let mut text =
                text.filter(|text| text.contains(&format!("package {package}@{version};")));
            assert_eq!(declared_functions(text.next().unwrap(), interface), functions, "{name}");
        }
    }
}

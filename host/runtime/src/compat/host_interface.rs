//! The interfaces of the host, as in `wit/`.

/// The package of the contract.
pub(super) const CONTRACT: &str = "narrowboat:consumer";

/// The version of the contract.
pub(super) const CONTRACT_VERSION: &str = "0.1.0";

/// The version of `wasi:keyvalue`.
const KEYVALUE_VERSION: &str = "0.2.0-draft2";

/// The version of `wasi:config`.
const CONFIG_VERSION: &str = "0.2.0-rc.1";

/// An interface that the host offers, as in `wit/`.
pub(super) struct HostInterface {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) functions: &'static [&'static str],
}

impl HostInterface {
    /// The name with the version, as a component imports it.
    pub(super) fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

const fn interface(
    name: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
) -> HostInterface {
    HostInterface { name, version, functions }
}

/// The interfaces that the host offers beside those of WASI 0.2.
pub(super) const HOST_INTERFACES: [HostInterface; 13] = [
    interface("narrowboat:consumer/types", CONTRACT_VERSION, &[]),
    interface(
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
            "[method]connection.accept",
            "[method]connection.reject",
            "send-many",
            "find",
            "everyone",
            "send-everyone",
        ],
    ),
    interface(
        "narrowboat:consumer/channel-layer",
        CONTRACT_VERSION,
        &["send", "group-add", "group-discard", "group-send", "group-send-frame"],
    ),
    interface(
        "narrowboat:consumer/keyvalue",
        CONTRACT_VERSION,
        &["set-with-ttl", "set-ttl", "ttl", "list-by-prefix"],
    ),
    interface(
        "narrowboat:consumer/instance",
        CONTRACT_VERSION,
        &["get-restore-reason", "room", "set-alarm", "cancel-alarm", "get-alarm"],
    ),
    interface("narrowboat:consumer/batch-progress", CONTRACT_VERSION, &["end-event"]),
    interface("narrowboat:consumer/call-time", CONTRACT_VERSION, &["get"]),
    interface("narrowboat:consumer/test-host", CONTRACT_VERSION, &["call"]),
    interface("wasi:logging/logging", "0.1.0-draft", &["log"]),
    interface(
        "wasi:keyvalue/store",
        KEYVALUE_VERSION,
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
    interface(
        "wasi:keyvalue/atomics",
        KEYVALUE_VERSION,
        &["cas", "[static]cas.new", "[method]cas.current", "increment", "swap"],
    ),
    interface("wasi:keyvalue/batch", KEYVALUE_VERSION, &["get-many", "set-many", "delete-many"]),
    interface("wasi:config/store", CONFIG_VERSION, &["get", "get-all"]),
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
        let keyvalue = include_str!("../../../../wit/deps/keyvalue/keyvalue.wit");
        let config = include_str!("../../../../wit/deps/config/config.wit");
        assert!(contract.contains(&format!("package {CONTRACT}@{CONTRACT_VERSION};")));
        for HostInterface { name, version, functions, .. } in HOST_INTERFACES {
            let (package, interface) = name.split_once('/').unwrap();
            let text = [contract, logging, keyvalue, config].into_iter();
            let mut text =
                text.filter(|text| text.contains(&format!("package {package}@{version};")));
            assert_eq!(declared_functions(text.next().unwrap(), interface), functions, "{name}");
        }
    }
}

//! The interfaces of WASI 0.2 that the host links for every component.

use super::interface_version::is_compatible;

/// The version of the interfaces. A component may import any 0.2 version.
pub(super) const WASI_VERSION: &str = "0.2.0";

/// The interfaces of `wasi:cli/imports` and `wasi:http/imports`.
const WASI_INTERFACES: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether the host links the interface in this version. An import without a version matches every version.
pub(super) fn is_wasi_interface(interface: &str, version: Option<&str>) -> bool {
    WASI_INTERFACES.contains(&interface)
        && version.is_none_or(|version| is_compatible(version, WASI_VERSION))
}

/// Returns the names of the interfaces.
pub(super) fn wasi_interfaces() -> impl Iterator<Item = &'static str> {
    WASI_INTERFACES.into_iter()
}

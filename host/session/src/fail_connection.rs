//! The end of a connection because of a fault, where no session handles it.

use narrowboat_core::fault::Fault;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_runtime::Plugin;
use narrowboat_websocket::connection::ConnectionHandle;

/// Logs a fault with the version that caused it, or the live version of the plugin, and ends the connection with it.
pub(super) fn fail_connection(
    plugin: &Plugin,
    version: Option<Sha256Digest>,
    connection: &ConnectionHandle,
    fault: Fault,
) {
    let version = version.unwrap_or_else(|| plugin.live_version().digest()).short_hex();
    fault.log(&plugin.label, connection.channel.as_str(), &version);
    connection.outbound.fail(fault);
}

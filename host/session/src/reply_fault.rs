//! The fault of a client that a reply of its consumer reports.

use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_runtime::GuestReply;
use narrowboat_websocket::connection::ConnectionHandle;

/// Returns the fault with which the connection has to end, if the reply blames the client.
pub(super) fn reply_fault(
    reply: GuestReply,
    control: &ConnectionHandle,
    plugin: &str,
) -> Option<Fault> {
    match reply {
        // The end of the session logs the fault.
        GuestReply::ClientError(close) => {
            Some(Fault::Client(ClientFault::ReportedByConsumer(close)))
        }
        GuestReply::ErrorAfterRefusedSend(error) => {
            tracing::debug!(
                plugin,
                channel = control.channel.as_str(),
                %error,
                "the consumer failed after its client had left or stopped reading"
            );
            Some(Fault::Client(ClientFault::SendQueueFull(control.outbound.buffered_bytes())))
        }
        _ => None,
    }
}

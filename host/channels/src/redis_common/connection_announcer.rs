//! Messages to consumers about the connection of the layer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Delivery;
use crate::layer_events::{LAYER_EVENTS_GROUP, connection_change_message};
use crate::process_channels::ProcessChannels;

/// Sends a message to the group [`LAYER_EVENTS_GROUP`] of each tenant each time that the layer is connected or
/// disconnected, from the first connection on. `tenants` returns the channels of each tenant, and `lifetime` is that of
/// the messages.
pub(crate) async fn announce_connection_changes(
    mut connected: watch::Receiver<bool>,
    tenants: impl Fn() -> Vec<Arc<ProcessChannels>>,
    lifetime: Duration,
) {
    // The first connection is not a change that anybody has to know.
    if connected.wait_for(|connected| *connected).await.is_err() {
        return;
    }
    while connected.changed().await.is_ok() {
        let is_connected = *connected.borrow_and_update();
        let Ok(message) = connection_change_message(is_connected) else { return };
        let delivery = Delivery::Message(message);
        for local in tenants() {
            local.deliver_to_group(LAYER_EVENTS_GROUP, &delivery, lifetime);
        }
    }
}

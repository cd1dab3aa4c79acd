//! The wait for the next duty of a room, by the settings of its plugin.

use std::sync::Arc;

use crate::instance_registry::InstanceRegistry;
use crate::rooms::OpenRoom;
use narrowboat_core::manifest::RoomSettings;

/// Waits until a room has a duty. Its settings are those of the live version.
pub(super) async fn wait_for_duty(room: &mut OpenRoom, registry: &InstanceRegistry) {
    let live = registry.plugin.live_version();
    match live.rooms() {
        Some(settings) => {
            room.wait_for_duty(settings, registry.rooms.is_closing(), live.clock()).await;
        }
        None => std::future::pending().await,
    }
}

/// The settings of the rooms, as the live version has them.
pub(super) fn room_settings(registry: &InstanceRegistry) -> Option<Arc<RoomSettings>> {
    registry.plugin.live_version().rooms().cloned()
}

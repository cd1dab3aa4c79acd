//! Tells consumers that the settings of their plugin have changed, if its manifest asks for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;
use narrowboat_core::message::Message;
use narrowboat_runtime::Plugin;

/// The pause between two checks of the settings.
const INTERVAL: Duration = Duration::from_millis(250);

/// Checks the settings of all plugins for changes, for ever. Consumers get a message after each change; several
/// changes in a short time give one message.
pub(crate) async fn run(server: Arc<Server>) {
    let mut seen: HashMap<Arc<str>, u64> = HashMap::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let plugins = plugins_of(&server);
        let mut current = HashMap::with_capacity(plugins.len());
        for plugin in plugins {
            let generation = plugin.settings.generation();
            if seen.get(&plugin.label).is_some_and(|before| *before != generation) {
                tell_consumers(&server, &plugin).await;
            }
            current.insert(Arc::clone(&plugin.label), generation);
        }
        seen = current;
    }
}

/// Sends the message to each open connection of a plugin whose manifest asks for it. A consumer whose mailbox is full does
/// not get it; it reads the new values at its next call all the same.
pub(crate) async fn tell_consumers(server: &Server, plugin: &Arc<Plugin>) {
    if !plugin.live_version().wants_config_changes() {
        return;
    }
    let Some(tenant) = server.host.tenants().get(&plugin.tenant) else { return };
    let registry = tenant.instance_registry(&plugin.name);
    let (Some(registry), Some(message)) = (registry, changed_message()) else { return };
    for open in server.connections.connections() {
        if !Arc::ptr_eq(&open.plugin, plugin) {
            continue;
        }
        let sent = registry.layer().send(&plugin.tenant, &open.handle.channel, message.clone());
        if let Err(error) = sent.await {
            let plugin = &*plugin.label;
            tracing::debug!(plugin, %error, "cannot tell a consumer that its settings have changed");
        }
    }
}

/// The message, which has no content, because values may be secrets.
fn changed_message() -> Option<Message> {
    let fields = [("type".to_owned(), "config.changed".into())];
    Message::from_json(&fields.into_iter().collect()).ok()
}

fn plugins_of(server: &Server) -> Vec<Arc<Plugin>> {
    let tenants = server.host.tenants().all();
    let rollouts = tenants.values().flat_map(|tenant| tenant.rollouts());
    rollouts.map(|(_, rollout)| Arc::clone(rollout.plugin())).collect()
}

//! The channel layers that a configuration names.

use std::sync::Arc;

use narrowboat_channels::{
    CapacityPatterns, ChannelLayer, LayerLimits, MemoryLayer, RedisLayer, RedisPubSubLayer,
};
use narrowboat_config::{LayerBackend, LayerConfig, Limits};

/// Opens a channel layer with the limits of its configuration and of its tenant. `name` is used in the log.
pub fn open_layer(name: &str, config: &LayerConfig, limits: &Limits) -> Arc<dyn ChannelLayer> {
    let limits = LayerLimits { groups_per_channel: limits.groups, ..layer_limits(config) };
    match &config.backend {
        LayerBackend::Memory => Arc::new(MemoryLayer::new(limits)),
        LayerBackend::Redis(redis) => Arc::new(RedisLayer::new(name, redis, limits)),
        LayerBackend::RedisPubSub(redis) => Arc::new(RedisPubSubLayer::new(name, redis, limits)),
    }
}

fn layer_limits(config: &LayerConfig) -> LayerLimits {
    let patterns = config.channel_capacity.iter().map(|rule| (&rule.pattern, rule.capacity));
    LayerLimits {
        capacity: config.capacity,
        channel_capacity: CapacityPatterns::new(patterns),
        expiry: config.expiry.duration(),
        group_expiry: config.group_expiry.duration(),
        message_bytes: config.max_message.bytes(),
        mailbox_bytes: config.mailbox_bytes.bytes(),
        ..LayerLimits::default()
    }
}

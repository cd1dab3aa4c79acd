//! The host that a test has in its own process: connections, groups, timers and buckets in memory.

mod config_rules;
mod consumer_instance;
mod current_instance;
mod effect;
mod effect_applier;
mod event_loop;
mod fake_http;
mod host_state;
pub(crate) mod imports;
mod instance_thread;
pub(crate) mod key_value_store;
mod layer_names;
mod migration;
mod native_connection;
mod native_host;
mod native_layer;
mod native_room;
mod operations;
mod panic_location;
mod plugin_code;
mod scope_of_request;
mod stored_values;
mod timer_queue;
mod worker_instance;

pub(crate) use native_host::NativeHost;
pub(crate) use plugin_code::PluginCode;

//! The tenants of a host: what each configuration makes of them, and how one set of tenants replaces another.

mod build_cache;
mod builder;
mod channel_layers;
mod component_source;
mod deferred_version_record;
mod failed_load;
mod followed_plugin;
mod plugin_identity;
mod plugin_spec;
mod prepared_tenants;
mod ready_plugin;
mod registry;
mod reload_report;
mod replaced_plugin;
mod router;
mod runtime;
mod saved_build;
mod served_plugin;
mod served_worker;
mod startup_version;

pub use channel_layers::open_layer;
pub(crate) use deferred_version_record::{DeferredVersionRecord, persist_all};
pub(crate) use failed_load::FailedLoad;
pub(crate) use followed_plugin::FollowedPlugin;
pub(crate) use prepared_tenants::{CommittableTenants, PreparedTenants};
pub(crate) use ready_plugin::ReadyPlugin;
pub(crate) use registry::TenantRegistry;
pub(crate) use reload_report::ReloadReport;
pub(crate) use router::RouteMatch;
pub(crate) use runtime::{RetiredParts, TenantRuntime};
pub(crate) use served_worker::ServedWorker;

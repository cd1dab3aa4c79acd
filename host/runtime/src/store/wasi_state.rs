//! What a guest holds of the world beyond its host, and how long its calls may wait for it.
//!
//! Such a guest is called on guest threads alone, so that an import may hold its thread until there is an answer.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

use super::host_services::HostServices;
use super::http_hooks::GuestHttpHooks;
use super::suppress_reason::SuppressReason;
use super::wait_budget::WaitBudget;

/// Things that a guest may hold at a time: buckets, requests, bodies, streams.
const MAX_RESOURCES: usize = 64;

/// Bytes of the header fields of one request, names and values.
const MAX_HEADER_FIELD_BYTES: usize = 32 * 1024;

/// What a guest holds of the world beyond its host.
pub(crate) struct WasiState {
    pub(crate) services: Arc<HostServices>,
    pub(crate) table: ResourceTable,
    pub(crate) http_ctx: WasiHttpCtx,
    pub(crate) http_hooks: GuestHttpHooks,
    pub(crate) wait_budget: WaitBudget,
    /// Why the running call may change nothing out there, if it may not.
    pub(crate) suppressed: Option<SuppressReason>,
}

impl WasiState {
    pub(crate) fn new(services: Arc<HostServices>, wait_time: Duration) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http_ctx = WasiHttpCtx::new();
        http_ctx.set_field_size_limit(MAX_HEADER_FIELD_BYTES);
        let http_hooks = GuestHttpHooks::new(Arc::clone(&services));
        let allowance = Arc::clone(&services.quota);
        let wait_budget = WaitBudget::new(wait_time, services.stopping.clone(), allowance);
        Self { services, table, http_ctx, http_hooks, wait_budget, suppressed: None }
    }

    /// A call begins.
    pub(crate) fn begin_call(&mut self) {
        self.wait_budget.begin_call();
        self.http_hooks.begin_call();
    }
}

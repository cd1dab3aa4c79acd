//! The resources of WASI interfaces that a guest holds, and the time that its calls may wait.
//!
//! Guests that have this state run on guest threads only, so that an import may block its thread.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

use super::host_services::HostServices;
use super::http_hooks::GuestHttpHooks;
use super::suppress_reason::SuppressReason;
use super::wait_budget::WaitBudget;

/// Resources that a guest may hold at a time: buckets, requests, bodies and streams.
const MAX_RESOURCES: usize = 64;

/// The largest size of the header fields of one request, names and values, in bytes.
const MAX_HEADER_FIELD_BYTES: usize = 32 * 1024;

/// The state of WASI interfaces of one store.
pub(crate) struct WasiState {
    pub(crate) services: Arc<HostServices>,
    pub(crate) table: ResourceTable,
    pub(crate) http_ctx: WasiHttpCtx,
    pub(crate) http_hooks: GuestHttpHooks,
    pub(crate) wait_budget: WaitBudget,
    /// Why the running call must not change anything beyond the host; `None` if it may.
    pub(crate) suppressed: Option<SuppressReason>,
}

impl WasiState {
    pub(super) fn new(services: Arc<HostServices>, wait_time: Duration) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http_ctx = WasiHttpCtx::new();
        http_ctx.set_field_size_limit(MAX_HEADER_FIELD_BYTES);
        let http_hooks = GuestHttpHooks::new(Arc::clone(&services));
        let quota = Arc::clone(&services.quota);
        let wait_budget = WaitBudget::new(wait_time, services.stopping.clone(), quota);
        Self { services, table, http_ctx, http_hooks, wait_budget, suppressed: None }
    }

    /// Starts a call.
    pub(super) fn begin_call(&mut self) {
        self.wait_budget.begin_call();
        self.http_hooks.begin_call();
    }
}

//! The resources of WASI interfaces that a guest holds, and the time that its calls may wait.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi_http::WasiHttpCtx;

use super::guest_clock::GuestClock;
use super::host_services::HostServices;
use super::http_hooks::GuestHttpHooks;
use super::output_buffer::OutputBuffer;
use super::version_context::VersionContext;
use super::wait_budget::WaitBudget;

/// Resources that a guest may hold at a time: buckets, compare-and-swap handles, requests, bodies and streams.
const MAX_RESOURCES: usize = 64;

/// The largest size of the header fields of one request, names and values, in bytes.
const MAX_HEADER_FIELD_BYTES: usize = 32 * 1024;

/// The largest number of random bytes that a guest gets in one call. Browsers have the same limit.
const MAX_RANDOM_BYTES: u64 = 65_536;

/// The part of the standard error of a call that the report of a trap has, in bytes.
const MAX_STDERR_REPORT_BYTES: usize = 2048;

/// The state of WASI interfaces of one store.
pub(crate) struct WasiState {
    pub(crate) services: Arc<HostServices>,
    pub(crate) table: ResourceTable,
    /// The command line, clocks, files and sockets of the guest: no arguments and variables, no folders, no sockets.
    pub(crate) base: WasiCtx,
    pub(crate) stdout: OutputBuffer,
    pub(crate) stderr: OutputBuffer,
    /// The last part of the lines that the running call has written to standard error.
    stderr_report: String,
    pub(crate) http_ctx: WasiHttpCtx,
    pub(crate) http_hooks: GuestHttpHooks,
    pub(crate) wait_budget: WaitBudget,
    /// The bytes that the compare-and-swap handles in the table take.
    pub(crate) cas_bytes: usize,
}

impl WasiState {
    pub(super) fn new(ctx: &Arc<VersionContext>) -> Self {
        let services = Arc::clone(&ctx.services);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let (stdout, stderr) = (OutputBuffer::default(), OutputBuffer::default());
        let wall_clock = services.clock.clone();
        let clock = GuestClock::new(&ctx.capabilities, wall_clock.clone());
        let base = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .wall_clock(clock.clone())
            .monotonic_clock(clock)
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut http_ctx = WasiHttpCtx::new();
        http_ctx.set_field_size_limit(MAX_HEADER_FIELD_BYTES);
        let http_hooks = GuestHttpHooks::new(Arc::clone(ctx));
        let quota = Arc::clone(&services.quota);
        let stopping = services.stopping.clone();
        let wait_budget = WaitBudget::new(ctx.limits.wait_time, stopping, quota, wall_clock);
        Self {
            services,
            table,
            base,
            stdout,
            stderr,
            stderr_report: String::new(),
            http_ctx,
            http_hooks,
            wait_budget,
            cas_bytes: 0,
        }
    }

    /// Starts a call.
    pub(super) fn begin_call(&mut self) {
        self.stderr_report.clear();
        self.wait_budget.begin_call();
        self.http_hooks.begin_call();
    }

    /// Adds a line of standard error to the report of a trap.
    pub(crate) fn report_stderr(&mut self, line: &str) {
        let report = &mut self.stderr_report;
        if !report.is_empty() {
            report.push(' ');
        }
        report.push_str(line.trim());
        let excess = report.len().saturating_sub(MAX_STDERR_REPORT_BYTES);
        report.drain(..report.ceil_char_boundary(excess));
    }

    /// Takes the lines that the running call has written to standard error. `None` if there are none.
    pub(super) fn take_stderr_report(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.stderr_report)).filter(|report| !report.is_empty())
    }
}

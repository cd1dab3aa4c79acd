//! The imports of guests.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::bindings::WebsocketConsumer;
use crate::bindings::alarm_world::narrowboat::consumer::instance;
use crate::bindings::batching_world::narrowboat::consumer::batch_progress;
use crate::bindings::grantable_world::narrowboat::consumer::keyvalue;
use crate::bindings::grantable_world::wasi::config::store as config;
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, batch, store};
use crate::bindings::source_loader_world::narrowboat::consumer::call_time;
use crate::bindings::source_tests_world::narrowboat::consumer::test_host;
use crate::host_api::{http, io, sockets};
use crate::store::{GuestState, WasiState};

/// The imports are implemented on the store's data itself.
type HasGuestState = HasSelf<GuestState>;

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let WasiState { base, table, .. } = self.wasi_mut_or_init();
        WasiCtxView { ctx: base, table }
    }
}

/// Returns a linker with all imports. Those that need a capability check it when they are called.
///
/// # Errors
/// If two imports have the same name, which would be a bug of the host.
pub(super) fn host_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    WebsocketConsumer::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    instance::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    batch_progress::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    store::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    atomics::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    batch::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    keyvalue::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    config::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    call_time::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    test_host::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    // These replace functions of the crates, which wait without a limit or take values of any length.
    linker.allow_shadowing(true);
    io::add_to_linker(&mut linker)?;
    http::add_to_linker(&mut linker)?;
    sockets::refuse_udp(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

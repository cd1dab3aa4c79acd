//! The imports that guests may use.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::WebsocketConsumer;
use crate::bindings::grantable_world::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};
use crate::bindings::grantable_world::wasi::random::{insecure, insecure_seed, random};
use crate::host_api::http;
use crate::store::GuestState;
use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};

/// The imports are implemented on the store's data itself.
type HasGuestState = HasSelf<GuestState>;

/// Returns a linker with the imports that need no capability.
///
/// # Errors
/// If two imports have the same name, which would be a bug of the host.
pub(super) fn base_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    WebsocketConsumer::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Adds the imports that `capabilities` grant.
///
/// # Errors
/// If two imports have the same name, which would be a bug of the host.
pub(super) fn add_granted(
    linker: &mut Linker<GuestState>,
    capabilities: &Capabilities,
) -> wasmtime::Result<()> {
    if capabilities.has_flag(CapabilityFlag::Clocks) {
        monotonic_clock::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
        wall_clock::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
    }
    if capabilities.has_flag(CapabilityFlag::Random) {
        random::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
        insecure::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
        insecure_seed::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
    }
    if capabilities.has_flag(CapabilityFlag::Keyvalue) {
        store::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
        atomics::add_to_linker::<_, HasGuestState>(linker, |state| state)?;
    }
    if capabilities.has_http() {
        http::add_to_linker(linker)?;
    }
    Ok(())
}

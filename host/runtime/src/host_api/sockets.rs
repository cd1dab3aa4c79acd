//! `wasi:sockets`, which is refused.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::UdpSocket;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

use crate::store::GuestState;

/// The interface in the version that the crate implements. Guests may import an older 0.2 version.
const UDP_CREATE_SOCKET: &str = "wasi:sockets/udp-create-socket@0.2.12";

type UdpResult = Result<Resource<UdpSocket>, ErrorCode>;

/// Replaces the function that creates a UDP socket. That of the crate refuses it too, but blocks on the runtime, which
/// panics on the thread of a socket.
///
/// # Errors
/// If the linker has no such interface.
pub(crate) fn refuse_udp(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(UDP_CREATE_SOCKET)?.func_wrap(
        "create-udp-socket",
        |_: StoreContextMut<'_, GuestState>, (_,): (IpAddressFamily,)| {
            Ok((UdpResult::Err(ErrorCode::AccessDenied),))
        },
    )
}

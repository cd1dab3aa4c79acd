//! `wasi:http/outgoing-handler`: the resources are the crate's, what is sent and where to is [`Requests`]' affair.
//!
//! [`Requests`]: crate::plugin::outside::Requests

use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::bindings::sync::http::{outgoing_handler, types};
use wasmtime_wasi_http::{Error, WasiHttp, WasiHttpCtxView};

use super::io;
use crate::plugin::state::GuestState;

impl GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let outside = self.outside_at_last();
        outside.requests.hush(outside.hushed);
        WasiHttpCtxView {
            ctx: &mut outside.http,
            table: &mut outside.table,
            hooks: &mut outside.requests,
        }
    }
}

/// What one may import who may make requests.
///
/// # Errors
/// When it is there already.
pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    io::add_to_linker(linker)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, GuestState::http)?;
    let options = LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &(&options).into(), GuestState::http)
}

/// What ended a body, as `http-error-code` can tell it: the crate's streams have errors of another type.
pub(super) fn coded(error: wasmtime::Error) -> wasmtime::Error {
    match error.downcast_ref() {
        Some(Error::HttpResponseBodySize(most)) => ErrorCode::HttpResponseBodySize(*most).into(),
        Some(Error::ConnectionReadTimeout) => ErrorCode::ConnectionReadTimeout.into(),
        Some(Error::HttpProtocolError) => ErrorCode::HttpProtocolError.into(),
        _ => error,
    }
}

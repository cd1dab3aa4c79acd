//! `wasi:http/outgoing-handler`: `wasmtime-wasi-http` implements the resources; the host checks and sends the requests.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::sync::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::sync::http::types::{
    self, HostOutgoingRequest, Method, OutgoingRequest, Scheme,
};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView};

use crate::store::GuestState;

/// The version of the interface that the crate implements. Guests may import an older 0.2 version.
const WASI_HTTP_TYPES: &str = "wasi:http/types@0.2.12";

type GuestStoreMut<'a> = StoreContextMut<'a, GuestState>;

type RequestResource = Resource<OutgoingRequest>;

impl GuestState {
    fn http_view(&mut self) -> WasiHttpCtxView<'_> {
        let suppressed = self.suppressed;
        let wasi = self.wasi_mut_or_init();
        wasi.http_hooks.set_suppressed(suppressed);
        WasiHttpCtxView {
            ctx: &mut wasi.http_ctx,
            table: &mut wasi.table,
            hooks: &mut wasi.http_hooks,
        }
    }
}

/// Adds `wasi:http`. Requests to hosts that the plugin does not have a capability for are refused.
///
/// # Errors
/// If an import of that name exists already.
pub(crate) fn add_to_linker(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, GuestState::http_view)?;
    let options = LinkOptions::default();
    types::add_to_linker::<_, WasiHttp>(linker, &(&options).into(), GuestState::http_view)?;
    limit_request_setters(linker)
}

/// The largest length of a method, and of a scheme, in bytes.
const MAX_TOKEN_BYTES: usize = 64;

/// The largest length of a host with its port, in bytes. A host name has at most 253 (RFC 1035, section 2.3.4).
const MAX_AUTHORITY_BYTES: usize = 300;

/// The largest length of a path with its query, in bytes.
const MAX_PATH_BYTES: usize = 16 * 1024;

/// Replaces the setters of requests by setters that limit the length. Those of the crate have no limits.
fn limit_request_setters(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut http = linker.instance(WASI_HTTP_TYPES)?;
    http.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: GuestStoreMut<'_>, (request, method): (RequestResource, Method)| match &method {
            Method::Other(word) if word.len() > MAX_TOKEN_BYTES => Ok((Err(()),)),
            _ => Ok((store.data_mut().http_view().set_method(request, method)?,)),
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: GuestStoreMut<'_>, (request, scheme): (RequestResource, Option<Scheme>)| {
            match &scheme {
                Some(Scheme::Other(word)) if word.len() > MAX_TOKEN_BYTES => Ok((Err(()),)),
                _ => Ok((store.data_mut().http_view().set_scheme(request, scheme)?,)),
            }
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: GuestStoreMut<'_>, (request, text): (RequestResource, Option<String>)| {
            match &text {
                Some(text) if text.len() > MAX_AUTHORITY_BYTES => Ok((Err(()),)),
                _ => Ok((store.data_mut().http_view().set_authority(request, text)?,)),
            }
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: GuestStoreMut<'_>, (request, text): (RequestResource, Option<String>)| {
            match &text {
                Some(text) if text.len() > MAX_PATH_BYTES => Ok((Err(()),)),
                _ => Ok((store.data_mut().http_view().set_path_with_query(request, text)?,)),
            }
        },
    )?;
    Ok(())
}

//! Checks and sends the HTTP requests of a guest.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::host_services::HostServices;
use super::suppress_reason::SuppressReason;
use super::version_context::VersionContext;
use narrowboat_core::origin::HttpTarget;
use narrowboat_egress::{EgressError, RequestTimeouts, allows_private_addresses};

/// The largest part of a body that a guest may write at once, in bytes. Two such parts are buffered.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// Checks and sends the HTTP requests of one store.
pub(crate) struct GuestHttpHooks {
    ctx: Arc<VersionContext>,
    /// The number of requests that the running call may still make.
    requests_left: u32,
    suppressed: Option<SuppressReason>,
}

type ResponseIo = Box<dyn Future<Output = Result<(), Error>> + Send>;

type OutgoingResponse = Result<(Response<WasiBody>, ResponseIo), Error>;

impl GuestHttpHooks {
    pub(crate) fn new(ctx: Arc<VersionContext>) -> Self {
        let requests_left = ctx.services.egress.max_requests_per_call();
        Self { ctx, requests_left, suppressed: None }
    }

    /// Starts a call.
    pub(crate) fn begin_call(&mut self) {
        self.requests_left = self.ctx.services.egress.max_requests_per_call();
    }

    /// Sets why requests must not be sent; `None` if they may.
    pub(crate) fn set_suppressed(&mut self, reason: Option<SuppressReason>) {
        self.suppressed = reason;
    }

    fn authorize(&mut self, request: &Request<WasiBody>) -> Result<HttpTarget, Error> {
        if let Some(reason) = self.suppressed {
            return Err(Error::InternalError(Some(reason.message().to_owned())));
        }
        self.requests_left =
            self.requests_left.checked_sub(1).ok_or(Error::ConnectionLimitReached)?;
        let HostServices { egress, capabilities, .. } = &*self.ctx.services;
        if !capabilities.has_http() {
            self.ctx.warn_import_not_requested("wasi:http", "http = [\"https://HOST\"]");
        }
        egress.authorize(request, capabilities).map_err(to_wasi_error)
    }
}

impl WasiHttpHooks for GuestHttpHooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _written: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = OutgoingResponse> + Send> {
        let target = self.authorize(&request);
        let services = Arc::clone(&self.ctx.services);
        let options = options.unwrap_or_default();
        let timeouts = RequestTimeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        Box::new(async move {
            let HostServices { egress, quota, capabilities, .. } = &*services;
            let allow_private = allows_private_addresses(capabilities);
            let response = egress.send(quota, request, target?, allow_private, timeouts).await;
            let response = response.map_err(to_wasi_error)?;
            // The body drives the connection, so nothing is left to do here.
            let io: ResponseIo = Box::new(async { Ok(()) });
            Ok((response.map(|body| body.map_err(to_wasi_error).boxed_unsync()), io))
        })
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// Converts an error to the error of the interface, which reveals nothing about the network of the host.
fn to_wasi_error(error: EgressError) -> Error {
    tracing::debug!(%error, "request of a plugin failed");
    match error {
        EgressError::Denied => Error::HttpRequestDenied,
        EgressError::PrivateAddress => Error::DestinationIpProhibited,
        EgressError::TooManyRequests => Error::ConnectionLimitReached,
        EgressError::MethodNotAllowed => Error::HttpRequestMethodInvalid,
        EgressError::InvalidTarget => Error::HttpRequestUriInvalid,
        EgressError::TooManyHeaders => Error::HttpRequestHeaderSectionSize(None),
        EgressError::RequestBodyTooLong { most } => Error::HttpRequestBodySize(Some(most)),
        EgressError::ResponseBodyTooLong { most } => Error::HttpResponseBodySize(Some(most)),
        EgressError::NameResolution(_) => Error::DnsError { rcode: None, info_code: None },
        EgressError::Connect(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            _ => Error::DestinationUnavailable,
        },
        EgressError::Tls(_) => Error::TlsProtocolError,
        EgressError::ConnectTimeout => Error::ConnectionTimeout,
        EgressError::FirstByteTimeout => Error::HttpResponseTimeout,
        EgressError::BetweenBytesTimeout => Error::ConnectionReadTimeout,
        EgressError::Protocol(_) => Error::HttpProtocolError,
    }
}

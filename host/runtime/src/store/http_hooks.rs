//! The requests that a guest makes, as `wasi:http` has them.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::host_services::HostServices;
use super::suppress_reason::SuppressReason;
use narrowboat_core::origin::HttpTarget;
use narrowboat_egress::{EgressError, RequestTimeouts, allows_private_addresses};

/// Bytes of a body that a guest writes at once. Two such parts wait for the host.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// What is sent to a guest's hosts, in how many requests.
pub(crate) struct GuestHttpHooks {
    services: Arc<HostServices>,
    /// Requests that the running call may still make.
    requests_left: u32,
    suppressed: Option<SuppressReason>,
}

type ResponseIo = Box<dyn Future<Output = Result<(), Error>> + Send>;

type OutgoingResponse = Result<(Response<WasiBody>, ResponseIo), Error>;

impl GuestHttpHooks {
    pub(crate) fn new(services: Arc<HostServices>) -> Self {
        Self { requests_left: services.egress.max_requests_per_call(), services, suppressed: None }
    }

    /// A call begins.
    pub(crate) fn begin_call(&mut self) {
        self.requests_left = self.services.egress.max_requests_per_call();
    }

    /// Why nothing may be sent now, if it may not.
    pub(crate) fn set_suppressed(&mut self, hush: Option<SuppressReason>) {
        self.suppressed = hush;
    }

    fn authorize(&mut self, request: &Request<WasiBody>) -> Result<HttpTarget, Error> {
        if let Some(hush) = self.suppressed {
            return Err(Error::InternalError(Some(hush.message().to_owned())));
        }
        self.requests_left =
            self.requests_left.checked_sub(1).ok_or(Error::ConnectionLimitReached)?;
        let HostServices { egress, capabilities: asks, .. } = &*self.services;
        egress.authorize(request, asks).map_err(to_wasi_error)
    }
}

impl WasiHttpHooks for GuestHttpHooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _written: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = OutgoingResponse> + Send> {
        let admitted = self.authorize(&request);
        let beyond = Arc::clone(&self.services);
        let options = options.unwrap_or_default();
        let haste = RequestTimeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        Box::new(async move {
            let HostServices { egress, quota: allowance, capabilities: asks, .. } = &*beyond;
            let private = allows_private_addresses(asks);
            let answer = egress.send(allowance, request, admitted?, private, haste).await;
            let answer = answer.map_err(to_wasi_error)?;
            // What carries the answer is in its body.
            let io: ResponseIo = Box::new(async { Ok(()) });
            Ok((answer.map(|body| body.map_err(to_wasi_error).boxed_unsync()), io))
        })
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// An error in the interface's words, which say nothing of the host's network.
fn to_wasi_error(error: EgressError) -> Error {
    tracing::debug!("a plugin's request: {error}");
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

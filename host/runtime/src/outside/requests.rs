//! The requests that a guest makes, as `wasi:http` has them.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::{Beyond, Hush};
use narrowboat_core::origin::Target;
use narrowboat_egress::{EgressError, Haste, may_reach_private};

/// Bytes of a body that a guest writes at once. Two such parts wait for the host.
const PART: usize = 64 * 1024;

/// What is sent to a guest's hosts, in how many requests.
pub(crate) struct Requests {
    beyond: Arc<Beyond>,
    /// Requests that the running call may still make.
    left: u32,
    hushed: Option<Hush>,
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

type Answer = Result<(Response<WasiBody>, Io), Error>;

impl Requests {
    pub(super) fn new(beyond: Arc<Beyond>) -> Self {
        Self { left: beyond.egress.requests(), beyond, hushed: None }
    }

    /// A call begins.
    pub(super) fn begin(&mut self) {
        self.left = self.beyond.egress.requests();
    }

    /// Why nothing may be sent now, if it may not.
    pub(crate) fn hush(&mut self, hush: Option<Hush>) {
        self.hushed = hush;
    }

    fn admit(&mut self, request: &Request<WasiBody>) -> Result<Target, Error> {
        if let Some(hush) = self.hushed {
            return Err(Error::InternalError(Some(hush.words().to_owned())));
        }
        self.left = self.left.checked_sub(1).ok_or(Error::ConnectionLimitReached)?;
        let Beyond { egress, asks, .. } = &*self.beyond;
        egress.admit(request, asks).map_err(told)
    }
}

impl WasiHttpHooks for Requests {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _written: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let admitted = self.admit(&request);
        let beyond = Arc::clone(&self.beyond);
        let options = options.unwrap_or_default();
        let haste = Haste {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        Box::new(async move {
            let Beyond { egress, allowance, asks, .. } = &*beyond;
            let private = may_reach_private(asks);
            let answer = egress.send(allowance, request, admitted?, private, haste).await;
            let answer = answer.map_err(told)?;
            // What carries the answer is in its body.
            let io: Io = Box::new(async { Ok(()) });
            Ok((answer.map(|body| body.map_err(told).boxed_unsync()), io))
        })
    }

    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PART
    }
}

/// An error in the interface's words, which say nothing of the host's network.
fn told(error: EgressError) -> Error {
    tracing::debug!("a plugin's request: {error}");
    match error {
        EgressError::Denied => Error::HttpRequestDenied,
        EgressError::Private => Error::DestinationIpProhibited,
        EgressError::Busy => Error::ConnectionLimitReached,
        EgressError::Method => Error::HttpRequestMethodInvalid,
        EgressError::Target => Error::HttpRequestUriInvalid,
        EgressError::RequestHeaders => Error::HttpRequestHeaderSectionSize(None),
        EgressError::RequestBody { most } => Error::HttpRequestBodySize(Some(most)),
        EgressError::ResponseBody { most } => Error::HttpResponseBodySize(Some(most)),
        EgressError::Name(_) => Error::DnsError { rcode: None, info_code: None },
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

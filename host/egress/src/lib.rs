//! Requests that plugins make: to whom, over which addresses, for how long, and how much of them.
//!
//! A name is looked up once. Each address that it has is looked at, and one that passed is connected to, so that nothing
//! can change between the look and the connection. Where an answer leads to is not followed: that is another request.

mod body;
mod connector;
mod error;
mod public_address;
pub mod root_certificates;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

pub use body::{ConnectionTask, LimitedResponseBody};
pub use error::EgressError;
pub use public_address::is_public;

use body::LimitedRequestBody;
use connector::Connector;

use narrowboat_config::RequestsConfig;
use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};
use narrowboat_core::origin::HttpTarget;
use narrowboat_quota::{QuotaChain, QuotaResource};

/// Bytes that the head of an answer may have.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Sends what plugins may send.
#[derive(Debug)]
pub struct Egress {
    config: RequestsConfig,
    connector: Connector,
}

/// How long a plugin is ready to wait; never longer than the host is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestTimeouts {
    /// Until there is a connection.
    pub connect: Option<Duration>,
    /// From there to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From one part of the answer to the next.
    pub between_bytes: Option<Duration>,
}

impl Egress {
    /// Nothing is sent, or looked up, before a plugin asks.
    #[must_use]
    pub fn new(config: RequestsConfig) -> Self {
        Self { config, connector: Connector::default() }
    }

    /// Requests that one call may make.
    #[must_use]
    pub fn max_requests_per_call(&self) -> u32 {
        self.config.max_requests_per_call
    }

    /// Whether a request of one with these capabilities may be tried at all.
    ///
    /// # Errors
    /// When it is no request that can be sent, or leads to a host that is not among theirs.
    pub fn authorize<B>(
        &self,
        request: &Request<B>,
        capabilities: &Capabilities,
    ) -> Result<HttpTarget, EgressError> {
        if *request.method() == Method::CONNECT {
            return Err(EgressError::MethodNotAllowed);
        }
        if request.headers().len() > self.config.max_headers {
            return Err(EgressError::TooManyHeaders);
        }
        let target = parse_target(request.uri()).ok_or(EgressError::InvalidTarget)?;
        match capabilities.allows_http_target(&target) {
            true => Ok(target),
            false => Err(EgressError::Denied),
        }
    }

    /// Sends a request that was admitted, and waits for the head of its answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send<B>(
        &self,
        allowance: &Arc<QuotaChain>,
        request: Request<B>,
        target: HttpTarget,
        private: bool,
        haste: RequestTimeouts,
    ) -> Result<Response<LimitedResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let config = &self.config;
        let open = allowance
            .try_reserve(QuotaResource::Requests, 1)
            .map_err(|_| EgressError::TooManyRequests)?;
        let end = Instant::now() + config.total_timeout.duration();
        let least = |asked: Option<Duration>, most: Duration| asked.map_or(most, |it| it.min(most));
        let connect = least(haste.connect, config.connect_timeout.duration());
        let first_byte = least(haste.first_byte, config.first_byte_timeout.duration());
        let between = least(haste.between_bytes, config.between_bytes_timeout.duration());
        let dialled = end.min(Instant::now() + connect);
        let stream = timeout_at(dialled, self.connector.connect(&target, private, allowance));
        let stream = stream.await.map_err(|_| EgressError::ConnectTimeout)??;
        let handshake = http1::Builder::new()
            .max_headers(config.max_headers)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await?;
        // Ends with the answer, whoever holds that, and in any case in time.
        let driver = ConnectionTask::spawn(async move {
            let _open = open;
            if let Ok(Err(error)) = timeout_at(end, connection).await {
                tracing::debug!("a request's connection: {error}");
            }
        });
        let over = Arc::new(AtomicBool::new(false));
        let most = config.max_request.bytes();
        let request = request.map(|body| LimitedRequestBody::new(body, most, Arc::clone(&over)));
        let sent = sender.send_request(to_origin_form(request, &target)?);
        let answer = timeout_at(end.min(Instant::now() + first_byte), sent).await;
        let answer = match answer {
            // That is why it was not answered.
            Ok(Err(_)) if over.load(Ordering::Relaxed) => {
                return Err(EgressError::RequestBodyTooLong { most: most as u64 });
            }
            // Its connection has ended then, and may be the first to tell.
            Ok(Err(_)) if Instant::now() >= end => return Err(EgressError::FirstByteTimeout),
            Ok(answer) => answer?,
            Err(_) => return Err(EgressError::FirstByteTimeout),
        };
        let most = config.max_response.bytes();
        Ok(answer.map(|body| LimitedResponseBody::new(body, most, between, end, driver)))
    }
}

/// Whether one with these capabilities may reach what is not public.
#[must_use]
pub fn allows_private_addresses(capabilities: &Capabilities) -> bool {
    capabilities.has_flag(CapabilityFlag::PrivateAddresses)
}

/// Where a request leads. None where a name and password come before the host, which no server is told.
fn parse_target(uri: &Uri) -> Option<HttpTarget> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if authority.as_str().contains('@') {
        return None;
    }
    HttpTarget::new(scheme, authority.as_str())
}

/// The request as a server is sent it: with the path alone, and the host in its header.
fn to_origin_form<B>(
    mut request: Request<B>,
    target: &HttpTarget,
) -> Result<Request<B>, EgressError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let host =
        HeaderValue::from_str(&target.authority()).map_err(|_| EgressError::InvalidTarget)?;
    *request.uri_mut() = path.parse().map_err(|_| EgressError::InvalidTarget)?;
    request.headers_mut().insert(HOST, host);
    Ok(request)
}

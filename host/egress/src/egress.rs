//! Sending the HTTP requests of plugins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use crate::connector::{ConnectInMemory, Connector, EgressStream, NetworkConnector, RequestHead};
use crate::http_target::{parse_target, to_origin_form};
use crate::limited_request_body::LimitedRequestBody;
use crate::{ConnectionTask, EgressError, LimitedResponseBody, RequestTimeouts};
use narrowboat_config::RequestsConfig;
use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};
use narrowboat_core::origin::HttpTarget;
use narrowboat_quota::{QuotaChain, QuotaResource};

/// The largest head of a response, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Sends the HTTP requests of plugins.
#[derive(Debug)]
pub struct Egress {
    config: RequestsConfig,
    connector: Connector,
}

impl Egress {
    /// Creates the sender. It connects, and reads root certificates, when a plugin sends a request.
    #[must_use]
    pub fn new(config: RequestsConfig) -> Self {
        Self { config, connector: Connector::Network(NetworkConnector::default()) }
    }

    /// Creates a sender whose requests go to servers in the memory of this process, without TLS.
    #[must_use]
    pub fn in_memory(config: RequestsConfig, connect: ConnectInMemory) -> Self {
        Self { config, connector: Connector::InMemory(connect) }
    }

    /// Returns the number of requests that one call may send.
    #[must_use]
    pub fn max_requests_per_call(&self) -> u32 {
        self.config.max_requests_per_call
    }

    /// Checks that a plugin with these capabilities may send a request, and returns the target.
    ///
    /// # Errors
    /// If the request is not valid, or the capabilities do not cover its host.
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

    /// Sends a request that [`Egress::authorize`] accepted, and returns its response when the head has arrived. With
    /// `private`, the target may have an address that is not on the public internet.
    ///
    /// # Errors
    /// If a quota is exhausted, there is no connection or no response in time, or the body of the request is too long.
    pub async fn send<B>(
        &self,
        quota: &Arc<QuotaChain>,
        request: Request<B>,
        target: HttpTarget,
        private: bool,
        timeouts: RequestTimeouts,
    ) -> Result<Response<LimitedResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let reservation = quota
            .try_reserve(QuotaResource::Requests, 1)
            .map_err(|_| EgressError::TooManyRequests)?;
        let timeouts = timeouts.within(&self.config);
        let deadline = Instant::now() + self.config.total_timeout.duration();
        let connect_deadline = deadline.min(Instant::now() + timeouts.connect);
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let head = RequestHead { method, uri, headers };
        let connect = self.connector.connect(head, &target, private, quota);
        let stream = timeout_at(connect_deadline, connect).await;
        let stream = stream.map_err(|_| EgressError::ConnectTimeout)??;
        let (mut sender, connection) = self.handshake(stream).await?;
        // The task ends when the response is dropped, and at the deadline at the latest.
        let connection_task = ConnectionTask::spawn(async move {
            let _reservation = reservation;
            if let Ok(Err(error)) = timeout_at(deadline, connection).await {
                tracing::debug!(%error, "connection of a plugin's request failed");
            }
        });
        let limit_exceeded = Arc::new(AtomicBool::new(false));
        let max_request = self.config.max_request.bytes();
        let request = to_origin_form(request, &target)?
            .map(|body| LimitedRequestBody::new(body, max_request, Arc::clone(&limit_exceeded)));
        let response = send_head(&mut sender, request, timeouts.first_byte, deadline).await;
        // The connection fails if the body of the request is too long, so check this cause first.
        if response.is_err() && limit_exceeded.load(Ordering::Relaxed) {
            return Err(EgressError::RequestBodyTooLong { most: max_request as u64 });
        }
        let (max_response, between_bytes) =
            (self.config.max_response.bytes(), timeouts.between_bytes);
        Ok(response?.map(|body| {
            LimitedResponseBody::new(body, max_response, between_bytes, deadline, connection_task)
        }))
    }

    /// Prepares a connection for one request over HTTP/1.1.
    async fn handshake<B>(
        &self,
        stream: EgressStream,
    ) -> Result<OutgoingConnection<LimitedRequestBody<B>>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let connection = http1::Builder::new()
            .max_headers(self.config.max_headers)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream));
        Ok(connection.await?)
    }
}

/// A connection of hyper: the half that sends requests, and the half that drives the connection.
type OutgoingConnection<B> = (SendRequest<B>, Connection<TokioIo<EgressStream>, B>);

/// Sends a request, and waits for the head of its response.
async fn send_head<B>(
    sender: &mut SendRequest<B>,
    request: Request<B>,
    first_byte_timeout: Duration,
    deadline: Instant,
) -> Result<Response<Incoming>, EgressError>
where
    B: Body + 'static,
{
    let response = sender.send_request(request);
    match timeout_at(deadline.min(Instant::now() + first_byte_timeout), response).await {
        // The connection task ends at the deadline too, and its error may come first.
        Ok(Err(_)) if Instant::now() >= deadline => Err(EgressError::FirstByteTimeout),
        Ok(response) => Ok(response?),
        Err(_) => Err(EgressError::FirstByteTimeout),
    }
}

/// Returns whether these capabilities allow addresses that are not on the public internet.
#[must_use]
pub fn allows_private_addresses(capabilities: &Capabilities) -> bool {
    capabilities.has_flag(CapabilityFlag::PrivateAddresses)
}

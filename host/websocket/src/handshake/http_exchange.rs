//! One HTTP request and its response on an accepted socket.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use crate::connection::ClientStream;

/// The largest request head, in bytes.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// An HTTP exchange whose request has been read and whose response has not been written.
///
/// hyper calls a service for each request. Here the service only forwards the request to
/// [`read_request`](Self::read_request) and waits for the response that [`respond`](Self::respond) sends it. The
/// caller can thus read, decide and respond in consecutive lines.
pub(super) struct HttpExchange {
    connection: HttpConnection,
    response_sender: oneshot::Sender<Response<Full<Bytes>>>,
}

type HttpConnection = http1::Connection<TokioIo<ClientStream>, RequestForwarder>;

/// The result of waiting for a request.
pub(super) enum ReadOutcome {
    /// The client sent a request.
    Request(Box<Request<Incoming>>, Box<HttpExchange>),
    /// The client closed its side of the stream without a request.
    Closed(ClientStream),
}

/// A request, and the sender for its response.
struct ReceivedRequest {
    request: Request<Incoming>,
    response_sender: oneshot::Sender<Response<Full<Bytes>>>,
}

/// The service that hyper calls. It forwards the connection's first request. A further request gets an error, which
/// ends the connection: every response ends HTTP on its connection, so hyper does not read one.
struct RequestForwarder(Cell<Option<oneshot::Sender<ReceivedRequest>>>);

impl Service<Request<Incoming>> for RequestForwarder {
    type Response = Response<Full<Bytes>>;
    type Error = RecvError;
    type Future = oneshot::Receiver<Response<Full<Bytes>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (response_sender, response) = oneshot::channel();
        if let Some(request_sender) = self.0.take() {
            // If the receiver is gone, so is the whole exchange.
            let _ = request_sender.send(ReceivedRequest { request, response_sender });
        }
        response
    }
}

impl HttpExchange {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// The client sent something other than an HTTP request, took longer than `head_timeout`, or disconnected.
    pub(super) async fn read_request(
        stream: ClientStream,
        head_timeout: Duration,
    ) -> hyper::Result<ReadOutcome> {
        let (request_sender, request) = oneshot::channel();
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                RequestForwarder(Cell::new(Some(request_sender))),
            );
        match run_while_connected(&mut connection, request).await? {
            Some(Ok(ReceivedRequest { request, response_sender })) => {
                let exchange = Box::new(Self { connection, response_sender });
                Ok(ReadOutcome::Request(Box::new(request), exchange))
            }
            Some(Err(_)) | None => Ok(ReadOutcome::Closed(connection.into_parts().io.into_inner())),
        }
    }

    /// Returns the output of `future`, or drops `future` when the client disconnects. `None` means that the
    /// connection ended without an error.
    ///
    /// # Errors
    /// The client disconnected.
    pub(super) async fn run_while_connected<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> hyper::Result<Option<T>> {
        run_while_connected(&mut self.connection, future).await
    }

    /// Writes the response. Returns the stream, and the bytes that were read after the request.
    ///
    /// # Errors
    /// The client disconnected before the response was written.
    pub(super) async fn respond(
        self,
        response: Response<Full<Bytes>>,
    ) -> hyper::Result<(ClientStream, Bytes)> {
        // hyper drops the receiver only when the connection has failed; the next line then returns that error.
        let _ = self.response_sender.send(response);
        let parts = self.connection.without_shutdown().await?;
        Ok((parts.io.into_inner(), parts.read_buf))
    }
}

/// Polls `future` while hyper reads from and writes to the connection. hyper comes first, so that the end of the
/// connection is noticed before `future` goes on.
async fn run_while_connected<T>(
    connection: &mut HttpConnection,
    future: impl Future<Output = T>,
) -> hyper::Result<Option<T>> {
    let mut future = pin!(future);
    tokio::select! {
        biased;
        end = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => end.map(|()| None),
        output = &mut future => Ok(Some(output)),
    }
}

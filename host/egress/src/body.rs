//! Bodies that end in time, and are not too long.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::EgressError;

/// What carries a request and its answer. It stops with this.
#[derive(Debug)]
pub struct ConnectionTask(JoinHandle<()>);

impl ConnectionTask {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of a request, of so many bytes at most.
pub(super) struct LimitedRequestBody<B> {
    body: Pin<Box<B>>,
    remaining_bytes: u64,
    /// Told where it would be longer.
    limit_exceeded: Arc<AtomicBool>,
}

/// Why a request's body ends early.
type RequestBodyError = Box<dyn std::error::Error + Send + Sync>;

impl<B> LimitedRequestBody<B> {
    pub(super) fn new(body: B, most: usize, limit_exceeded: Arc<AtomicBool>) -> Self {
        Self { body: Box::pin(body), remaining_bytes: most as u64, limit_exceeded }
    }
}

impl<B: Body<Data = Bytes, Error: Into<RequestBodyError>>> Body for LimitedRequestBody<B> {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = match ready!(self.body.as_mut().poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(frame) => frame.map_err(Into::into)?,
        };
        let frame = count_frame_bytes(frame, &mut self.remaining_bytes).ok_or_else(|| {
            self.limit_exceeded.store(true, Ordering::Relaxed);
            "it is too long".into()
        });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which has a time for each part, and so many bytes at most.
#[derive(Debug)]
pub struct LimitedResponseBody {
    body: Incoming,
    remaining_bytes: u64,
    max_bytes: u64,
    between_bytes_timeout: Duration,
    /// When all of it has to be there.
    deadline: Instant,
    /// While somebody waits for a part.
    between_bytes_timer: Option<Pin<Box<Sleep>>>,
    _connection_task: ConnectionTask,
}

impl LimitedResponseBody {
    pub(super) fn new(
        body: Incoming,
        most: usize,
        between_bytes_timeout: Duration,
        deadline: Instant,
        driver: ConnectionTask,
    ) -> Self {
        let max_bytes = most as u64;
        Self {
            body,
            remaining_bytes: max_bytes,
            max_bytes,
            between_bytes_timeout,
            deadline,
            between_bytes_timer: None,
            _connection_task: driver,
        }
    }
}

impl Body for LimitedResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let Self {
            body,
            remaining_bytes: left,
            max_bytes: most,
            between_bytes_timeout: between,
            deadline: end,
            between_bytes_timer: pause,
            ..
        } = &mut *self;
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            let pause = pause.get_or_insert_with(|| Box::pin(sleep(*between)));
            ready!(pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(EgressError::BetweenBytesTimeout)));
        };
        *pause = None;
        let over = || EgressError::ResponseBodyTooLong { most: *most };
        // What carried it has ended then.
        let late = Instant::now() >= *end;
        Poll::Ready(frame.map(|frame| match frame {
            Err(_) if late => Err(EgressError::BetweenBytesTimeout),
            frame => count_frame_bytes(frame?, left).ok_or_else(over),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part, if there is room for it.
fn count_frame_bytes(frame: Frame<Bytes>, left: &mut u64) -> Option<Frame<Bytes>> {
    let len = frame.data_ref().map_or(0, Bytes::len);
    *left = left.checked_sub(len as u64)?;
    Some(frame)
}

//! The body of a request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::frame_counter::count_frame_bytes;

/// The body of a request, which fails when it exceeds a number of bytes.
pub(crate) struct LimitedRequestBody<B> {
    body: Pin<Box<B>>,
    remaining_bytes: u64,
    /// Set to true when the body exceeds the limit.
    limit_exceeded: Arc<AtomicBool>,
}

/// Why the body of a request ends early.
type RequestBodyError = Box<dyn std::error::Error + Send + Sync>;

impl<B> LimitedRequestBody<B> {
    pub(crate) fn new(body: B, max_bytes: usize, limit_exceeded: Arc<AtomicBool>) -> Self {
        Self { body: Box::pin(body), remaining_bytes: max_bytes as u64, limit_exceeded }
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
            "the body of the request is too long".into()
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

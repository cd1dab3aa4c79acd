//! The body of a response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::frame_counter::count_frame_bytes;
use crate::{ConnectionTask, EgressError};

/// The body of a response. It fails when it exceeds a number of bytes, or when a part takes too long.
#[derive(Debug)]
pub struct LimitedResponseBody {
    body: Incoming,
    remaining_bytes: u64,
    max_bytes: u64,
    between_bytes_timeout: Duration,
    /// The time at which the connection task ends, whether or not the body is complete.
    deadline: Instant,
    /// Runs while the reader waits for a part.
    between_bytes_timer: Option<Pin<Box<Sleep>>>,
    _connection_task: ConnectionTask,
}

impl LimitedResponseBody {
    pub(crate) fn new(
        body: Incoming,
        max_bytes: usize,
        between_bytes_timeout: Duration,
        deadline: Instant,
        connection_task: ConnectionTask,
    ) -> Self {
        let max_bytes = max_bytes as u64;
        Self {
            body,
            remaining_bytes: max_bytes,
            max_bytes,
            between_bytes_timeout,
            deadline,
            between_bytes_timer: None,
            _connection_task: connection_task,
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
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let timeout = this.between_bytes_timeout;
            let timer = this.between_bytes_timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
            ready!(timer.as_mut().poll(context));
            return Poll::Ready(Some(Err(EgressError::BetweenBytesTimeout)));
        };
        this.between_bytes_timer = None;
        // After the deadline the connection task has ended, and hyper returns an error of the connection.
        let is_late = Instant::now() >= this.deadline;
        Poll::Ready(frame.map(|frame| {
            match frame {
                Err(_) if is_late => Err(EgressError::BetweenBytesTimeout),
                frame => count_frame_bytes(frame?, &mut this.remaining_bytes)
                    .ok_or(EgressError::ResponseBodyTooLong { most: this.max_bytes }),
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

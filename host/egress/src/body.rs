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
pub struct Driver(JoinHandle<()>);

impl Driver {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of a request, of so many bytes at most.
pub(super) struct Bounded<B> {
    body: Pin<Box<B>>,
    left: u64,
    /// Told where it would be longer.
    over: Arc<AtomicBool>,
}

/// Why a request's body ends early.
type GivenUp = Box<dyn std::error::Error + Send + Sync>;

impl<B> Bounded<B> {
    pub(super) fn new(body: B, most: usize, over: Arc<AtomicBool>) -> Self {
        Self { body: Box::pin(body), left: most as u64, over }
    }
}

impl<B: Body<Data = Bytes, Error: Into<GivenUp>>> Body for Bounded<B> {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let frame = match ready!(self.body.as_mut().poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(frame) => frame.map_err(Into::into)?,
        };
        let frame = counted(frame, &mut self.left).ok_or_else(|| {
            self.over.store(true, Ordering::Relaxed);
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
pub struct Answered {
    body: Incoming,
    left: u64,
    most: u64,
    between: Duration,
    /// When all of it has to be there.
    end: Instant,
    /// While somebody waits for a part.
    pause: Option<Pin<Box<Sleep>>>,
    _driver: Driver,
}

impl Answered {
    pub(super) fn new(
        body: Incoming,
        most: usize,
        between: Duration,
        end: Instant,
        driver: Driver,
    ) -> Self {
        let most = most as u64;
        Self { body, left: most, most, between, end, pause: None, _driver: driver }
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let Self { body, left, most, between, end, pause, .. } = &mut *self;
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            let pause = pause.get_or_insert_with(|| Box::pin(sleep(*between)));
            ready!(pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(EgressError::BetweenBytesTimeout)));
        };
        *pause = None;
        let over = || EgressError::ResponseBody { most: *most };
        // What carried it has ended then.
        let late = Instant::now() >= *end;
        Poll::Ready(frame.map(|frame| match frame {
            Err(_) if late => Err(EgressError::BetweenBytesTimeout),
            frame => counted(frame?, left).ok_or_else(over),
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
fn counted(frame: Frame<Bytes>, left: &mut u64) -> Option<Frame<Bytes>> {
    let len = frame.data_ref().map_or(0, Bytes::len);
    *left = left.checked_sub(len as u64)?;
    Some(frame)
}

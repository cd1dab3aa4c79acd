//! From messages to a peer's bytes, many of them in one write.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::deflate::Deflater;
use super::stream::Stream;
use narrowboat_core::closure::{Closure, code};
use narrowboat_core::frame::Frame;

/// Bytes that are gathered for one write.
pub(super) const BATCH: usize = 16 * 1024;

/// A payload from this many bytes on is written from where it lies; a shorter one is copied beside
/// others.
const LARGE: usize = 4 * 1024;

/// Bytes of pings and pongs that wait for a peer that reads nothing. Beyond, only the last ping is
/// answered, as RFC 6455, section 5.5.3, allows.
const MAX_WAITING: usize = 4 * 1024;

/// What goes to the peer.
pub(super) struct Encoder {
    /// Pings and pongs, encoded, which go before the next message.
    waiting: Vec<u8>,
    /// What the socket did not take.
    unsent: VecDeque<Bytes>,
    deflater: Option<Deflater>,
}

/// One write's worth of encoded frames.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// A payload behind them.
    large: Bytes,
}

thread_local! {
    /// The memory of the batch at hand. An idle connection has none of its own.
    static BATCHES: RefCell<Batch> = RefCell::default();
}

impl Batch {
    /// Whether more is to be put into it.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH || !self.large.is_empty()
    }

    /// Whether nothing has been put into it: all before it has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn put(&mut self, opcode: OpCode, deflated: bool, payload: Bytes) {
        let header = FrameHeader { opcode, rsv1: deflated, ..FrameHeader::default() };
        // A vector takes all that is written to it.
        let _ = header.format(payload.len() as u64, &mut self.bytes);
        if payload.len() < LARGE {
            self.bytes.extend_from_slice(&payload);
        } else {
            self.large = payload;
        }
    }
}

impl Encoder {
    pub(super) fn new(deflater: Option<Deflater>) -> Self {
        Self { waiting: Vec::new(), unsent: VecDeque::new(), deflater }
    }

    /// Whether the socket has not taken all that it was given.
    pub(super) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether a ping or a pong waits.
    pub(super) fn has_words(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Asks the peer for a sign of life.
    pub(super) fn ping(&mut self) {
        self.control(Control::Ping, &[]);
    }

    /// Answers a ping.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.waiting.len() > MAX_WAITING {
            self.waiting.clear();
        }
        self.control(Control::Pong, payload);
    }

    fn control(&mut self, control: Control, payload: &[u8]) {
        let header = FrameHeader { opcode: OpCode::Control(control), ..FrameHeader::default() };
        let _ = header.format(payload.len() as u64, &mut self.waiting);
        self.waiting.extend_from_slice(payload);
    }

    /// Puts a Close frame behind all else. One without a code has none on the wire either.
    pub(super) fn close(&mut self, closure: &Closure) {
        let mut payload = Vec::new();
        if closure.code != code::NONE {
            payload.extend_from_slice(&closure.code.to_be_bytes());
            payload.extend_from_slice(closure.reason.as_bytes());
        }
        self.control(Control::Close, &payload);
    }

    /// Puts a message into a batch.
    pub(super) fn message(&mut self, batch: &mut Batch, frame: Frame) {
        let (kind, payload) = match frame {
            Frame::Text(text) => (Data::Text, text.into_bytes()),
            Frame::Binary(bytes) => (Data::Binary, bytes),
        };
        match &mut self.deflater {
            Some(deflater) => batch.put(OpCode::Data(kind), true, deflater.deflate(&payload)),
            None => batch.put(OpCode::Data(kind), false, payload),
        }
    }

    /// Writes what is there, then batch after batch of what `fill` puts together, until that has nothing
    /// more.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        mut fill: impl FnMut(&mut Self, &mut Batch, &Context<'_>),
    ) -> Poll<io::Result<()>> {
        BATCHES.with_borrow_mut(|batch| {
            loop {
                ready!(self.poll_unsent(stream, cx))?;
                batch.bytes.append(&mut self.waiting);
                self.waiting = Vec::new();
                fill(self, batch, cx);
                if batch.bytes.is_empty() {
                    if self.waiting.is_empty() {
                        return Pin::new(stream).poll_flush(cx);
                    }
                    // A Close goes behind what was put together before it.
                    batch.bytes.append(&mut self.waiting);
                }
                let written = self.poll_batch(stream, cx, batch);
                batch.bytes.clear();
                batch.large = Bytes::new();
                ready!(written)?;
            }
        })
    }

    fn poll_unsent(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(first) = self.unsent.front_mut() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, first))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            first.advance(written);
            if first.is_empty() {
                self.unsent.pop_front();
            }
        }
        self.unsent = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    /// Writes a batch, and keeps what the socket does not take.
    fn poll_batch(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<io::Result<()>> {
        let Batch { bytes, large } = batch;
        let wrote = if large.is_empty() {
            Pin::new(stream).poll_write(cx, bytes)
        } else {
            let slices = [IoSlice::new(bytes), IoSlice::new(large)];
            Pin::new(stream).poll_write_vectored(cx, &slices)
        };
        let (written, done) = match wrote {
            Poll::Ready(written) => (written?, Poll::Ready(Ok(()))),
            Poll::Pending => (0, Poll::Pending),
        };
        if let Some(rest @ [_, ..]) = bytes.get(written..) {
            self.unsent.push_back(Bytes::copy_from_slice(rest));
        }
        large.advance(written.saturating_sub(bytes.len()));
        if !large.is_empty() {
            self.unsent.push_back(std::mem::take(large));
        }
        done
    }
}

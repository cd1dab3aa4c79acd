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
use crate::maybe_tls_stream::MaybeTlsStream;
use narrowboat_core::close_frame::{CloseFrame, code};
use narrowboat_core::frame::Frame;

/// Bytes that are gathered for one write.
pub(crate) const BATCH_BYTES: usize = 16 * 1024;

/// A payload from this many bytes on is written from where it lies; a shorter one is copied beside
/// others.
const MIN_ZERO_COPY_BYTES: usize = 4 * 1024;

/// Bytes of pings and pongs that wait for a peer that reads nothing. Beyond, only the last ping is
/// answered, as RFC 6455, section 5.5.3, allows.
const MAX_PENDING_CONTROL_BYTES: usize = 4 * 1024;

/// What goes to the peer.
pub(crate) struct FrameEncoder {
    /// Pings and pongs, encoded, which go before the next message.
    pending_control_frames: Vec<u8>,
    /// What the socket did not take.
    unsent: VecDeque<Bytes>,
    deflater: Option<Deflater>,
}

/// One write's worth of encoded frames.
#[derive(Default)]
pub(crate) struct WriteBatch {
    bytes: Vec<u8>,
    /// A payload behind them.
    large_payload: Bytes,
}

thread_local! {
    /// The memory of the batch at hand. An idle connection has none of its own.
    static BATCHES: RefCell<WriteBatch> = RefCell::default();
}

impl WriteBatch {
    /// Whether more is to be put into it.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || !self.large_payload.is_empty()
    }

    /// Whether nothing has been put into it: all before it has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn push_frame(&mut self, opcode: OpCode, deflated: bool, payload: Bytes) {
        let header = FrameHeader { opcode, rsv1: deflated, ..FrameHeader::default() };
        // A vector takes all that is written to it.
        let _ = header.format(payload.len() as u64, &mut self.bytes);
        if payload.len() < MIN_ZERO_COPY_BYTES {
            self.bytes.extend_from_slice(&payload);
        } else {
            self.large_payload = payload;
        }
    }
}

impl FrameEncoder {
    pub(crate) fn new(deflater: Option<Deflater>) -> Self {
        Self { pending_control_frames: Vec::new(), unsent: VecDeque::new(), deflater }
    }

    /// Whether the socket has not taken all that it was given.
    pub(crate) fn is_write_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether a ping or a pong waits.
    pub(crate) fn has_pending_control_frames(&self) -> bool {
        !self.pending_control_frames.is_empty()
    }

    /// Asks the peer for a sign of life.
    pub(crate) fn queue_ping(&mut self) {
        self.queue_control_frame(Control::Ping, &[]);
    }

    /// Answers a ping.
    pub(crate) fn queue_pong(&mut self, payload: &[u8]) {
        if self.pending_control_frames.len() > MAX_PENDING_CONTROL_BYTES {
            self.pending_control_frames.clear();
        }
        self.queue_control_frame(Control::Pong, payload);
    }

    fn queue_control_frame(&mut self, control: Control, payload: &[u8]) {
        let header = FrameHeader { opcode: OpCode::Control(control), ..FrameHeader::default() };
        let _ = header.format(payload.len() as u64, &mut self.pending_control_frames);
        self.pending_control_frames.extend_from_slice(payload);
    }

    /// Puts a Close frame behind all else. One without a code has none on the wire either.
    pub(crate) fn queue_close(&mut self, closure: &CloseFrame) {
        let mut payload = Vec::new();
        if closure.code != code::NO_STATUS_RECEIVED {
            payload.extend_from_slice(&closure.code.to_be_bytes());
            payload.extend_from_slice(closure.reason.as_bytes());
        }
        self.queue_control_frame(Control::Close, &payload);
    }

    /// Puts a message into a batch.
    pub(crate) fn encode_message(&mut self, batch: &mut WriteBatch, frame: Frame) {
        let (kind, payload) = match frame {
            Frame::Text(text) => (Data::Text, text.into_bytes()),
            Frame::Binary(bytes) => (Data::Binary, bytes),
        };
        match &mut self.deflater {
            Some(deflater) => {
                batch.push_frame(OpCode::Data(kind), true, deflater.deflate(&payload))
            }
            None => batch.push_frame(OpCode::Data(kind), false, payload),
        }
    }

    /// Writes what is there, then batch after batch of what `fill` puts together, until that has nothing
    /// more.
    pub(crate) fn poll_write(
        &mut self,
        stream: &mut MaybeTlsStream,
        cx: &mut Context<'_>,
        mut fill: impl FnMut(&mut Self, &mut WriteBatch, &Context<'_>),
    ) -> Poll<io::Result<()>> {
        BATCHES.with_borrow_mut(|batch| {
            loop {
                ready!(self.poll_write_unsent(stream, cx))?;
                batch.bytes.append(&mut self.pending_control_frames);
                self.pending_control_frames = Vec::new();
                fill(self, batch, cx);
                if batch.bytes.is_empty() {
                    if self.pending_control_frames.is_empty() {
                        return Pin::new(stream).poll_flush(cx);
                    }
                    // A Close goes behind what was put together before it.
                    batch.bytes.append(&mut self.pending_control_frames);
                }
                let written = self.poll_write_batch(stream, cx, batch);
                batch.bytes.clear();
                batch.large_payload = Bytes::new();
                ready!(written)?;
            }
        })
    }

    fn poll_write_unsent(
        &mut self,
        stream: &mut MaybeTlsStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
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
    fn poll_write_batch(
        &mut self,
        stream: &mut MaybeTlsStream,
        cx: &mut Context<'_>,
        batch: &mut WriteBatch,
    ) -> Poll<io::Result<()>> {
        let WriteBatch { bytes, large_payload: large } = batch;
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

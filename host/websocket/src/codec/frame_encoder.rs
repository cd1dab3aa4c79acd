//! The encoder: messages to frames, with many frames in one write.

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
use crate::client_stream::ClientStream;
use narrowboat_core::close_frame::{CloseFrame, code};
use narrowboat_core::frame::Frame;

/// The size at which a batch is written, in bytes.
pub(crate) const BATCH_BYTES: usize = 16 * 1024;

/// The size from which a payload is written without a copy, in bytes. Shorter payloads are copied into the batch.
pub(crate) const MIN_ZERO_COPY_BYTES: usize = 4 * 1024;

/// The largest size of queued pings and pongs, in bytes. If the peer does not read and they exceed it, only the last
/// ping is answered, as RFC 6455, section 5.5.3, allows.
const MAX_PENDING_CONTROL_BYTES: usize = 4 * 1024;

/// Encodes messages into frames and writes them.
pub(crate) struct FrameEncoder {
    /// Encoded control frames, written before the next message.
    pending_control_frames: Vec<u8>,
    /// Encoded bytes that the socket has not accepted.
    unsent: VecDeque<Bytes>,
    deflater: Option<Deflater>,
}

/// The encoded frames of one write.
#[derive(Default)]
pub(crate) struct WriteBatch {
    bytes: Vec<u8>,
    /// The payload of the last frame, if it is written without a copy.
    large_payload: Bytes,
}

thread_local! {
    /// The memory of a thread's current batch. An idle connection has no batch of its own.
    static BATCHES: RefCell<WriteBatch> = RefCell::default();
}

/// Encodes frames in the memory of this thread's batch. `write` leaves the batch to this function, which empties it.
pub(crate) fn with_batch<T>(write: impl FnOnce(&mut WriteBatch) -> T) -> T {
    BATCHES.with_borrow_mut(|batch| {
        let result = write(batch);
        batch.clear();
        result
    })
}

impl WriteBatch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.large_payload = Bytes::new();
    }

    /// Returns whether the batch takes no more frames.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || !self.large_payload.is_empty()
    }

    /// Returns whether the batch has no frames. The socket has then accepted all frames before it.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the encoded bytes of a batch without a large payload.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Encodes a message without compression. A large payload makes the batch full.
    pub(crate) fn push_message(&mut self, frame: Frame) {
        let (data, payload) = into_payload(frame);
        self.push_frame(OpCode::Data(data), false, payload);
    }

    /// Appends a frame; a large payload makes the batch full.
    fn push_frame(&mut self, opcode: OpCode, is_deflated: bool, payload: Bytes) {
        let header = FrameHeader { opcode, rsv1: is_deflated, ..FrameHeader::default() };
        // Writing to a vector cannot fail.
        let _ = header.format(payload.len() as u64, &mut self.bytes);
        if payload.len() < MIN_ZERO_COPY_BYTES {
            self.bytes.extend_from_slice(&payload);
        } else {
            self.large_payload = payload;
        }
    }
}

fn into_payload(frame: Frame) -> (Data, Bytes) {
    match frame {
        Frame::Text(text) => (Data::Text, text.into_bytes()),
        Frame::Binary(bytes) => (Data::Binary, bytes),
    }
}

impl FrameEncoder {
    pub(crate) fn new(deflater: Option<Deflater>) -> Self {
        Self { pending_control_frames: Vec::new(), unsent: VecDeque::new(), deflater }
    }

    /// Returns whether the socket has not accepted all bytes of the last write.
    pub(crate) fn is_write_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Returns whether a control frame waits.
    pub(crate) fn has_pending_control_frames(&self) -> bool {
        !self.pending_control_frames.is_empty()
    }

    /// Queues a ping.
    pub(crate) fn queue_ping(&mut self) {
        self.queue_control_frame(Control::Ping, &[]);
    }

    /// Queues the answer to a ping.
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

    /// Queues a Close frame after all messages. Code 1005 (no status) becomes an empty payload.
    pub(crate) fn queue_close(&mut self, close_frame: &CloseFrame) {
        let mut payload = Vec::new();
        if close_frame.code != code::NO_STATUS_RECEIVED {
            payload.extend_from_slice(&close_frame.code.to_be_bytes());
            payload.extend_from_slice(close_frame.reason.as_bytes());
        }
        self.queue_control_frame(Control::Close, &payload);
    }

    /// Encodes a message into a batch, compressed if the peer agreed.
    pub(crate) fn encode_message(&mut self, batch: &mut WriteBatch, frame: Frame) {
        let Some(deflater) = &mut self.deflater else { return batch.push_message(frame) };
        let (data, payload) = into_payload(frame);
        batch.push_frame(OpCode::Data(data), true, deflater.deflate(&payload));
    }

    /// Returns whether messages are compressed. Then their order in the encoder is their order on the wire.
    pub(crate) fn compresses(&self) -> bool {
        self.deflater.is_some()
    }

    /// Takes bytes that another task could not write. They precede everything that is encoded here.
    pub(crate) fn push_unsent(&mut self, bytes: Vec<u8>) {
        self.unsent.push_back(bytes.into());
    }

    /// Writes unsent bytes and control frames, then the batches that `fill` encodes until it leaves one empty.
    ///
    /// # Errors
    /// The stream failed.
    pub(crate) fn poll_write(
        &mut self,
        stream: &mut ClientStream,
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
                    // `fill` queued a Close, and the messages before it are written.
                    batch.bytes.append(&mut self.pending_control_frames);
                }
                let written = self.poll_write_batch(stream, cx, batch);
                batch.clear();
                ready!(written)?;
            }
        })
    }

    /// Writes the bytes that the socket did not accept before.
    fn poll_write_unsent(
        &mut self,
        stream: &mut ClientStream,
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

    /// Writes a batch, and keeps the bytes that the socket does not accept.
    fn poll_write_batch(
        &mut self,
        stream: &mut ClientStream,
        cx: &mut Context<'_>,
        batch: &mut WriteBatch,
    ) -> Poll<io::Result<()>> {
        let WriteBatch { bytes, large_payload: large } = batch;
        let write = if large.is_empty() {
            Pin::new(stream).poll_write(cx, bytes)
        } else {
            let slices = [IoSlice::new(bytes), IoSlice::new(large)];
            Pin::new(stream).poll_write_vectored(cx, &slices)
        };
        let (written, result) = match write {
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
        result
    }
}

//! The socket of a connection, for tasks that write to it while the connection's own task rests.

use std::io;

use narrowboat_core::frame::Frame;

use crate::codec::{BATCH_BYTES, MIN_ZERO_COPY_BYTES, with_batch};
use crate::split_tcp_stream::TcpWriter;

use super::frame_queue::FrameQueue;

/// The socket of a connection, and whether others may write to it now. The lock of the
/// [`OutboundQueue`](super::OutboundQueue) guards it, so that one task writes at a time.
#[derive(Debug, Default)]
pub(super) struct DirectWriter {
    /// Dangles if only the connection's task can write: because of TLS or compression, or because there is no socket.
    socket: TcpWriter,
    pub(super) rest: RestState,
    /// Whether another task has queued frames and will write them.
    is_flush_deferred: bool,
    /// Bytes that the socket did not accept. The connection's task writes them before all others.
    unsent: Vec<u8>,
}

/// The reason for which a task of a connection is parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RestState {
    /// The socket or a rate limit. The task has bytes or frames to write before others may write.
    #[default]
    Writing,
    /// The end of a call of its guest. Everything is written. Frames of the channel have to wait for the call.
    InCall,
    /// An event. Everything is written, and frames of the channel need not wait for anything.
    Idle,
}

/// The frames that another task has written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenFrames {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// The result of [`DirectWriter::write`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DirectWrite {
    /// The socket has accepted everything.
    Complete(WrittenFrames),
    /// The connection's task has to write the rest, and has to be woken.
    Incomplete(WrittenFrames),
}

impl DirectWriter {
    pub(super) fn new(socket: TcpWriter) -> Self {
        Self { socket, ..Self::default() }
    }

    /// Whether a frame may be queued for a later [`write`](Self::write) behind the `queued_bytes`. Large frames are
    /// left to the connection's task, which writes them without a copy.
    pub(super) fn accepts(&self, frame: &Frame, queued_bytes: usize) -> bool {
        self.rest > RestState::Writing
            && frame.len() < MIN_ZERO_COPY_BYTES
            && queued_bytes + frame.len() <= BATCH_BYTES
            && self.socket.strong_count() > 0
    }

    /// Records that a task has queued a frame and will write it. Returns whether it is the first of them, so that the
    /// task has to remember the connection.
    pub(super) fn defer_flush(&mut self) -> bool {
        !std::mem::replace(&mut self.is_flush_deferred, true)
    }

    /// Records that the task that had queued frames has come to write them.
    pub(super) fn end_deferral(&mut self) {
        self.is_flush_deferred = false;
    }

    /// Takes the bytes that the connection's task has to write first.
    pub(super) fn take_unsent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unsent)
    }

    /// Writes all queued frames, without blocking. Call it only while the connection's task is parked.
    pub(super) fn write(&mut self, queue: &mut FrameQueue) -> DirectWrite {
        let Some(socket) = self.socket.upgrade() else {
            return DirectWrite::Incomplete(WrittenFrames::default());
        };
        with_batch(|batch| {
            let mut written = WrittenFrames::default();
            while let Some(frame) = queue.pop() {
                written.frames += 1;
                written.bytes += frame.len() as u64;
                batch.push_message(frame);
            }
            let accepted = try_write(&socket, batch.bytes());
            if accepted == batch.bytes().len() {
                queue.confirm_written();
                return DirectWrite::Complete(written);
            }
            self.rest = RestState::Writing;
            self.unsent = batch.bytes()[accepted..].to_vec();
            DirectWrite::Incomplete(written)
        })
    }
}

/// Writes without blocking. Returns the number of bytes that the socket has accepted. The connection's task writes the
/// rest, and meets the error if the socket has failed.
fn try_write(socket: &tokio::net::tcp::OwnedWriteHalf, bytes: &[u8]) -> usize {
    let written: io::Result<usize> = if bytes.is_empty() { Ok(0) } else { socket.try_write(bytes) };
    written.unwrap_or(0)
}

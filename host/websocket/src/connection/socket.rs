//! A socket after its handshake: what its peer says, and the way to it.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncReadExt;

use super::deflate::{DeflateParams, Deflater, Inflater};
use super::frame_decoder::{FrameDecoder, IncomingEvent, IncomingLimits};
use super::frame_encoder::{FrameEncoder, WriteBatch};
use super::maybe_tls_stream::MaybeTlsStream;
use narrowboat_core::fault::ClientFault;

/// Memory that a thread reads into, in bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// The least that is read at once where more may come, in bytes.
const MIN_READ_BYTES: usize = 4 * 1024;

thread_local! {
    /// What is read into. An idle connection has no buffer of its own: what came is cut off here.
    static CHUNKS: RefCell<BytesMut> = RefCell::default();
}

/// What both sides may do on a socket.
#[derive(Debug, Clone, Copy)]
pub struct SocketConfig {
    /// What the peer may send.
    pub limits: IncomingLimits,
    /// Whether messages may be deflated.
    pub deflate: Option<DeflateParams>,
}

/// A socket whose handshake is done.
pub struct Socket {
    stream: MaybeTlsStream,
    decoder: FrameDecoder,
    encoder: FrameEncoder,
    /// Something came, were it only a part of a frame.
    read_flag: bool,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The peer has ended the stream, or it broke.
    Disconnected,
    /// The peer broke a rule.
    Fault(ClientFault),
}

impl Socket {
    /// Goes on with a stream, of which `early` was read behind the handshake.
    pub fn new(stream: MaybeTlsStream, early: &[u8], terms: &SocketConfig) -> Self {
        let mut decoder =
            FrameDecoder::new(terms.limits, terms.deflate.as_ref().map(Inflater::new));
        decoder.push_bytes(early.into());
        let encoder = FrameEncoder::new(terms.deflate.as_ref().map(Deflater::new));
        Self { stream, decoder, encoder, read_flag: false }
    }

    /// The next thing the peer says.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<IncomingEvent, ReadError>> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(said)) => return Poll::Ready(Ok(said)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(ReadError::Fault(fault))),
            }
            let Poll::Ready(read) = self.poll_fill(cx) else {
                self.decoder.own_buffer();
                return Poll::Pending;
            };
            if !matches!(read, Ok(1..)) {
                return Poll::Ready(Err(ReadError::Disconnected));
            }
            self.read_flag = true;
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, decoder, .. } = self;
        let lacks = decoder.missing_bytes();
        if lacks > MIN_READ_BYTES {
            return poll_read_into(stream, cx, decoder.read_buffer(lacks), lacks);
        }
        CHUNKS.with_borrow_mut(|chunk| {
            if chunk.capacity() < MIN_READ_BYTES {
                chunk.reserve(CHUNK_BYTES);
            }
            let read = ready!(poll_read_into(stream, cx, chunk, CHUNK_BYTES));
            decoder.push_bytes(chunk.split());
            Poll::Ready(read)
        })
    }

    /// Drops the peer's messages from now on, as [`Decoder::discard`].
    pub(super) fn discard_messages(&mut self) {
        self.decoder.discard_messages();
    }

    /// Whether anything was read since this was last asked.
    pub(super) fn take_read_flag(&mut self) -> bool {
        std::mem::take(&mut self.read_flag)
    }

    /// Whether the stream has not taken all that it was given.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.encoder.is_write_blocked()
    }

    /// Whether a ping or a pong waits for the next write.
    pub(super) fn has_pending_control_frames(&self) -> bool {
        self.encoder.has_pending_control_frames()
    }

    /// Asks the peer for a sign of life with the next write.
    pub(super) fn queue_ping(&mut self) {
        self.encoder.queue_ping();
    }

    /// Answers a ping with the next write.
    pub(super) fn queue_pong(&mut self, payload: &[u8]) {
        self.encoder.queue_pong(payload);
    }

    /// Writes what `fill` puts together, as [`Encoder::poll_write`].
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnMut(&mut FrameEncoder, &mut WriteBatch, &Context<'_>),
    ) -> Poll<io::Result<()>> {
        self.encoder.poll_write(&mut self.stream, cx, fill)
    }

    pub(super) fn stream_mut(&mut self) -> &mut MaybeTlsStream {
        &mut self.stream
    }
}

fn poll_read_into(
    stream: &mut MaybeTlsStream,
    cx: &mut Context<'_>,
    bytes: &mut BytesMut,
    most: usize,
) -> Poll<io::Result<usize>> {
    let mut room = bytes.limit(most);
    pin!(stream.read_buf(&mut room)).poll(cx)
}

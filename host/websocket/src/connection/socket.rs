//! A stream after its handshake, with the codec in both directions.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncReadExt;

use crate::client_stream::ClientStream;
use crate::codec::{
    DeflateParams, Deflater, FrameDecoder, FrameEncoder, IncomingEvent, IncomingLimits, Inflater,
    WriteBatch,
};
use crate::split_tcp_stream::TcpWriter;
use narrowboat_core::fault::ClientFault;
use narrowboat_core::frame::Frame;

/// The size of the memory that a thread reads into, in bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// The smallest read buffer, in bytes. A larger rest of a frame is read into the memory of the frame itself.
const MIN_READ_BYTES: usize = 4 * 1024;

thread_local! {
    /// The read buffer of a thread. The bytes of a read are split off, so an idle connection has no buffer of its own.
    static CHUNKS: RefCell<BytesMut> = RefCell::default();
}

/// The parameters of a socket from its handshake.
#[derive(Debug, Clone, Copy)]
pub struct SocketConfig {
    /// The largest frame and message of the peer.
    pub limits: IncomingLimits,
    /// The parameters of permessage-deflate. `None` means that messages are not compressed.
    pub deflate: Option<DeflateParams>,
}

/// A stream whose handshake is complete.
pub struct Socket {
    stream: ClientStream,
    decoder: FrameDecoder,
    encoder: FrameEncoder,
    /// Whether bytes were read since the last `take_read_flag`, even if they are only a part of a frame.
    read_flag: bool,
}

/// The reason why a socket has no more events.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The peer closed the stream, or the stream failed.
    Disconnected,
    /// The peer violated the protocol or a limit.
    Fault(ClientFault),
}

impl Socket {
    /// Takes over a stream from its handshake, which has read `early_bytes` after the request.
    pub fn new(stream: ClientStream, early_bytes: &[u8], config: &SocketConfig) -> Self {
        let mut decoder =
            FrameDecoder::new(config.limits, config.deflate.as_ref().map(Inflater::new));
        decoder.push_bytes(early_bytes.into());
        let encoder = FrameEncoder::new(config.deflate.as_ref().map(Deflater::new));
        Self { stream, decoder, encoder, read_flag: false }
    }

    /// Returns the next event of the peer.
    pub(crate) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<IncomingEvent, ReadError>> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => return Poll::Ready(Ok(event)),
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

    /// Returns the next message if it is one frame of the last read. Else the next event is something else, or has to be
    /// read.
    pub(super) fn next_whole_message(&mut self) -> Result<Option<Frame>, ClientFault> {
        self.decoder.next_whole_message()
    }

    /// Whether bytes of the last read wait to be decoded.
    pub(super) fn has_read_bytes(&self) -> bool {
        self.decoder.has_bytes()
    }

    /// Reads into the decoder. Returns the number of bytes; 0 is the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, decoder, .. } = self;
        let missing_bytes = decoder.missing_bytes();
        if missing_bytes > MIN_READ_BYTES {
            let buffer = decoder.read_buffer(missing_bytes);
            return poll_read_into(stream, cx, buffer, missing_bytes);
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

    /// Drops the peer's messages from now on; see [`FrameDecoder::discard_messages`].
    pub(super) fn discard_messages(&mut self) {
        self.decoder.discard_messages();
    }

    /// Returns whether bytes were read since the last call.
    pub(super) fn take_read_flag(&mut self) -> bool {
        std::mem::take(&mut self.read_flag)
    }

    /// Returns whether the stream has not accepted all bytes of the last write.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.encoder.is_write_blocked()
    }

    /// Returns whether a ping or a pong waits for the next write.
    pub(super) fn has_pending_control_frames(&self) -> bool {
        self.encoder.has_pending_control_frames()
    }

    /// Queues a ping for the next write.
    pub(super) fn queue_ping(&mut self) {
        self.encoder.queue_ping();
    }

    /// Queues the answer to a ping for the next write.
    pub(super) fn queue_pong(&mut self, payload: &[u8]) {
        self.encoder.queue_pong(payload);
    }

    /// Writes the batches that `fill` encodes; see [`FrameEncoder::poll_write`].
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnMut(&mut FrameEncoder, &mut WriteBatch, &Context<'_>),
    ) -> Poll<io::Result<()>> {
        self.encoder.poll_write(&mut self.stream, cx, fill)
    }

    /// Returns the socket for other tasks. It dangles if they cannot write to it: because of TLS, or because messages
    /// are compressed.
    pub(super) fn direct_writer(&self) -> TcpWriter {
        match &self.stream {
            ClientStream::Left(stream) if !self.encoder.compresses() => stream.writer(),
            _ => TcpWriter::new(),
        }
    }

    /// Takes bytes that another task could not write. They precede everything that is written here.
    pub(super) fn push_unsent(&mut self, bytes: Vec<u8>) {
        self.encoder.push_unsent(bytes);
    }

    pub(super) fn stream_mut(&mut self) -> &mut ClientStream {
        &mut self.stream
    }
}

/// Reads at most `max_bytes` to the end of `buffer`.
fn poll_read_into(
    stream: &mut ClientStream,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
    max_bytes: usize,
) -> Poll<io::Result<usize>> {
    let mut buffer = buffer.limit(max_bytes);
    pin!(stream.read_buf(&mut buffer)).poll(cx)
}

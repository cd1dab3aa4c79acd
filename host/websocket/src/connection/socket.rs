//! A socket after its handshake: what its peer says, and the way to it.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncReadExt;

use super::deflate::{Agreement, Deflater, Inflater};
use super::incoming::{Decoder, IncomingLimits, Said};
use super::outgoing::{Batch, Encoder};
use super::stream::Stream;
use narrowboat_core::fault::ClientFault;

/// Memory that a thread reads into, in bytes.
const CHUNK: usize = 32 * 1024;

/// The least that is read at once where more may come, in bytes.
const READ: usize = 4 * 1024;

thread_local! {
    /// What is read into. An idle connection has no buffer of its own: what came is cut off here.
    static CHUNKS: RefCell<BytesMut> = RefCell::default();
}

/// What both sides may do on a socket.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What the peer may send.
    pub limits: IncomingLimits,
    /// Whether messages may be deflated.
    pub deflate: Option<Agreement>,
}

/// A socket whose handshake is done.
pub struct Socket {
    stream: Stream,
    decoder: Decoder,
    encoder: Encoder,
    /// Something came, were it only a part of a frame.
    heard: bool,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum Silence {
    /// The peer has ended the stream, or it broke.
    Ended,
    /// The peer broke a rule.
    Fault(ClientFault),
}

impl Socket {
    /// Goes on with a stream, of which `early` was read behind the handshake.
    pub fn new(stream: Stream, early: &[u8], terms: &Terms) -> Self {
        let mut decoder = Decoder::new(terms.limits, terms.deflate.as_ref().map(Inflater::new));
        decoder.put(early.into());
        let encoder = Encoder::new(terms.deflate.as_ref().map(Deflater::new));
        Self { stream, decoder, encoder, heard: false }
    }

    /// The next thing the peer says.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Said, Silence>> {
        loop {
            match self.decoder.next() {
                Ok(Some(said)) => return Poll::Ready(Ok(said)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(Silence::Fault(fault))),
            }
            let Poll::Ready(read) = self.poll_fill(cx) else {
                self.decoder.detach();
                return Poll::Pending;
            };
            if !matches!(read, Ok(1..)) {
                return Poll::Ready(Err(Silence::Ended));
            }
            self.heard = true;
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { stream, decoder, .. } = self;
        let lacks = decoder.lacks();
        if lacks > READ {
            return poll_read_into(stream, cx, decoder.room(lacks), lacks);
        }
        CHUNKS.with_borrow_mut(|chunk| {
            if chunk.capacity() < READ {
                chunk.reserve(CHUNK);
            }
            let read = ready!(poll_read_into(stream, cx, chunk, CHUNK));
            decoder.put(chunk.split());
            Poll::Ready(read)
        })
    }

    /// Drops the peer's messages from now on, as [`Decoder::discard`].
    pub(super) fn discard(&mut self) {
        self.decoder.discard();
    }

    /// Whether anything was read since this was last asked.
    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    /// Whether the stream has not taken all that it was given.
    pub(super) fn is_blocked(&self) -> bool {
        self.encoder.is_blocked()
    }

    /// Whether a ping or a pong waits for the next write.
    pub(super) fn has_words(&self) -> bool {
        self.encoder.has_words()
    }

    /// Asks the peer for a sign of life with the next write.
    pub(super) fn ping(&mut self) {
        self.encoder.ping();
    }

    /// Answers a ping with the next write.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.encoder.pong(payload);
    }

    /// Writes what `fill` puts together, as [`Encoder::poll_write`].
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        fill: impl FnMut(&mut Encoder, &mut Batch, &Context<'_>),
    ) -> Poll<io::Result<()>> {
        self.encoder.poll_write(&mut self.stream, cx, fill)
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

fn poll_read_into(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    bytes: &mut BytesMut,
    most: usize,
) -> Poll<io::Result<usize>> {
    let mut room = bytes.limit(most);
    pin!(stream.read_buf(&mut room)).poll(cx)
}

//! A TCP stream whose writing half other tasks may use too.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A TCP stream. Its owner reads and writes; other tasks of this crate can write with `SplitTcpStream::writer`.
#[derive(Debug)]
pub struct SplitTcpStream {
    read_half: OwnedReadHalf,
    /// `None` after the shutdown of the writing side.
    write_half: Option<Arc<OwnedWriteHalf>>,
}

/// The writing half of a stream, for tasks that do not own the stream. Whoever upgrades it keeps the socket open until
/// the write is over, so that its descriptor cannot become another socket meanwhile.
pub(crate) type TcpWriter = Weak<OwnedWriteHalf>;

impl From<TcpStream> for SplitTcpStream {
    fn from(stream: TcpStream) -> Self {
        let (read_half, write_half) = stream.into_split();
        Self { read_half, write_half: Some(Arc::new(write_half)) }
    }
}

impl SplitTcpStream {
    /// Returns the writing half for other tasks. It dangles after the shutdown of the writing side.
    pub(crate) fn writer(&self) -> TcpWriter {
        self.write_half.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// Writes when the socket accepts bytes. `write` returns `WouldBlock` if it accepts none.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(write_half) = &self.write_half else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let stream = (**write_half).as_ref();
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for SplitTcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read_half).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SplitTcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing, because a TCP stream has no buffer of its own.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Drops the writing half, which shuts down the writing side once no other task writes.
    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_half = None;
        Poll::Ready(Ok(()))
    }
}

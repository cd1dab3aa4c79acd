//! The stream between a client and the host.

use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::split_tcp_stream::SplitTcpStream;

/// The stream between a client and the host: TCP (`Left`), or another stream.
///
/// All variants support vectored writes. TLS buffers what is written, so writers must flush.
pub type ClientStream = Either<SplitTcpStream, WrappedStream>;

/// A stream other than TCP: TLS after its handshake (`Left`), or one in the memory of this process (`Right`), whose client
/// is a test of a plugin.
///
/// The TLS variant is boxed, so that a connection without TLS does not reserve memory for it.
pub type WrappedStream = Either<Box<TlsStream<TcpStream>>, DuplexStream>;

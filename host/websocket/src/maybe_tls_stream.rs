//! The stream of an accepted connection.

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// The stream of an accepted connection: TCP (`Left`), or TLS after its handshake (`Right`).
///
/// The TLS variant is boxed, so that a connection without TLS does not reserve memory for it. TLS buffers what is
/// written, so writers must flush. Both variants support vectored writes.
pub type MaybeTlsStream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

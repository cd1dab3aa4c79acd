//! The socket over which the tests of a crate reach their hosts.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::test_host::{TestHost, TestHostSettings};
use crate::test_kit_error::TestKitError;
use crate::virtual_clock::test_clock;

/// The largest request, in bytes.
const MAX_REQUEST_BYTES: u32 = 64 * 1024 * 1024;

/// The socket over which the tests of a crate reach their hosts. Each connection has a host of its own. A message is its
/// length, four bytes with the most significant first, and MessagePack.
pub(crate) struct TestSocket {
    path: PathBuf,
    _folder: TempDir,
}

impl TestSocket {
    /// Opens the socket. It is served until the process ends.
    ///
    /// # Errors
    /// If the socket cannot be opened.
    pub(crate) fn open(settings: TestHostSettings) -> Result<Self, TestKitError> {
        let failed = |source| TestKitError::Io { path: std::env::temp_dir(), source };
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join("host.sock");
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A test may have several hosts, each with a clock of its own.
                let settings = TestHostSettings { clock: test_clock(), ..settings.clone() };
                std::thread::spawn(move || serve(stream, settings));
            }
        });
        Ok(Self { path, _folder: folder })
    }

    /// The path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Serves the connection of one host.
fn serve(mut stream: UnixStream, settings: TestHostSettings) {
    let host = match TestHost::start(settings) {
        Ok(host) => host,
        Err(error) => {
            tracing::error!(%error, "cannot start the host of the test");
            return;
        }
    };
    // The connection ends with the test.
    while let Ok(request) = read_message(&mut stream) {
        let Some(response) = host.call(request) else { return };
        if write_message(&mut stream, &response).is_err() {
            return;
        }
    }
}

fn read_message(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_REQUEST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too large"));
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(message)
}

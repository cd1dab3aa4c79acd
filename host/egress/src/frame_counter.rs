//! The bytes that a body may still have.

use bytes::Bytes;
use hyper::body::Frame;

/// Subtracts the bytes of a frame from the bytes that the body may still have. Returns `None` if the frame has more.
pub(crate) fn count_frame_bytes(
    frame: Frame<Bytes>,
    remaining_bytes: &mut u64,
) -> Option<Frame<Bytes>> {
    let len = frame.data_ref().map_or(0, Bytes::len);
    *remaining_bytes = remaining_bytes.checked_sub(len as u64)?;
    Some(frame)
}

//! Frames that came while the guest was busy elsewhere.

use std::collections::VecDeque;

use bytes::Bytes;

use narrowboat_core::frame::Frame;

/// Frames read ahead while the guest is busy elsewhere, so that pings and a Close behind them are
/// still seen.
const READ_AHEAD_FRAME_LIMIT: usize = 32;

/// Bytes read ahead.
const READ_AHEAD_BYTE_LIMIT: usize = 256 * 1024;

/// A payload up to this size is copied when it is kept, in bytes: a slice of the read buffer would
/// keep all of that.
const COPY_LIMIT_BYTES: usize = 1024;

/// Frames that came while the guest was busy, bounded.
#[derive(Default)]
pub(super) struct ReadAhead {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl ReadAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= READ_AHEAD_FRAME_LIMIT || self.bytes >= READ_AHEAD_BYTE_LIMIT
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(match frame {
            Frame::Binary(bytes) if bytes.len() <= COPY_LIMIT_BYTES => {
                Frame::Binary(Bytes::copy_from_slice(&bytes))
            }
            Frame::Text(text) if text.len() <= COPY_LIMIT_BYTES => Frame::Text((*text).into()),
            large => large,
        });
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(frame)
    }
}

//! Frames that a session reads while its guest is busy.

use std::collections::VecDeque;

use bytes::Bytes;

use narrowboat_core::frame::Frame;

/// Frames that are read ahead. A session reads ahead so that it sees pings and a Close behind the frames.
const READ_AHEAD_FRAME_LIMIT: usize = 32;

/// Bytes that are read ahead.
const READ_AHEAD_BYTE_LIMIT: usize = 256 * 1024;

/// Payloads up to this size, in bytes, are copied: a slice of the read buffer would keep the whole buffer in memory.
const COPY_LIMIT_BYTES: usize = 1024;

/// A bounded queue of frames that were read ahead.
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

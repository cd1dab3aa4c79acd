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

/// A bounded queue of frames that were read ahead. Boxed, since few connections have one.
#[derive(Default)]
pub(super) struct ReadAhead(Option<Box<FramesAhead>>);

#[derive(Default)]
struct FramesAhead {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl ReadAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.as_ref().is_some_and(|list| {
            list.frames.len() >= READ_AHEAD_FRAME_LIMIT || list.bytes >= READ_AHEAD_BYTE_LIMIT
        })
    }

    pub(super) fn push(&mut self, frame: Frame) {
        let list = self.0.get_or_insert_default();
        list.bytes += frame.len();
        list.frames.push_back(match frame {
            Frame::Binary(bytes) if bytes.len() <= COPY_LIMIT_BYTES => {
                Frame::Binary(Bytes::copy_from_slice(&bytes))
            }
            Frame::Text(text) if text.len() <= COPY_LIMIT_BYTES => Frame::Text((*text).into()),
            large => large,
        });
    }

    /// Puts frames back before all others, even beyond the limit.
    pub(super) fn put_back(&mut self, frames: VecDeque<Frame>) {
        if frames.is_empty() {
            return;
        }
        let list = self.0.get_or_insert_default();
        for frame in frames.into_iter().rev() {
            list.bytes += frame.len();
            list.frames.push_front(frame);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let list = self.0.as_mut()?;
        let frame = list.frames.pop_front();
        list.bytes -= frame.as_ref().map_or(0, Frame::len);
        if list.frames.is_empty() {
            self.0 = None;
        }
        frame
    }
}

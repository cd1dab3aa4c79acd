//! From the bytes of a peer to whole messages: RFC 6455, section 5, and the inflation of RFC 7692.

use std::io::Cursor;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::deflate::{Inflater, NotInflated};
use narrowboat_core::closure::{Closure, code};
use narrowboat_core::fault::ClientFault;
use narrowboat_core::frame::Frame;

/// The most that a control frame may carry, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// Memory that is made for a large frame before any of it has come, in bytes.
const STEP: usize = 16 * 1024;

/// What a peer said.
#[derive(Debug)]
pub(super) enum Said {
    Message(Frame),
    Ping(Bytes),
    Pong,
    /// How it closes; what it may not say reads as a protocol error (RFC 6455, section 7.4).
    Close(Closure),
}

/// Heads of blocks and streams that a deflated message may have beyond its content, in bytes.
const DEFLATED_EXTRA: usize = 256;

/// The bounds of what a peer may send, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct IncomingLimits {
    /// The largest message, inflated.
    pub max_message: usize,
    /// The largest frame.
    pub max_frame: usize,
}

/// Takes bytes apart.
pub(super) struct Decoder {
    limits: IncomingLimits,
    /// Bytes that no frame has been made of.
    bytes: BytesMut,
    /// They lie in memory that others have a part of.
    cut: bool,
    /// The frame whose payload has not come whole.
    begun: Option<(FrameHeader, usize)>,
    /// The message whose last frame has not come.
    partial: Option<Partial>,
    /// Messages are dropped.
    discards: bool,
    inflater: Option<Inflater>,
}

struct Partial {
    kind: Kind,
    bytes: BytesMut,
    /// Bytes of a text that are known to be UTF-8.
    checked: usize,
}

#[derive(Clone, Copy)]
struct Kind {
    text: bool,
    deflated: bool,
}

impl Decoder {
    pub(super) fn new(limits: IncomingLimits, inflater: Option<Inflater>) -> Self {
        let bytes = BytesMut::new();
        Self { limits, bytes, cut: false, begun: None, partial: None, discards: false, inflater }
    }

    /// Drops messages from now on: they are neither inflated nor checked for being UTF-8. Frames are still held to
    /// their rules.
    pub(super) fn discard(&mut self) {
        self.discards = true;
        if let Some(partial) = &mut self.partial {
            partial.bytes = BytesMut::new();
        }
    }

    /// Takes bytes as they came. Nothing is copied where all that came before is used up.
    pub(super) fn put(&mut self, bytes: BytesMut) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
            self.cut = true;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Bytes that the frame at hand still lacks.
    pub(super) fn lacks(&self) -> usize {
        self.begun.as_ref().map_or(0, |(_, len)| len.saturating_sub(self.bytes.len()))
    }

    /// Where the rest of the frame at hand is read into. The room grows with what comes, not with what
    /// was announced.
    pub(super) fn room(&mut self, lacks: usize) -> &mut BytesMut {
        if self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(lacks.min(self.bytes.len().max(STEP)));
        }
        self.cut = false;
        &mut self.bytes
    }

    /// The next thing the peer said, if all of it has come.
    ///
    /// # Errors
    /// What the peer did wrong; nothing more can be read then.
    pub(super) fn next(&mut self) -> Result<Option<Said>, ClientFault> {
        while let Some((header, payload)) = self.next_frame()? {
            if let Some(said) = self.take(&header, payload)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn next_frame(&mut self) -> Result<Option<(FrameHeader, BytesMut)>, ClientFault> {
        let (header, len) = match self.begun.take() {
            Some(begun) => begun,
            None => {
                let mut cursor = Cursor::new(&*self.bytes);
                let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(unreadable)?
                else {
                    return Ok(None);
                };
                let read = cursor.position() as usize;
                let len = self.check(&header, len)?;
                self.bytes.advance(read);
                (header, len)
            }
        };
        if self.bytes.len() < len {
            self.begun = Some((header, len));
            return Ok(None);
        }
        let mut payload = self.bytes.split_to(len);
        if self.bytes.is_empty() {
            // What is empty would still hold the memory it was cut from.
            self.bytes = BytesMut::new();
        }
        if let Some(mask) = header.mask {
            unmask(&mut payload, mask);
        }
        Ok(Some((header, payload)))
    }

    /// Whether a frame may come now, before any of its payload is waited for.
    fn check(&self, header: &FrameHeader, len: u64) -> Result<usize, ClientFault> {
        let starts = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let wrong = match header.opcode {
            _ if header.mask.is_none() => Some(ProtocolError::UnmaskedFrameFromClient),
            _ if header.rsv2 || header.rsv3 => Some(ProtocolError::NonZeroReservedBits),
            _ if header.rsv1 && !(starts && self.inflater.is_some()) => {
                Some(ProtocolError::NonZeroReservedBits)
            }
            OpCode::Control(_) if !header.is_final => Some(ProtocolError::FragmentedControlFrame),
            OpCode::Control(_) if len > MAX_CONTROL => Some(ProtocolError::ControlFrameTooBig),
            OpCode::Data(Data::Continue) if self.partial.is_none() => {
                Some(ProtocolError::UnexpectedContinueFrame)
            }
            OpCode::Data(data) if starts && self.partial.is_some() => {
                Some(ProtocolError::ExpectedFragment(data))
            }
            OpCode::Control(_) | OpCode::Data(_) => None,
        };
        if let Some(wrong) = wrong {
            return Err(ClientFault::Protocol(wrong.to_string()));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if matches!(header.opcode, OpCode::Data(_)) {
            let (came, deflated) = match &self.partial {
                Some(partial) => (partial.bytes.len(), partial.kind.deflated),
                None => (0, header.rsv1),
            };
            let most = |bytes| if deflated { deflated_most(bytes) } else { bytes };
            within(len, most(self.limits.max_frame))?;
            within(came.saturating_add(len), most(self.limits.max_message))?;
        }
        Ok(len)
    }

    /// What a frame says: nothing yet, if it is a part of a message.
    fn take(
        &mut self,
        header: &FrameHeader,
        payload: BytesMut,
    ) -> Result<Option<Said>, ClientFault> {
        let data = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Said::Ping(payload.freeze()))),
            OpCode::Control(Control::Close) => {
                return close(&payload).map(|how| Some(Said::Close(how)));
            }
            OpCode::Control(_) => return Ok(Some(Said::Pong)),
            OpCode::Data(_) if self.discards => {
                let kind = Kind { text: false, deflated: header.rsv1 };
                let kind = self.partial.take().map_or(kind, |partial| partial.kind);
                // Whether a message is open decides about the next frame.
                let open = Partial { kind, bytes: BytesMut::new(), checked: 0 };
                self.partial = (!header.is_final).then_some(open);
                return Ok(None);
            }
            OpCode::Data(data) => data,
        };
        let mut partial = match self.partial.take() {
            Some(mut partial) => {
                partial.bytes.extend_from_slice(&payload);
                partial
            }
            None => {
                let kind = Kind { text: data == Data::Text, deflated: header.rsv1 };
                if header.is_final {
                    return self.message(kind, payload.freeze()).map(|it| Some(Said::Message(it)));
                }
                // Memory of its own: it may take long until the rest comes.
                Partial { kind, bytes: BytesMut::from(&*payload), checked: 0 }
            }
        };
        if header.is_final {
            let Partial { kind, bytes, .. } = partial;
            return self.message(kind, bytes.freeze()).map(|it| Some(Said::Message(it)));
        }
        partial.check()?;
        self.partial = Some(partial);
        Ok(None)
    }

    fn message(&mut self, kind: Kind, mut bytes: Bytes) -> Result<Frame, ClientFault> {
        if kind.deflated
            && let Some(inflater) = &mut self.inflater
        {
            let max_size = self.limits.max_message;
            bytes = inflater.inflate(&bytes, max_size).map_err(|error| match error {
                NotInflated::TooLong(size) => too_long(size, max_size),
                NotInflated::Damaged => ClientFault::Protocol("Invalid deflate data".to_owned()),
            })?;
        }
        if kind.text {
            ByteString::try_from(bytes).map(Frame::Text).map_err(|_| ClientFault::BadText)
        } else {
            Ok(Frame::Binary(bytes))
        }
    }

    /// Copies what has come of the frame at hand, so that a peer that dallies holds no more memory
    /// than it has sent.
    pub(super) fn detach(&mut self) {
        if std::mem::take(&mut self.cut) && !self.bytes.is_empty() {
            self.bytes = BytesMut::from(&*self.bytes);
        }
    }
}

impl Partial {
    /// Fails a text as soon as it cannot become UTF-8 any more.
    fn check(&mut self) -> Result<(), ClientFault> {
        if self.kind.text && !self.kind.deflated {
            match std::str::from_utf8(&self.bytes[self.checked..]) {
                Ok(_) => self.checked = self.bytes.len(),
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(ClientFault::BadText),
            }
        }
        Ok(())
    }
}

/// The most bytes that may inflate to `len`: what does not get shorter may take nine bits a byte (RFC 1951, section
/// 3.2.6), and heads of blocks.
fn deflated_most(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(DEFLATED_EXTRA)
}

fn within(size: usize, max_size: usize) -> Result<(), ClientFault> {
    if size > max_size { Err(too_long(size, max_size)) } else { Ok(()) }
}

fn too_long(size: usize, max_size: usize) -> ClientFault {
    ClientFault::TooBig(CapacityError::MessageTooLong { size, max_size }.to_string())
}

/// A header that cannot be read: its opcode is none.
fn unreadable(error: Error) -> ClientFault {
    ClientFault::Protocol(match error {
        Error::Protocol(error) => error.to_string(),
        error => error.to_string(),
    })
}

fn close(payload: &[u8]) -> Result<Closure, ClientFault> {
    match payload {
        [] => Ok(Closure::new(code::NONE, "")),
        [_] => Err(ClientFault::Protocol(ProtocolError::InvalidCloseSequence.to_string())),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let reason = std::str::from_utf8(reason).map_err(|_| ClientFault::BadText)?;
            Ok(if Closure::may_travel(code) {
                Closure::new(code, reason)
            } else {
                Closure::new(code::PROTOCOL, "Protocol violation")
            })
        }
    }
}

/// RFC 6455, section 5.3.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;

//! From the bytes of a peer to whole messages: RFC 6455, section 5, and the inflation of RFC 7692.

use std::io::Cursor;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::deflate::{InflateError, Inflater};
use narrowboat_core::close_frame::{CloseFrame, code};
use narrowboat_core::fault::ClientFault;
use narrowboat_core::frame::Frame;

/// The most that a control frame may carry, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL_PAYLOAD: u64 = 125;

/// Memory that is made for a large frame before any of it has come, in bytes.
const MIN_RESERVE_BYTES: usize = 16 * 1024;

/// What a peer said.
#[derive(Debug)]
pub(crate) enum IncomingEvent {
    Message(Frame),
    Ping(Bytes),
    Pong,
    /// How it closes; what it may not say reads as a protocol error (RFC 6455, section 7.4).
    Close(CloseFrame),
}

/// Heads of blocks and streams that a deflated message may have beyond its content, in bytes.
const DEFLATE_OVERHEAD_BYTES: usize = 256;

/// The bounds of what a peer may send, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct IncomingLimits {
    /// The largest message, inflated.
    pub max_message: usize,
    /// The largest frame.
    pub max_frame: usize,
}

/// Takes bytes apart.
pub(crate) struct FrameDecoder {
    limits: IncomingLimits,
    /// Bytes that no frame has been made of.
    buffer: BytesMut,
    /// They lie in memory that others have a part of.
    shares_chunk: bool,
    /// The frame whose payload has not come whole.
    current_frame: Option<(FrameHeader, usize)>,
    /// The message whose last frame has not come.
    partial_message: Option<PartialMessage>,
    /// Messages are dropped.
    is_discarding: bool,
    inflater: Option<Inflater>,
}

struct PartialMessage {
    flags: MessageFlags,
    bytes: BytesMut,
    /// Bytes of a text that are known to be UTF-8.
    utf8_checked_bytes: usize,
}

#[derive(Clone, Copy)]
struct MessageFlags {
    is_text: bool,
    is_deflated: bool,
}

impl FrameDecoder {
    pub(crate) fn new(limits: IncomingLimits, inflater: Option<Inflater>) -> Self {
        let buffer = BytesMut::new();
        Self {
            limits,
            buffer,
            shares_chunk: false,
            current_frame: None,
            partial_message: None,
            is_discarding: false,
            inflater,
        }
    }

    /// Drops messages from now on: they are neither inflated nor checked for being UTF-8. Frames are still held to
    /// their rules.
    pub(crate) fn discard_messages(&mut self) {
        self.is_discarding = true;
        if let Some(partial) = &mut self.partial_message {
            partial.bytes = BytesMut::new();
        }
    }

    /// Takes bytes as they came. Nothing is copied where all that came before is used up.
    pub(crate) fn push_bytes(&mut self, bytes: BytesMut) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
            self.shares_chunk = true;
        } else {
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// Bytes that the frame at hand still lacks.
    pub(crate) fn missing_bytes(&self) -> usize {
        self.current_frame.as_ref().map_or(0, |(_, len)| len.saturating_sub(self.buffer.len()))
    }

    /// Where the rest of the frame at hand is read into. The room grows with what comes, not with what
    /// was announced.
    pub(crate) fn read_buffer(&mut self, lacks: usize) -> &mut BytesMut {
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(lacks.min(self.buffer.len().max(MIN_RESERVE_BYTES)));
        }
        self.shares_chunk = false;
        &mut self.buffer
    }

    /// The next thing the peer said, if all of it has come.
    ///
    /// # Errors
    /// What the peer did wrong; nothing more can be read then.
    pub(crate) fn next_event(&mut self) -> Result<Option<IncomingEvent>, ClientFault> {
        while let Some((header, payload)) = self.next_frame()? {
            if let Some(said) = self.handle_frame(&header, payload)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    fn next_frame(&mut self) -> Result<Option<(FrameHeader, BytesMut)>, ClientFault> {
        let (header, len) = match self.current_frame.take() {
            Some(begun) => begun,
            None => {
                let mut cursor = Cursor::new(&*self.buffer);
                let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(header_fault)?
                else {
                    return Ok(None);
                };
                let read = cursor.position() as usize;
                let len = self.check_header(&header, len)?;
                self.buffer.advance(read);
                (header, len)
            }
        };
        if self.buffer.len() < len {
            self.current_frame = Some((header, len));
            return Ok(None);
        }
        let mut payload = self.buffer.split_to(len);
        if self.buffer.is_empty() {
            // What is empty would still hold the memory it was cut from.
            self.buffer = BytesMut::new();
        }
        if let Some(mask) = header.mask {
            unmask(&mut payload, mask);
        }
        Ok(Some((header, payload)))
    }

    /// Whether a frame may come now, before any of its payload is waited for.
    fn check_header(&self, header: &FrameHeader, len: u64) -> Result<usize, ClientFault> {
        let starts = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let wrong = match header.opcode {
            _ if header.mask.is_none() => Some(ProtocolError::UnmaskedFrameFromClient),
            _ if header.rsv2 || header.rsv3 => Some(ProtocolError::NonZeroReservedBits),
            _ if header.rsv1 && !(starts && self.inflater.is_some()) => {
                Some(ProtocolError::NonZeroReservedBits)
            }
            OpCode::Control(_) if !header.is_final => Some(ProtocolError::FragmentedControlFrame),
            OpCode::Control(_) if len > MAX_CONTROL_PAYLOAD => {
                Some(ProtocolError::ControlFrameTooBig)
            }
            OpCode::Data(Data::Continue) if self.partial_message.is_none() => {
                Some(ProtocolError::UnexpectedContinueFrame)
            }
            OpCode::Data(data) if starts && self.partial_message.is_some() => {
                Some(ProtocolError::ExpectedFragment(data))
            }
            OpCode::Control(_) | OpCode::Data(_) => None,
        };
        if let Some(wrong) = wrong {
            return Err(ClientFault::Protocol(wrong.to_string()));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if matches!(header.opcode, OpCode::Data(_)) {
            let (came, deflated) = match &self.partial_message {
                Some(partial) => (partial.bytes.len(), partial.flags.is_deflated),
                None => (0, header.rsv1),
            };
            let most = |bytes| if deflated { max_deflated_len(bytes) } else { bytes };
            check_size(len, most(self.limits.max_frame))?;
            check_size(came.saturating_add(len), most(self.limits.max_message))?;
        }
        Ok(len)
    }

    /// What a frame says: nothing yet, if it is a part of a message.
    fn handle_frame(
        &mut self,
        header: &FrameHeader,
        payload: BytesMut,
    ) -> Result<Option<IncomingEvent>, ClientFault> {
        let data = match header.opcode {
            OpCode::Control(Control::Ping) => {
                return Ok(Some(IncomingEvent::Ping(payload.freeze())));
            }
            OpCode::Control(Control::Close) => {
                return parse_close_payload(&payload).map(|how| Some(IncomingEvent::Close(how)));
            }
            OpCode::Control(_) => return Ok(Some(IncomingEvent::Pong)),
            OpCode::Data(_) if self.is_discarding => {
                let kind = MessageFlags { is_text: false, is_deflated: header.rsv1 };
                let kind = self.partial_message.take().map_or(kind, |partial| partial.flags);
                // Whether a message is open decides about the next frame.
                let open =
                    PartialMessage { flags: kind, bytes: BytesMut::new(), utf8_checked_bytes: 0 };
                self.partial_message = (!header.is_final).then_some(open);
                return Ok(None);
            }
            OpCode::Data(data) => data,
        };
        let mut partial = match self.partial_message.take() {
            Some(mut partial) => {
                partial.bytes.extend_from_slice(&payload);
                partial
            }
            None => {
                let kind = MessageFlags { is_text: data == Data::Text, is_deflated: header.rsv1 };
                if header.is_final {
                    return self
                        .decode_message(kind, payload.freeze())
                        .map(|it| Some(IncomingEvent::Message(it)));
                }
                // Memory of its own: it may take long until the rest comes.
                PartialMessage {
                    flags: kind,
                    bytes: BytesMut::from(&*payload),
                    utf8_checked_bytes: 0,
                }
            }
        };
        if header.is_final {
            let PartialMessage { flags: kind, bytes, .. } = partial;
            return self
                .decode_message(kind, bytes.freeze())
                .map(|it| Some(IncomingEvent::Message(it)));
        }
        partial.check_utf8()?;
        self.partial_message = Some(partial);
        Ok(None)
    }

    fn decode_message(
        &mut self,
        kind: MessageFlags,
        mut bytes: Bytes,
    ) -> Result<Frame, ClientFault> {
        if kind.is_deflated
            && let Some(inflater) = &mut self.inflater
        {
            let max_size = self.limits.max_message;
            bytes = inflater.inflate(&bytes, max_size).map_err(|error| match error {
                InflateError::TooLong(size) => too_long_fault(size, max_size),
                InflateError::Corrupt => ClientFault::Protocol("Invalid deflate data".to_owned()),
            })?;
        }
        if kind.is_text {
            ByteString::try_from(bytes).map(Frame::Text).map_err(|_| ClientFault::InvalidUtf8)
        } else {
            Ok(Frame::Binary(bytes))
        }
    }

    /// Copies what has come of the frame at hand, so that a peer that dallies holds no more memory
    /// than it has sent.
    pub(crate) fn own_buffer(&mut self) {
        if std::mem::take(&mut self.shares_chunk) && !self.buffer.is_empty() {
            self.buffer = BytesMut::from(&*self.buffer);
        }
    }
}

impl PartialMessage {
    /// Fails a text as soon as it cannot become UTF-8 any more.
    fn check_utf8(&mut self) -> Result<(), ClientFault> {
        if self.flags.is_text && !self.flags.is_deflated {
            match std::str::from_utf8(&self.bytes[self.utf8_checked_bytes..]) {
                Ok(_) => self.utf8_checked_bytes = self.bytes.len(),
                Err(error) if error.error_len().is_none() => {
                    self.utf8_checked_bytes += error.valid_up_to()
                }
                Err(_) => return Err(ClientFault::InvalidUtf8),
            }
        }
        Ok(())
    }
}

/// The most bytes that may inflate to `len`: what does not get shorter may take nine bits a byte (RFC 1951, section
/// 3.2.6), and heads of blocks.
fn max_deflated_len(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(DEFLATE_OVERHEAD_BYTES)
}

fn check_size(size: usize, max_size: usize) -> Result<(), ClientFault> {
    if size > max_size { Err(too_long_fault(size, max_size)) } else { Ok(()) }
}

fn too_long_fault(size: usize, max_size: usize) -> ClientFault {
    ClientFault::MessageTooBig(CapacityError::MessageTooLong { size, max_size }.to_string())
}

/// A header that cannot be read: its opcode is none.
fn header_fault(error: Error) -> ClientFault {
    ClientFault::Protocol(match error {
        Error::Protocol(error) => error.to_string(),
        error => error.to_string(),
    })
}

fn parse_close_payload(payload: &[u8]) -> Result<CloseFrame, ClientFault> {
    match payload {
        [] => Ok(CloseFrame::new(code::NO_STATUS_RECEIVED, "")),
        [_] => Err(ClientFault::Protocol(ProtocolError::InvalidCloseSequence.to_string())),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let reason = std::str::from_utf8(reason).map_err(|_| ClientFault::InvalidUtf8)?;
            Ok(if CloseFrame::is_valid_on_wire(code) {
                CloseFrame::new(code, reason)
            } else {
                CloseFrame::new(code::PROTOCOL_ERROR, "Protocol violation")
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

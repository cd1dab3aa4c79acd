//! The decoder: a peer's bytes to messages and control frames (RFC 6455, section 5, and RFC 7692).

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
use narrowboat_core::host_close::HostClose;

/// The largest payload of a control frame, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL_PAYLOAD: u64 = 125;

/// The memory that is reserved for a large frame before its first byte has come, in bytes.
const MIN_RESERVE_BYTES: usize = 16 * 1024;

/// A message or a control frame of a peer.
#[derive(Debug)]
pub(crate) enum IncomingEvent {
    Message(Frame),
    Ping(Bytes),
    Pong,
    /// A Close frame. A code that is not allowed on the wire is replaced by 1002 (RFC 6455, section 7.4).
    Close(CloseFrame),
}

/// The largest overhead of a compressed message for headers of blocks and streams, in bytes.
const DEFLATE_OVERHEAD_BYTES: usize = 256;

/// The limits of a peer's messages, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct IncomingLimits {
    /// The largest message, after decompression.
    pub max_message: usize,
    /// The largest frame.
    pub max_frame: usize,
}

/// Decodes the bytes of a peer.
pub(crate) struct FrameDecoder {
    limits: IncomingLimits,
    /// Received bytes of incomplete frames.
    buffer: BytesMut,
    /// Whether `buffer` is a part of a thread's read buffer.
    shares_chunk: bool,
    /// The header of the current frame and the length of its payload, of which a part is missing.
    current_frame: Option<(FrameHeader, usize)>,
    /// The current message, of which the last frame is missing. Boxed, since few connections have one.
    partial_message: Option<Box<PartialMessage>>,
    /// Whether messages are dropped.
    is_discarding: bool,
    inflater: Option<Inflater>,
}

/// A message of which the last frame is missing.
struct PartialMessage {
    flags: MessageFlags,
    bytes: BytesMut,
    /// The length of the prefix of a text that is valid UTF-8.
    utf8_checked_bytes: usize,
}

/// The properties of a message, from its first frame.
#[derive(Clone, Copy)]
struct MessageFlags {
    is_text: bool,
    is_deflated: bool,
}

impl From<&FrameHeader> for MessageFlags {
    /// The properties of the message that this frame begins.
    fn from(header: &FrameHeader) -> Self {
        Self { is_text: header.opcode == OpCode::Data(Data::Text), is_deflated: header.rsv1 }
    }
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

    /// Drops messages from now on, without decompression and without a check for UTF-8. The order of frames is still
    /// checked.
    pub(crate) fn discard_messages(&mut self) {
        self.is_discarding = true;
        if let Some(partial) = &mut self.partial_message {
            partial.bytes = BytesMut::new();
        }
    }

    /// Appends received bytes. They are copied only if bytes of an incomplete frame are left.
    pub(crate) fn push_bytes(&mut self, bytes: BytesMut) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
            self.shares_chunk = true;
        } else {
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// Whether received bytes wait to be decoded.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns how many bytes of the current frame are missing.
    pub(crate) fn missing_bytes(&self) -> usize {
        self.current_frame.as_ref().map_or(0, |(_, len)| len.saturating_sub(self.buffer.len()))
    }

    /// Returns the buffer for the missing bytes of the current frame. Its capacity grows with the received bytes, not
    /// with the announced length, so that a peer cannot reserve memory by a header.
    pub(crate) fn read_buffer(&mut self, missing_bytes: usize) -> &mut BytesMut {
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(missing_bytes.min(self.buffer.len().max(MIN_RESERVE_BYTES)));
        }
        self.shares_chunk = false;
        &mut self.buffer
    }

    /// Returns the next complete message or control frame.
    ///
    /// # Errors
    /// The peer violated the protocol or a limit. The decoder cannot be used any more.
    pub(crate) fn next_event(&mut self) -> Result<Option<IncomingEvent>, ClientFault> {
        while let Some((header, payload)) = self.next_frame()? {
            if let Some(event) = self.handle_frame(&header, payload)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Returns the next message if it is one frame, and all of it has been received. Otherwise changes nothing that
    /// [`next_event`](Self::next_event) would not change.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub(crate) fn next_whole_message(&mut self) -> Result<Option<Frame>, ClientFault> {
        if self.partial_message.is_some() || self.is_discarding {
            return Ok(None);
        }
        let is_message =
            |header: &FrameHeader| header.is_final && matches!(header.opcode, OpCode::Data(_));
        match self.parse_header()? {
            Some((header, len)) if is_message(&header) && self.buffer.len() >= len => {}
            _ => return Ok(None),
        }
        let Some((header, payload)) = self.next_frame()? else { return Ok(None) };
        self.decode_message(MessageFlags::from(&header), payload.freeze()).map(Some)
    }

    /// Returns the header of the current frame and the length of its payload.
    fn parse_header(&mut self) -> Result<Option<(FrameHeader, usize)>, ClientFault> {
        if self.current_frame.is_none() {
            let mut cursor = Cursor::new(&*self.buffer);
            let parsed = FrameHeader::parse(&mut cursor).map_err(header_fault)?;
            let Some((header, len)) = parsed else { return Ok(None) };
            let header_len = cursor.position() as usize;
            let len = self.check_header(&header, len)?;
            self.buffer.advance(header_len);
            self.current_frame = Some((header, len));
        }
        Ok(self.current_frame.clone())
    }

    /// Returns the next complete frame, with its payload unmasked.
    fn next_frame(&mut self) -> Result<Option<(FrameHeader, BytesMut)>, ClientFault> {
        let Some((header, len)) = self.parse_header()? else { return Ok(None) };
        if self.buffer.len() < len {
            return Ok(None);
        }
        self.current_frame = None;
        let mut payload = self.buffer.split_to(len);
        if self.buffer.is_empty() {
            // An empty buffer would still keep the memory that it was split from.
            self.buffer = BytesMut::new();
        }
        if let Some(mask) = header.mask {
            unmask(&mut payload, mask);
        }
        Ok(Some((header, payload)))
    }

    /// Checks a header before the payload is read, and returns the length of the payload.
    fn check_header(&self, header: &FrameHeader, len: u64) -> Result<usize, ClientFault> {
        let starts_message = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        let error = match header.opcode {
            _ if header.mask.is_none() => Some(ProtocolError::UnmaskedFrameFromClient),
            _ if header.rsv2 || header.rsv3 => Some(ProtocolError::NonZeroReservedBits),
            _ if header.rsv1 && !(starts_message && self.inflater.is_some()) => {
                Some(ProtocolError::NonZeroReservedBits)
            }
            OpCode::Control(_) if !header.is_final => Some(ProtocolError::FragmentedControlFrame),
            OpCode::Control(_) if len > MAX_CONTROL_PAYLOAD => {
                Some(ProtocolError::ControlFrameTooBig)
            }
            OpCode::Data(Data::Continue) if self.partial_message.is_none() => {
                Some(ProtocolError::UnexpectedContinueFrame)
            }
            OpCode::Data(data) if starts_message && self.partial_message.is_some() => {
                Some(ProtocolError::ExpectedFragment(data))
            }
            OpCode::Control(_) | OpCode::Data(_) => None,
        };
        if let Some(error) = error {
            return Err(ClientFault::Protocol(error.to_string()));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if matches!(header.opcode, OpCode::Data(_)) {
            let (received, is_deflated) = match &self.partial_message {
                Some(partial) => (partial.bytes.len(), partial.flags.is_deflated),
                None => (0, header.rsv1),
            };
            let max_encoded = |bytes| if is_deflated { max_deflated_len(bytes) } else { bytes };
            check_size(len, max_encoded(self.limits.max_frame))?;
            check_size(received.saturating_add(len), max_encoded(self.limits.max_message))?;
        }
        Ok(len)
    }

    /// Handles a complete frame. `None` means that its message is incomplete or dropped.
    fn handle_frame(
        &mut self,
        header: &FrameHeader,
        payload: BytesMut,
    ) -> Result<Option<IncomingEvent>, ClientFault> {
        match header.opcode {
            OpCode::Control(Control::Ping) => {
                return Ok(Some(IncomingEvent::Ping(payload.freeze())));
            }
            OpCode::Control(Control::Close) => {
                return parse_close_payload(&payload)
                    .map(|close| Some(IncomingEvent::Close(close)));
            }
            OpCode::Control(_) => return Ok(Some(IncomingEvent::Pong)),
            OpCode::Data(_) if self.is_discarding => {
                self.discard_frame(header);
                return Ok(None);
            }
            OpCode::Data(_) => {}
        }
        let mut partial = match self.partial_message.take() {
            Some(mut partial) => {
                partial.bytes.extend_from_slice(&payload);
                partial
            }
            None => {
                let flags = MessageFlags::from(header);
                if header.is_final {
                    let message = self.decode_message(flags, payload.freeze())?;
                    return Ok(Some(IncomingEvent::Message(message)));
                }
                // A copy, since the payload may keep a read buffer in memory until the next frame comes.
                let bytes = BytesMut::from(&*payload);
                Box::new(PartialMessage { flags, bytes, utf8_checked_bytes: 0 })
            }
        };
        if header.is_final {
            let message = self.decode_message(partial.flags, partial.bytes.freeze())?;
            return Ok(Some(IncomingEvent::Message(message)));
        }
        partial.check_utf8()?;
        self.partial_message = Some(partial);
        Ok(None)
    }

    /// Drops a data frame. Whether its message continues is kept, to check the order of the next frames.
    fn discard_frame(&mut self, header: &FrameHeader) {
        let flags = MessageFlags { is_text: false, is_deflated: header.rsv1 };
        let flags = self.partial_message.take().map_or(flags, |partial| partial.flags);
        let partial = PartialMessage { flags, bytes: BytesMut::new(), utf8_checked_bytes: 0 };
        self.partial_message = (!header.is_final).then(|| Box::new(partial));
    }

    /// Decompresses a complete message and checks that a text is UTF-8.
    fn decode_message(
        &mut self,
        flags: MessageFlags,
        mut bytes: Bytes,
    ) -> Result<Frame, ClientFault> {
        if flags.is_deflated
            && let Some(inflater) = &mut self.inflater
        {
            let max_size = self.limits.max_message;
            bytes = inflater.inflate(&bytes, max_size).map_err(|error| match error {
                InflateError::TooLong(size) => too_long_fault(size, max_size),
                InflateError::Corrupt => ClientFault::Protocol("Invalid deflate data".to_owned()),
            })?;
        }
        if flags.is_text {
            ByteString::try_from(bytes).map(Frame::Text).map_err(|_| ClientFault::InvalidUtf8)
        } else {
            Ok(Frame::Binary(bytes))
        }
    }

    /// Copies the bytes of an incomplete frame out of the read buffer, so that a slow peer does not keep more memory
    /// than it has sent.
    pub(crate) fn own_buffer(&mut self) {
        if std::mem::take(&mut self.shares_chunk) && !self.buffer.is_empty() {
            self.buffer = BytesMut::from(&*self.buffer);
        }
    }
}

impl PartialMessage {
    /// Fails as soon as a text cannot become valid UTF-8.
    fn check_utf8(&mut self) -> Result<(), ClientFault> {
        if self.flags.is_text && !self.flags.is_deflated {
            match std::str::from_utf8(&self.bytes[self.utf8_checked_bytes..]) {
                Ok(_) => self.utf8_checked_bytes = self.bytes.len(),
                Err(error) if error.error_len().is_none() => {
                    self.utf8_checked_bytes += error.valid_up_to();
                }
                Err(_) => return Err(ClientFault::InvalidUtf8),
            }
        }
        Ok(())
    }
}

/// Returns the largest compressed size of `len` bytes: nine bits a byte (RFC 1951, section 3.2.6), and headers.
fn max_deflated_len(len: usize) -> usize {
    len.saturating_add(len / 8).saturating_add(DEFLATE_OVERHEAD_BYTES)
}

fn check_size(size: usize, max_size: usize) -> Result<(), ClientFault> {
    if size > max_size { Err(too_long_fault(size, max_size)) } else { Ok(()) }
}

fn too_long_fault(size: usize, max_size: usize) -> ClientFault {
    ClientFault::MessageTooBig(CapacityError::MessageTooLong { size, max_size }.to_string())
}

/// Returns the fault for a header with an unknown opcode.
fn header_fault(error: Error) -> ClientFault {
    ClientFault::Protocol(match error {
        Error::Protocol(error) => error.to_string(),
        error => error.to_string(),
    })
}

/// Parses the code and the reason of a Close frame.
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
                HostClose::InvalidCloseCode.frame()
            })
        }
    }
}

/// Removes the mask of a payload (RFC 6455, section 5.3).
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

//! The messages between a host and the process that compiles a component.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::compile_settings::CompileSettings;
use narrowboat_quota::CompileLimits;

/// The length of the header of a request: settings, two limits and the length of the component.
const REQUEST_HEADER_BYTES: usize = 4 * 8;

/// The value of a limit that is not set.
const UNLIMITED: u64 = u64::MAX;

/// The longest text of an error. The compiler quotes little of a component.
const MAX_ERROR_BYTES: u64 = 16 * 1024;

/// The request to compile a component. The component follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CompileRequest {
    pub(super) settings: CompileSettings,
    pub(super) limits: CompileLimits,
    /// The length of the component, in bytes.
    pub(super) component_bytes: u64,
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CompileResponse {
    /// The machine code.
    Code(Vec<u8>),
    /// The component does not compile, for this reason.
    Refused(String),
    /// The compiler has no memory left.
    OutOfMemory,
}

impl CompileRequest {
    /// Writes the request.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(UNLIMITED);
        for number in [
            self.settings.memory_reservation,
            self.limits.time.map_or(UNLIMITED, nanos),
            self.limits.memory.unwrap_or(UNLIMITED),
            self.component_bytes,
        ] {
            to.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Those of the reader, also if it ends too early.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut header = [0; REQUEST_HEADER_BYTES];
        from.read_exact(&mut header)?;
        let (numbers, _) = header.as_chunks::<8>();
        let number = |index: usize| u64::from_le_bytes(numbers[index]);
        let limit = |index| Some(number(index)).filter(|limit| *limit != UNLIMITED);
        Ok(Self {
            settings: CompileSettings { memory_reservation: number(0) },
            limits: CompileLimits { time: limit(1).map(Duration::from_nanos), memory: limit(2) },
            component_bytes: number(3),
        })
    }
}

impl CompileResponse {
    /// Writes the response.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, content) = match self {
            Self::Code(code) => (0, code.as_slice()),
            Self::Refused(problem) => (1, problem.as_bytes()),
            Self::OutOfMemory => (2, [].as_slice()),
        };
        to.write_all(&[kind])?;
        to.write_all(&(content.len() as u64).to_le_bytes())?;
        to.write_all(content)
    }

    /// Reads a response whose code has at most `max_code_bytes`. `None` if it is not complete, or is not a response.
    pub(super) fn read(from: &mut impl Read, max_code_bytes: u64) -> Option<Self> {
        let mut kind = [0];
        from.read_exact(&mut kind).ok()?;
        match kind {
            [0] => read_content(from, max_code_bytes).map(Self::Code),
            [1] => {
                let text = read_content(from, MAX_ERROR_BYTES)?;
                Some(Self::Refused(String::from_utf8_lossy(&text).into_owned()))
            }
            [2] => Some(Self::OutOfMemory),
            _ => None,
        }
    }

    /// The response to a component with this problem.
    pub(super) fn refused(problem: &str) -> Self {
        let mut text = problem.to_owned();
        text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES as usize));
        Self::Refused(text)
    }
}

/// Reads a length and as many bytes. `None` if they are more than `max_bytes`, or not complete.
fn read_content(from: &mut impl Read, max_bytes: u64) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length).ok()?;
    read_bytes(from, Some(u64::from_le_bytes(length)).filter(|length| *length <= max_bytes)?)
}

/// Reads so many bytes. `None` if there are fewer, or no memory for them.
pub(super) fn read_bytes(from: &mut impl Read, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).ok()?).ok()?;
    from.take(length).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == length).then_some(bytes)
}

#[cfg(test)]
mod tests;

use crate::bindings::narrowboat::consumer::types;

/// The end of a connection, as [`Consumer::disconnect`](crate::Consumer::disconnect) gets it. In Django Channels:
/// `close_code` and `reason` of `disconnect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The close code of RFC 6455, section 7.4. It is 1005 if the Close frame had no code, and 1006 if the connection
    /// ended without a Close frame.
    pub code: u16,
    /// The reason in the Close frame, often empty.
    pub reason: String,
}

#[cfg(not(target_family = "wasm"))]
impl CloseFrame {
    /// The end of a connection without a Close frame.
    pub(crate) fn abnormal() -> Self {
        Self { code: 1006, reason: String::new() }
    }
}

impl From<types::Closure> for CloseFrame {
    fn from(closure: types::Closure) -> Self {
        Self { code: closure.code, reason: closure.reason }
    }
}

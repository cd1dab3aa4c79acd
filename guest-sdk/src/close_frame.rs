use crate::bindings::narrowboat::consumer::types;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The close code of RFC 6455, section 7.4: 1005 when the close frame had none, 1006 when there
    /// was no close frame.
    pub code: u16,
    /// What the closing side said, often nothing.
    pub reason: String,
}

impl From<types::Closure> for CloseFrame {
    fn from(closure: types::Closure) -> Self {
        Self { code: closure.code, reason: closure.reason }
    }
}

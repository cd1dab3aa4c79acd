//! The reason of a close of the host.

/// The reason of a close of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Every such close has this reason.
    Fixed(&'static str),
    /// The reason has a value, such as a size. This is an example.
    Example(&'static str),
}

impl CloseReason {
    /// The text, or the example of it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fixed(text) | Self::Example(text) => text,
        }
    }
}

//! The kinds of compiled code.

/// The kind of compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeKind {
    /// The machine code of a plugin's component.
    Component,
    /// The machine code of the runtime of a language.
    Runtime,
    /// The program that a runtime compiled from a source bundle. Only its runtime reads it, in an instance.
    Program,
}

impl CodeKind {
    pub(super) const ALL: [Self; 3] = [Self::Component, Self::Runtime, Self::Program];

    /// The suffix of a file's name.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Component => ".code",
            Self::Runtime => ".runtime",
            Self::Program => ".program",
        }
    }
}

//! The languages in which `narrowboat new` creates a plugin.

use clap::ValueEnum;

/// A language in which `narrowboat new` creates a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum ProjectLanguage {
    /// Python, with consumers as in Django Channels; needs no other tool
    Python,
    /// JavaScript; needs no other tool
    Javascript,
    /// TypeScript; needs no other tool
    Typescript,
    /// Rust; needs cargo
    Rust,
}

impl ProjectLanguage {
    /// The path of the code in the project.
    pub(super) fn code_path(self) -> &'static str {
        match self {
            Self::Python => "plugin/consumers.py",
            Self::Javascript => "plugin/consumers.js",
            Self::Typescript => "plugin/consumers.ts",
            Self::Rust => "src/lib.rs",
        }
    }

    /// The path of the file of tests in the project. `None` if the code has none of its own.
    pub(super) fn test_path(self) -> Option<&'static str> {
        match self {
            Self::Javascript => Some("plugin/consumers.test.js"),
            Self::Typescript => Some("plugin/consumers.test.ts"),
            Self::Python => Some("plugin/test_consumers.py"),
            Self::Rust => None,
        }
    }

    /// The path of the manifest in the project.
    pub(super) fn manifest_path(self) -> &'static str {
        match self {
            Self::Python | Self::Javascript | Self::Typescript => "plugin/plugin.toml",
            Self::Rust => "plugin.toml",
        }
    }

    /// The line of `narrowboat.toml` with the folder of the plugin.
    pub(super) fn location(self) -> &'static str {
        match self {
            Self::Python | Self::Javascript | Self::Typescript => "source = \"plugin\"",
            Self::Rust => "crate = \".\"",
        }
    }
}

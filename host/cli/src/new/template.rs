//! The plugins that `narrowboat new` creates.

use clap::ValueEnum;

/// A plugin that `narrowboat new` creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum Template {
    /// A consumer that sends each frame back
    Echo,
    /// Chat rooms
    Chat,
    /// A worker that counts words, and a consumer that gives it texts
    Worker,
}

/// The files of a template that differ between templates. `NAME` stands for the name of the plugin.
pub(super) struct TemplateFiles {
    /// `src/lib.rs`.
    pub(super) code: &'static str,
    /// `plugin.toml`.
    pub(super) manifest: &'static str,
    /// `narrowboat.toml`.
    pub(super) config: &'static str,
}

macro_rules! template_files {
    ($folder:literal) => {
        TemplateFiles {
            code: include_str!(concat!("templates/", $folder, "/lib.rs.in")),
            manifest: include_str!(concat!("templates/", $folder, "/plugin.toml.in")),
            config: include_str!(concat!("templates/", $folder, "/narrowboat.toml.in")),
        }
    };
}

impl Template {
    /// The files of the template.
    pub(super) fn files(self) -> TemplateFiles {
        match self {
            Self::Echo => template_files!("echo"),
            Self::Chat => template_files!("chat"),
            Self::Worker => template_files!("worker"),
        }
    }

    /// The effect of a message, as one sentence.
    pub(super) fn effect(self) -> &'static str {
        match self {
            Self::Echo => "It sends each message back.",
            Self::Chat => "It sends each message to all clients of its room.",
            Self::Worker => "Its worker counts the words of each message.",
        }
    }

    /// The path of a connection below that of the plugin.
    pub(super) fn example_path(self) -> &'static str {
        match self {
            Self::Chat => "red/",
            Self::Echo | Self::Worker => "",
        }
    }
}

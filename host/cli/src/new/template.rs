//! The plugins that `narrowboat new` creates.

use clap::ValueEnum;

use super::language::ProjectLanguage;

/// A plugin that `narrowboat new` creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum Template {
    /// A consumer that sends each frame back
    Echo,
    /// Chat rooms
    Chat,
    /// Rooms with a state, which outlives their visitors
    Room,
    /// A worker that counts words, and a consumer that gives it texts
    Worker,
}

/// The files of a template. `NAME` stands for the name of the plugin.
pub(super) struct TemplateFiles {
    /// `src/lib.rs`, or `consumers` with the ending of the language.
    pub(super) code: &'static str,
    /// The file of tests; `None` if the code has none of its own.
    pub(super) test: Option<&'static str>,
    /// `plugin.toml`.
    pub(super) manifest: &'static str,
}

macro_rules! template_files {
    ($folder:literal, $template:literal, $code:literal, $test:expr) => {
        TemplateFiles {
            code: include_str!(concat!("templates/", $folder, "/", $template, "/", $code, ".in")),
            test: $test,
            manifest: include_str!(concat!(
                "templates/",
                $folder,
                "/",
                $template,
                "/plugin.toml.in"
            )),
        }
    };
}

macro_rules! language_files {
    ($template:expr, $folder:literal, $code:literal) => {
        match $template {
            Self::Echo => template_files!($folder, "echo", $code, None),
            Self::Chat => template_files!($folder, "chat", $code, None),
            Self::Room => template_files!($folder, "room", $code, None),
            Self::Worker => template_files!($folder, "worker", $code, None),
        }
    };
    ($template:expr, $folder:literal, $code:literal, $test:literal) => {
        match $template {
            Self::Echo => tested_files!($folder, "echo", $code, $test),
            Self::Chat => tested_files!($folder, "chat", $code, $test),
            Self::Room => tested_files!($folder, "room", $code, $test),
            Self::Worker => tested_files!($folder, "worker", $code, $test),
        }
    };
}

macro_rules! tested_files {
    ($folder:literal, $template:literal, $code:literal, $test:literal) => {
        template_files!(
            $folder,
            $template,
            $code,
            Some(include_str!(concat!("templates/", $folder, "/", $template, "/", $test, ".in")))
        )
    };
}

impl Template {
    /// The files of the template in a language.
    pub(super) fn files(self, language: ProjectLanguage) -> TemplateFiles {
        match language {
            ProjectLanguage::Rust => language_files!(self, "rust", "lib.rs"),
            ProjectLanguage::Python => {
                language_files!(self, "python", "consumers.py", "test_consumers.py")
            }
            ProjectLanguage::Javascript => {
                language_files!(self, "javascript", "consumers.js", "consumers.test.js")
            }
            ProjectLanguage::Typescript => {
                language_files!(self, "typescript", "consumers.ts", "consumers.test.ts")
            }
        }
    }

    /// `narrowboat.toml`. `NAME` stands for the name of the plugin, and `LOCATION` for the line with its folder.
    pub(super) fn config(self) -> &'static str {
        match self {
            Self::Echo => include_str!("templates/echo.toml.in"),
            Self::Chat => include_str!("templates/chat.toml.in"),
            Self::Room => include_str!("templates/room.toml.in"),
            Self::Worker => include_str!("templates/worker.toml.in"),
        }
    }

    /// The effect of a message, as one sentence.
    pub(super) fn effect(self) -> &'static str {
        match self {
            Self::Echo => "It sends each message back.",
            Self::Chat => "It sends each message to all clients of its room.",
            Self::Room => "It keeps each message in its room, and sends it to everyone there.",
            Self::Worker => "Its worker counts the words of each message.",
        }
    }

    /// The path of a connection below that of the plugin.
    pub(super) fn example_path(self) -> &'static str {
        match self {
            Self::Chat | Self::Room => "red/",
            Self::Echo | Self::Worker => "",
        }
    }
}

//! A language of source plugins, and what is measured in it.

use narrowboat_core::manifest::Language;

/// A language, the plugins that are measured in it, and the aims of their figures.
pub(crate) struct SourceLanguage {
    /// The language.
    pub(super) language: Language,
    /// Its name in the report.
    pub(super) title: &'static str,
    /// The file of the consumers.
    pub(super) module_file: &'static str,
    /// Sends each frame back.
    pub(super) echo: &'static str,
    /// The same, asynchronously.
    pub(super) async_echo: &'static str,
    /// Answers with `VERSION`.
    pub(super) versioned: &'static str,
    /// Answers with `NAME: ` and the text.
    pub(super) named: &'static str,
    /// Each consumer has state, and a set has all consumers. Answers with the version `v0`, its count and the size.
    pub(super) room: &'static str,
    /// How a comment of one line begins.
    pub(super) comment: &'static str,
    /// The aims.
    pub(super) aims: SourceAims,
}

/// The largest values that meet the aims.
pub(super) struct SourceAims {
    /// The compilation of the runtime, in seconds.
    pub(super) compilation: f64,
    /// A guest call, in microseconds.
    pub(super) call: f64,
    /// The first handshake of a plugin with an instance for each connection, in milliseconds.
    pub(super) first_handshake: f64,
    /// The memory of a tenant with a connection, in MiB.
    pub(super) tenant: f64,
}

macro_rules! programs {
    ($folder:literal, $ending:literal, $name:literal) => {
        include_str!(concat!("programs/", $folder, "/", $name, ".", $ending))
    };
}

/// Python.
pub(super) const PYTHON: SourceLanguage = SourceLanguage {
    language: Language::Python,
    title: "Python",
    module_file: "consumers.py",
    echo: include_str!("../../../../plugins/python/echo/consumers.py"),
    async_echo: programs!("python", "py", "async_echo"),
    versioned: programs!("python", "py", "versioned"),
    named: programs!("python", "py", "named"),
    room: programs!("python", "py", "room"),
    comment: "#",
    aims: SourceAims { compilation: 15.0, call: 15.0, first_handshake: 3.0, tenant: 4.0 },
};

/// JavaScript.
pub(super) const JAVASCRIPT: SourceLanguage = SourceLanguage {
    language: Language::JavaScript,
    title: "JavaScript",
    module_file: "consumers.js",
    echo: include_str!("../../../../plugins/javascript/echo/consumers.js"),
    async_echo: programs!("javascript", "js", "async_echo"),
    versioned: programs!("javascript", "js", "versioned"),
    named: programs!("javascript", "js", "named"),
    room: programs!("javascript", "js", "room"),
    comment: "//",
    aims: SourceAims { compilation: 5.0, call: 8.0, first_handshake: 2.0, tenant: 1.0 },
};

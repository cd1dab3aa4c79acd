//! The plugin's log. Written to with [`info!`](crate::info) and its kin. Without `log = true` under `[capabilities]` in the plugin's
//! manifest the host drops what is written, except the message and the location of a panic.

use std::fmt;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Each step.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// What happened.
    Info,
    /// What may become a problem.
    Warn,
    /// What failed.
    Error,
    /// What ended the instance, such as a panic.
    Critical,
}

/// Writes a line to the plugin's log. `context` says where it comes from. Unlike all else that a
/// consumer does, it is not undone by a trap.
#[cfg(target_family = "wasm")]
pub fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    use crate::bindings::wasi::logging::logging;
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
        Level::Critical => logging::Level::Critical,
    };
    logging::log(level, context, &message.to_string());
}

/// Writes a line to the standard error: this is no plugin but a test of one.
#[cfg(not(target_family = "wasm"))]
#[expect(clippy::print_stderr, reason = "there is no host to log to")]
pub fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    eprintln!("{level:?} {context}: {message}");
}

/// For the macros below alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($message:tt)+) => {
        $crate::log::write(
            $crate::log::Level::$level,
            ::core::module_path!(),
            ::core::format_args!($($message)+),
        )
    };
}

/// Logs, at level trace, what the arguments of `format!` say.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::__log!(Trace, $($message)+) };
}

/// Logs, at level debug, what the arguments of `format!` say.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::__log!(Debug, $($message)+) };
}

/// Logs, at level info, what the arguments of `format!` say.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::__log!(Info, $($message)+) };
}

/// Logs, at level warn, what the arguments of `format!` say.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::__log!(Warn, $($message)+) };
}

/// Logs, at level error, what the arguments of `format!` say.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::__log!(Error, $($message)+) };
}

/// Logs, at level critical, what the arguments of `format!` say.
#[macro_export]
macro_rules! critical {
    ($($message:tt)+) => { $crate::__log!(Critical, $($message)+) };
}

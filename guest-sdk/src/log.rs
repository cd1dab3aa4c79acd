//! The plugin's log. The macros [`info!`](crate::info) and its siblings write to it. Without `log = true` under
//! `[capabilities]` in the plugin's manifest, the host drops all lines except the message and the location of a panic.

use std::fmt;

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Single steps.
    Trace,
    /// Details that help to find a mistake.
    Debug,
    /// Normal events.
    Info,
    /// Possible problems.
    Warn,
    /// Failures.
    Error,
    /// Failures that end the instance, such as a panic.
    Critical,
}

/// Writes a line to the plugin's log. `context` names its origin, such as a module path. Unlike effects, log lines
/// remain if the call traps.
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

/// Writes a line to the plugin's log. `context` names its origin, such as a module path. Unlike effects, log lines
/// remain if the call traps.
///
/// In a test the line also goes to standard error, which the test harness shows if the test fails.
#[cfg(not(target_family = "wasm"))]
#[expect(clippy::print_stderr, reason = "the test harness captures it")]
pub fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    eprintln!("{level:?} {context}: {message}");
    crate::testing::native::imports::log::write(level, context, message);
}

/// Only the macros below use this.
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

/// Logs a line at level trace. Takes the arguments of `format!`.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::__log!(Trace, $($message)+) };
}

/// Logs a line at level debug. Takes the arguments of `format!`.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::__log!(Debug, $($message)+) };
}

/// Logs a line at level info. Takes the arguments of `format!`.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::__log!(Info, $($message)+) };
}

/// Logs a line at level warn. Takes the arguments of `format!`.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::__log!(Warn, $($message)+) };
}

/// Logs a line at level error. Takes the arguments of `format!`.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::__log!(Error, $($message)+) };
}

/// Logs a line at level critical. Takes the arguments of `format!`.
#[macro_export]
macro_rules! critical {
    ($($message:tt)+) => { $crate::__log!(Critical, $($message)+) };
}

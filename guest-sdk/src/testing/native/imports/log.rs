use std::fmt;

use crate::{
    log::Level,
    testing::{LogLine, native::current_instance::with_host},
};

/// Records a line of the plugin's log. Outside of a plugin it does nothing.
pub(crate) fn write(level: Level, context: &str, message: fmt::Arguments<'_>) {
    let line = LogLine { level, context: context.to_owned(), message: message.to_string() };
    with_host(|host, _| host.logs.push(line));
}

use std::{
    panic::{self, PanicHookInfo},
    sync::Once,
};

use crate::log::{self, Level};

/// Installs a hook that writes panics to the log, because wasm32-unknown-unknown does not print them. The host
/// recognises them by level and context, and logs them even if the manifest does not request `log`. Every export calls
/// this first.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(log_panic)));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    match info.location() {
        Some(location) => {
            log::write(Level::Critical, "panic", format_args!("{message} ({location})"));
        }
        None => log::write(Level::Critical, "panic", format_args!("{message}")),
    }
}

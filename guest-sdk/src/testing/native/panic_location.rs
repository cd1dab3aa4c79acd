//! The places of panics in plugins.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// The place of the last panic on this thread.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a hook that stores the place of each panic and then runs the hook that was installed before.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let location = info.location().map(ToString::to_string);
            let _ = LOCATION.try_with(|last| last.replace(location));
            previous(info);
        }));
    });
}

/// Takes the place of the last panic on this thread.
pub(super) fn take() -> Option<String> {
    LOCATION.take()
}

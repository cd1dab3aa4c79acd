//! The modules of the runtime, in `js/`.

/// The module that has the functions which handle events.
pub const RUNTIME: &str = "narrowboat:runtime.js";

macro_rules! modules {
    ($($file:literal),* $(,)?) => {
        &[$((concat!("narrowboat:", $file), include_str!(concat!("../js/", $file)))),*]
    };
}

/// The modules by name.
const MODULES: &[(&str, &str)] = modules![
    "narrowboat.js",
    "natives.js",
    "runtime.js",
    "session.js",
    "timers.js",
    "console.js",
    "state.js",
    "state-graph.js",
    "state-kinds.js",
    "state-names.js",
    "state-restoring.js",
    "state-saving.js",
    "keyvalue.js",
    "web.js",
    "web-abort.js",
    "web-body.js",
    "web-clone.js",
    "web-crypto.js",
    "web-encoding.js",
    "web-events.js",
    "web-fetch.js",
    "web-headers.js",
    "web-request.js",
    "web-url.js",
];

/// The name of the module that plugins import.
const PUBLIC: &str = "narrowboat";

/// Returns the text of a module of the runtime.
pub fn text(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, text)| *text)
}

/// Finds a module of the runtime. `None` if the specifier means a module of the plugin.
pub fn resolve(base: &str, specifier: &str) -> Option<String> {
    if specifier == PUBLIC {
        return Some("narrowboat:narrowboat.js".to_owned());
    }
    if !base.starts_with("narrowboat:") {
        return None;
    }
    specifier.strip_prefix("./").map(|file| format!("narrowboat:{file}"))
}

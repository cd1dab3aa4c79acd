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
    "frame.js",
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
    "config.js",
    "duration.js",
    "everyone.js",
    "external-failure.js",
    "keyvalue.js",
    "room.js",
    "testing.js",
    "testing-assertion-error.js",
    "testing-channel.js",
    "testing-communicator.js",
    "testing-equality.js",
    "testing-expect.js",
    "testing-host.js",
    "testing-http.js",
    "testing-keyvalue.js",
    "testing-matchers.js",
    "testing-message.js",
    "testing-pattern.js",
    "testing-patterns.js",
    "testing-plugin.js",
    "testing-registry.js",
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

/// The module that declares and runs the tests of a plugin.
pub const TEST_REGISTRY: &str = "narrowboat:testing-registry.js";

/// The modules that plugins import, by the specifiers of the imports.
const PUBLIC: [(&str, &str); 2] =
    [("narrowboat", "narrowboat:narrowboat.js"), ("narrowboat/testing", "narrowboat:testing.js")];

/// Returns the text of a module of the runtime.
pub fn text(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, text)| *text)
}

/// Returns the specifier by which plugins import a module of the runtime.
pub fn specifier_of(name: &str) -> Option<&'static str> {
    PUBLIC.iter().find(|(_, module)| *module == name).map(|(public, _)| *public)
}

/// Finds a module of the runtime. `None` if the specifier means a module of the plugin.
pub fn resolve(base: &str, specifier: &str) -> Option<String> {
    if let Some((_, module)) = PUBLIC.iter().find(|(public, _)| *public == specifier) {
        return Some((*module).to_owned());
    }
    if !base.starts_with("narrowboat:") {
        return None;
    }
    specifier.strip_prefix("./").map(|file| format!("narrowboat:{file}"))
}

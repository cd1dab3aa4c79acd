//! Describes what code of a plugin has thrown.

use rquickjs::{Coerced, Value};

use crate::bindings::wasi::logging::logging::{self, Level};
use crate::natives::text_of;

/// The most characters of the line for the host.
const MAX_LINE_CHARS: usize = 1_000;

/// The most characters of the whole text.
const MAX_TEXT_CHARS: usize = 10_000;

/// The name of the errors of assertions, whose messages say what is wrong without it.
const ASSERTION: &str = "AssertionError";

/// The text of the engine's exception for memory that it cannot get.
const OUT_OF_MEMORY: &str = "InternalError: out of memory";

/// The text of an object that has no method `toString` of its own.
const TEXT_OF_OBJECTS: &str = "[object Object]";

/// The names of the runtime's modules begin with this.
const RUNTIME_PREFIX: &str = "narrowboat:";

/// The path in a frame of bytecode without lines, which is that of the runtime.
const NO_PATH: &str = "<null>";

/// An exception of a plugin: a line for the host, and the stack for the log.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exception and its place, such as `TypeError: not a function (consumers.js:7:3 in receive)`.
    pub line: String,
    /// The exception with its line breaks, and without its place; of an assertion, the message alone.
    pub text: String,
    /// The frames of the plugin, innermost first, a line each.
    pub stack: Option<String>,
}

/// The place of a frame: the file, the line and the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path of the file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl Failure {
    /// Creates a failure.
    pub fn new(text: impl Into<String>, stack: Option<String>) -> Self {
        let text = text.into();
        let line = shorten(&text);
        Self { line, text: text.chars().take(MAX_TEXT_CHARS).collect(), stack }
    }

    /// Whether the engine has refused memory. Code of a plugin may throw the same.
    pub fn is_out_of_memory(&self) -> bool {
        self.text == OUT_OF_MEMORY
    }

    /// The place of the innermost frame of the plugin.
    pub fn place(&self) -> Option<Place> {
        self.stack.as_deref()?.lines().find_map(place_of)
    }

    /// The exception without its place.
    pub fn message(&self) -> &str {
        match self.place() {
            Some(_) => self.line.rsplit_once(" (").map_or(&self.line, |(message, _)| message),
            None => &self.line,
        }
    }

    /// Adds a place to the line.
    pub fn at(mut self, place: Option<Place>) -> Self {
        if let Some(Place { path, line, .. }) = place {
            self.line = format!("{} ({path}:{line})", self.line);
        }
        self
    }

    /// Writes the stack to the log.
    pub fn log(&self, title: Option<&str>) {
        let title = title.map(|title| format!("{title}\n")).unwrap_or_default();
        let stack = self.stack.as_deref().map(|stack| format!("\n{stack}")).unwrap_or_default();
        logging::log(Level::Error, "exception", &format!("{title}{}{stack}", self.line));
    }
}

/// Describes a value that was thrown.
pub fn of_value(thrown: &Value<'_>) -> Failure {
    let Some(object) = thrown.as_object().filter(|object| object.is_error()) else {
        let text = to_text(thrown).map(|text| or_json(thrown, text));
        let text = text.unwrap_or_else(|| "a value without a text".to_owned());
        return Failure::new(format!("{text} was thrown"), None);
    };
    let property = |name: &str| match object.get(name) {
        Ok(value) => to_text(&value).unwrap_or_default(),
        Err(_) => {
            // A getter has thrown.
            object.ctx().catch();
            String::new()
        }
    };
    let (name, message) = (property("name"), property("message"));
    let text = if message.is_empty() { name.clone() } else { format!("{name}: {message}") };
    let stack = plugin_frames(&property("stack"));
    let mut failure = Failure::new(text, (!stack.is_empty()).then_some(stack));
    if name == ASSERTION && !message.is_empty() {
        failure.text = message;
    }
    let place = failure.place();
    failure.at(place)
}

/// Converts a value to a text. `None` if that throws.
fn to_text(value: &Value<'_>) -> Option<String> {
    let Ok(text) = value.get::<Coerced<rquickjs::String<'_>>>() else {
        value.ctx().catch();
        return None;
    };
    text_of(&text.0).ok()
}

/// The value as JSON if its text says nothing of it.
fn or_json(value: &Value<'_>, text: String) -> String {
    if text != TEXT_OF_OBJECTS {
        return text;
    }
    let Ok(json) = value.ctx().json_stringify(value) else {
        value.ctx().catch();
        return text;
    };
    json.and_then(|json| text_of(&json).ok()).unwrap_or(text)
}

fn shorten(line: &str) -> String {
    let line: Vec<_> = line.split_whitespace().collect();
    line.join(" ").chars().take(MAX_LINE_CHARS).collect()
}

/// The frames without those of the runtime.
fn plugin_frames(stack: &str) -> String {
    let is_runtime = |path: &str| path == NO_PATH || path.starts_with(RUNTIME_PREFIX);
    let is_plugin = |line: &&str| place_of(line).is_some_and(|place| !is_runtime(&place.path));
    stack.lines().filter(is_plugin).map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Reads the place of a frame such as `    at receive (consumers.js:7:3)` or `    at consumers.js:7:3`.
pub fn place_of(frame: &str) -> Option<Place> {
    let frame = frame.trim().strip_prefix("at ")?;
    let place = frame.rsplit_once('(').map_or(frame, |(_, place)| place.trim_end_matches(')'));
    let (rest, last) = place.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match rest.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?))) {
        Some((path, line)) => Some(Place { path: path.to_owned(), line, column: Some(last) }),
        None => Some(Place { path: rest.to_owned(), line: last, column: None }),
    }
}

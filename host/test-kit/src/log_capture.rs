//! The log lines of a test.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use narrowboat_core::log_target::GUEST;

/// The lines that are kept. Further lines displace the oldest.
const MAX_LINES: usize = 10_000;

/// The beginning of the text of a consumer's fault, in the field `fault` of the line that `Fault::log` writes.
const FAULT_PREFIX: &str = "the consumer failed: ";

/// The message of the line that `Fault::log` writes.
const FAULT_EVENT: &str = "event failed";

/// Collects the log lines of a test. A clone is the same collection.
#[derive(Clone, Default)]
pub struct LogCapture(Arc<Mutex<VecDeque<CapturedLine>>>);

/// A line of the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct CapturedLine {
    pub(crate) level: String,
    /// Whether a guest has written it.
    pub(crate) from_guest: bool,
    /// The label of the plugin; empty if the line is about none.
    pub(crate) plugin: String,
    pub(crate) context: String,
    pub(crate) message: String,
    fault: String,
    /// The other fields, each as ` NAME=VALUE`.
    fields: String,
    is_important: bool,
}

impl LogCapture {
    /// The tracing layer that collects the lines.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        CaptureLayer(self.clone())
    }

    /// Drops all lines.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The lines that a plugin has written.
    pub(crate) fn lines_of(&self, plugin: &str) -> Vec<CapturedLine> {
        let lines = self.lock();
        lines.iter().filter(|line| line.from_guest && line.plugin == plugin).cloned().collect()
    }

    /// The faults of a plugin, in words.
    pub(crate) fn faults_of(&self, plugin: &str) -> Vec<String> {
        let lines = self.lock();
        let lines = lines.iter().filter(|line| !line.from_guest && line.plugin == plugin);
        lines
            .filter(|line| line.is_important && line.message == FAULT_EVENT)
            .filter_map(|line| Some(line.fault.strip_prefix(FAULT_PREFIX)?.to_owned()))
            .collect()
    }

    /// The lines that help to understand a failed test: those of guests, and warnings.
    pub(crate) fn important_lines(&self) -> Vec<CapturedLine> {
        let lines = self.lock();
        lines.iter().filter(|line| line.from_guest || line.is_important).cloned().collect()
    }

    fn push(&self, line: CapturedLine) {
        let mut lines = self.lock();
        if lines.len() >= MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CapturedLine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `WARN  chat: event failed fault=the consumer failed: …`
impl fmt::Display for CapturedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, plugin, message, fields, fault, .. } = self;
        write!(f, "{level:<5} ")?;
        if !plugin.is_empty() {
            write!(f, "{plugin}: ")?;
        }
        write!(f, "{message}{fields}")?;
        if fault.is_empty() { Ok(()) } else { write!(f, " fault={fault}") }
    }
}

/// The place of the configuration as the SDKs write it, because a guest does not know the name of its plugin.
const PLACE_OF_CONFIG: &str = "[plugins.NAME.config]";

/// A text of a guest, with the name of the plugin in the place of its configuration.
pub(crate) fn name_plugin(text: &str, plugin: &str) -> String {
    match plugin.is_empty() {
        true => text.to_owned(),
        false => text.replace(PLACE_OF_CONFIG, &format!("[plugins.{plugin}.config]")),
    }
}

struct CaptureLayer(LogCapture);

impl<S: Subscriber> Layer<S> for CaptureLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = CapturedLine {
            level: metadata.level().as_str().to_owned(),
            from_guest: metadata.target() == GUEST,
            is_important: *metadata.level() <= Level::WARN,
            ..CapturedLine::default()
        };
        event.record(&mut LineVisitor(&mut line));
        line.message = name_plugin(&line.message, &line.plugin);
        self.0.push(line);
    }
}

/// Copies the fields of an event into a line.
struct LineVisitor<'a>(&'a mut CapturedLine);

impl LineVisitor<'_> {
    fn record(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.0.message = value,
            "plugin" => self.0.plugin = value,
            "context" => self.0.context = value,
            "fault" => self.0.fault = value,
            // The version and the channel of a test tell its author nothing.
            "version" | "channel" => {}
            name => {
                self.0.fields.push(' ');
                self.0.fields.push_str(name);
                self.0.fields.push('=');
                self.0.fields.push_str(&value);
            }
        }
    }
}

impl Visit for LineVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}"));
    }
}

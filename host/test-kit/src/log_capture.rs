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

/// The beginning of the log line of a fault, as `Fault::log` writes it.
const FAULT_PREFIX: &str = "the consumer failed: ";

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
            .filter(|line| line.is_important)
            .filter_map(|line| Some(line.message.strip_prefix(FAULT_PREFIX)?.to_owned()))
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

/// `WARN  chat: the consumer failed: …`
impl fmt::Display for CapturedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, plugin, message, .. } = self;
        match plugin.is_empty() {
            true => write!(f, "{level:<5} {message}"),
            false => write!(f, "{level:<5} {plugin}: {message}"),
        }
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
            _ => {}
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

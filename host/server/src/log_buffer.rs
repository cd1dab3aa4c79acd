//! The last lines of the log, for the operator's tools: a bounded number a plugin.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::api::LogLine;
use narrowboat_core::log_target::GUEST;
use narrowboat_core::name::Tenant;

/// Lines that are kept of each plugin, and of the host itself.
const LINES_PER_SUBJECT: usize = 500;

/// Lines that wait for one who follows; who is further behind misses some.
const FOLLOWER_LAG_LIMIT: usize = 1_024;

/// The last lines of the log. A clone is the same journal.
#[derive(Debug, Clone)]
pub struct LogBuffer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buffers: Mutex<LineBuffers>,
    sender: broadcast::Sender<Arc<LogLine>>,
}

#[derive(Debug, Default)]
struct LineBuffers {
    last_number: u64,
    /// By whom they are about; nobody is the host.
    by_subject: HashMap<LineSubject, VecDeque<Arc<LogLine>>>,
}

/// A tenant, if it is another than `default`, and a plugin.
type LineSubject = (Option<String>, Option<String>);

impl Default for LogBuffer {
    fn default() -> Self {
        let (told, _) = broadcast::channel(FOLLOWER_LAG_LIMIT);
        Self(Arc::new(Inner { buffers: Mutex::default(), sender: told }))
    }
}

impl LogBuffer {
    /// What writes it, beside whatever else becomes of the log.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        LogBufferLayer(self.clone())
    }

    /// The last lines about a tenant and a plugin, or about everything, the oldest first.
    pub fn last_lines(
        &self,
        tenant: Option<&Tenant>,
        plugin: Option<&str>,
        count: usize,
    ) -> Vec<Arc<LogLine>> {
        let pages = self.lock();
        let pages = pages.by_subject.values();
        // The lines of a page are about the same.
        let about =
            pages.filter(|page| page.front().is_some_and(|line| is_about(line, tenant, plugin)));
        let mut lines: Vec<_> = about.flatten().cloned().collect();
        lines.sort_unstable_by_key(|line| line.sequence);
        lines.split_off(lines.len().saturating_sub(count))
    }

    /// The lines that are written from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.0.sender.subscribe()
    }

    fn push(&self, mut line: LogLine) {
        let mut pages = self.lock();
        pages.last_number += 1;
        line.sequence = pages.last_number;
        let line = Arc::new(line);
        let page = pages.by_subject.entry((line.tenant.clone(), line.plugin.clone())).or_default();
        if page.len() >= LINES_PER_SUBJECT {
            page.pop_front();
        }
        page.push_back(Arc::clone(&line));
        // While the page is held, so that followers see the order of the numbers. Nobody may follow.
        let _ = self.0.sender.send(line);
    }

    fn lock(&self) -> MutexGuard<'_, LineBuffers> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.0.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a line is about a tenant, if one is meant, and a plugin, if one is. What is about no plugin and no tenant is
/// the host's, and about none of them.
pub fn is_about(line: &LogLine, tenant: Option<&Tenant>, plugin: Option<&str>) -> bool {
    let of_tenant = tenant.is_none_or(|tenant| match &line.tenant {
        Some(own) => own == tenant.as_str(),
        None => tenant.is_default() && line.plugin.is_some(),
    });
    of_tenant && (plugin.is_none() || line.plugin.as_deref() == plugin)
}

struct LogBufferLayer(LogBuffer);

impl<S: Subscriber> Layer<S> for LogBufferLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut words = LogFieldVisitor::default();
        event.record(&mut words);
        let LogFieldVisitor { tenant, plugin, version, channel, mut message } = words;
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        self.0.push(LogLine {
            sequence: 0,
            timestamp: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            level: metadata.level().as_str().to_owned(),
            from_guest: metadata.target() == GUEST,
            tenant,
            plugin,
            version,
            channel,
            message,
        });
    }
}

/// The fields of an event that a line has room for; others follow its words.
#[derive(Default)]
struct LogFieldVisitor {
    tenant: Option<String>,
    plugin: Option<String>,
    version: Option<String>,
    channel: Option<String>,
    message: String,
}

/// Bytes of a line's words that are kept.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

impl LogFieldVisitor {
    fn record_value(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message.insert_str(0, &value),
            // As `Tenant::label` has it.
            "plugin" => match value.split_once('/') {
                Some((tenant, plugin)) => {
                    self.tenant = Some(tenant.to_owned());
                    self.plugin = Some(plugin.to_owned());
                }
                None => self.plugin = Some(value),
            },
            "version" => self.version = Some(value),
            "channel" => self.channel = Some(value),
            name => {
                self.message.push(' ');
                self.message.push_str(name);
                self.message.push('=');
                self.message.push_str(&value);
            }
        }
    }
}

impl Visit for LogFieldVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !(field.name() == "context" && value.is_empty()) {
            self.record_value(field, value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_value(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn written(work: impl FnOnce()) -> LogBuffer {
        let journal = LogBuffer::default();
        let subscriber = tracing_subscriber::registry().with(journal.layer());
        tracing::subscriber::with_default(subscriber, work);
        journal
    }

    #[test]
    fn a_line_says_whom_it_is_about() {
        let journal = written(|| {
            tracing::warn!(plugin = "chat", channel = "specific.1!2", size = 3, "it failed");
            tracing::info!(target: GUEST, plugin = "chat", context = "", "hello");
            tracing::info!(plugin = "acme/chat", "of a tenant");
            tracing::info!("on its own");
        });
        let lines = journal.last_lines(Some(&Tenant::default_tenant()), Some("chat"), 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].message, "it failed size=3");
        assert_eq!(lines[0].channel.as_deref(), Some("specific.1!2"));
        assert!(lines[1].from_guest && !lines[0].from_guest);
        let acme = journal.last_lines(Some(&"acme".parse().unwrap()), None, 10);
        assert_eq!((acme.len(), &*acme[0].message), (1, "of a tenant"));
        assert_eq!(journal.last_lines(None, None, 10).len(), 4);
        assert_eq!(journal.last_lines(None, None, 1)[0].message, "on its own");
    }

    #[test]
    fn a_plugin_that_writes_much_takes_no_line_from_others() {
        let journal = written(|| {
            tracing::info!(plugin = "quiet", "here");
            for number in 0..LINES_PER_SUBJECT * 2 {
                tracing::info!(plugin = "loud", "{number}");
            }
        });
        assert_eq!(journal.last_lines(None, Some("quiet"), 10)[0].message, "here");
        assert_eq!(journal.last_lines(None, Some("loud"), usize::MAX).len(), LINES_PER_SUBJECT);
    }
}

//! The last lines of the log, for the admin API: a bounded number for each plugin.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::admin::api::LogLine;
use narrowboat_core::log_target::GUEST;
use narrowboat_core::name::Tenant;

/// Lines that are kept for each plugin, and for the host itself.
const LINES_PER_SUBJECT: usize = 500;

/// Lines that are queued for a subscriber. One that is further behind misses lines.
const FOLLOWER_LAG_LIMIT: usize = 1_024;

/// The last lines of the log. A clone is the same buffer.
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
    /// The lines by what they are about.
    by_subject: HashMap<LineSubject, VecDeque<Arc<LogLine>>>,
}

/// The subject of a line: a tenant, unless it is `default`, and a plugin. A line without either is about the host.
type LineSubject = (Option<String>, Option<String>);

impl Default for LogBuffer {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(FOLLOWER_LAG_LIMIT);
        Self(Arc::new(Inner { buffers: Mutex::default(), sender }))
    }
}

impl LogBuffer {
    /// The tracing layer that fills the buffer.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        LogBufferLayer(self.clone())
    }

    /// The last `count` lines about a tenant and a plugin, the oldest first. `None` means any.
    pub fn last_lines(
        &self,
        tenant: Option<&Tenant>,
        plugin: Option<&str>,
        count: usize,
    ) -> Vec<Arc<LogLine>> {
        if let (Some(tenant), Some(plugin)) = (tenant, plugin) {
            let lines = self.plugin_lines(tenant, plugin);
            return lines.into_iter().rev().take(count).rev().collect();
        }
        let buffers = self.lock();
        // All lines of a buffer have the same subject.
        let matching = buffers
            .by_subject
            .values()
            .filter(|lines| lines.front().is_some_and(|line| is_about(line, tenant, plugin)));
        let mut lines: Vec<_> = matching.flatten().cloned().collect();
        lines.sort_unstable_by_key(|line| line.sequence);
        lines.split_off(lines.len().saturating_sub(count))
    }

    /// The lines about one plugin, the oldest first. Does not look at those of others, of which there may be thousands.
    fn plugin_lines(&self, tenant: &Tenant, plugin: &str) -> VecDeque<Arc<LogLine>> {
        let tenant = (!tenant.is_default()).then(|| tenant.to_string());
        let subject = (tenant, Some(plugin.to_owned()));
        self.lock().by_subject.get(&subject).cloned().unwrap_or_default()
    }

    /// A receiver of the lines that are written from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.0.sender.subscribe()
    }

    fn push(&self, mut line: LogLine) {
        let mut buffers = self.lock();
        buffers.last_number += 1;
        line.sequence = buffers.last_number;
        let line = Arc::new(line);
        let subject = (line.tenant.clone(), line.plugin.clone());
        let lines = buffers.by_subject.entry(subject).or_default();
        if lines.len() >= LINES_PER_SUBJECT {
            lines.pop_front();
        }
        lines.push_back(Arc::clone(&line));
        // Under the lock, so that subscribers get the lines in the order of their numbers. Without subscribers this fails.
        let _ = self.0.sender.send(line);
    }

    fn lock(&self) -> MutexGuard<'_, LineBuffers> {
        // No code panics between two writes, so a poisoned state is consistent.
        self.0.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a line is about a tenant and a plugin; `None` means any. Lines about the host itself are about no tenant and no
/// plugin.
pub fn is_about(line: &LogLine, tenant: Option<&Tenant>, plugin: Option<&str>) -> bool {
    let is_about_tenant = tenant.is_none_or(|tenant| match &line.tenant {
        Some(own) => own == tenant.as_str(),
        None => tenant.is_default() && line.plugin.is_some(),
    });
    is_about_tenant && (plugin.is_none() || line.plugin.as_deref() == plugin)
}

struct LogBufferLayer(LogBuffer);

impl<S: Subscriber> Layer<S> for LogBufferLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut visitor = LogFieldVisitor::default();
        event.record(&mut visitor);
        let LogFieldVisitor { tenant, plugin, version, channel, mut message } = visitor;
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

/// Collects the fields of an event. Fields that a line has no member for are appended to its message.
#[derive(Default)]
struct LogFieldVisitor {
    tenant: Option<String>,
    plugin: Option<String>,
    version: Option<String>,
    channel: Option<String>,
    message: String,
}

/// The largest message of a line, in bytes. Longer ones are cut.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

impl LogFieldVisitor {
    fn record_value(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message.insert_str(0, &value),
            // The label of a plugin, as `Tenant::plugin_label` makes it.
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

    fn buffer_of(log: impl FnOnce()) -> LogBuffer {
        let buffer = LogBuffer::default();
        let subscriber = tracing_subscriber::registry().with(buffer.layer());
        tracing::subscriber::with_default(subscriber, log);
        buffer
    }

    #[test]
    fn a_line_has_the_tenant_plugin_and_channel_that_it_is_about() {
        let buffer = buffer_of(|| {
            tracing::warn!(plugin = "chat", channel = "specific.1!2", size = 3, "it failed");
            tracing::info!(target: GUEST, plugin = "chat", context = "", "hello");
            tracing::info!(plugin = "acme/chat", "of a tenant");
            tracing::info!("on its own");
        });
        let lines = buffer.last_lines(Some(&Tenant::default_tenant()), Some("chat"), 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].message, "it failed size=3");
        assert_eq!(lines[0].channel.as_deref(), Some("specific.1!2"));
        assert!(lines[1].from_guest && !lines[0].from_guest);
        let acme = buffer.last_lines(Some(&"acme".parse().unwrap()), None, 10);
        assert_eq!((acme.len(), &*acme[0].message), (1, "of a tenant"));
        assert_eq!(buffer.last_lines(None, None, 10).len(), 4);
        assert_eq!(buffer.last_lines(None, None, 1)[0].message, "on its own");
    }

    #[test]
    fn a_plugin_that_writes_much_does_not_displace_lines_of_others() {
        let buffer = buffer_of(|| {
            tracing::info!(plugin = "quiet", "here");
            for number in 0..LINES_PER_SUBJECT * 2 {
                tracing::info!(plugin = "loud", "{number}");
            }
        });
        assert_eq!(buffer.last_lines(None, Some("quiet"), 10)[0].message, "here");
        assert_eq!(buffer.last_lines(None, Some("loud"), usize::MAX).len(), LINES_PER_SUBJECT);
    }
}

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
const LINES: usize = 500;

/// Lines that wait for one who follows; who is further behind misses some.
const BEHIND: usize = 1_024;

/// The last lines of the log. A clone is the same journal.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: Mutex<Pages>,
    told: broadcast::Sender<Arc<LogLine>>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    /// By whom they are about; nobody is the host.
    lines: HashMap<About, VecDeque<Arc<LogLine>>>,
}

/// A tenant, if it is another than `default`, and a plugin.
type About = (Option<String>, Option<String>);

impl Default for Journal {
    fn default() -> Self {
        let (told, _) = broadcast::channel(BEHIND);
        Self(Arc::new(Inner { pages: Mutex::default(), told }))
    }
}

impl Journal {
    /// What writes it, beside whatever else becomes of the log.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        Writer(self.clone())
    }

    /// The last lines about a tenant and a plugin, or about everything, the oldest first.
    pub fn last(
        &self,
        tenant: Option<&Tenant>,
        plugin: Option<&str>,
        count: usize,
    ) -> Vec<Arc<LogLine>> {
        let pages = self.lock();
        let pages = pages.lines.values();
        // The lines of a page are about the same.
        let about =
            pages.filter(|page| page.front().is_some_and(|line| is_about(line, tenant, plugin)));
        let mut lines: Vec<_> = about.flatten().cloned().collect();
        lines.sort_unstable_by_key(|line| line.number);
        lines.split_off(lines.len().saturating_sub(count))
    }

    /// The lines that are written from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.0.told.subscribe()
    }

    fn write(&self, mut line: LogLine) {
        let mut pages = self.lock();
        pages.last += 1;
        line.number = pages.last;
        let line = Arc::new(line);
        let page = pages.lines.entry((line.tenant.clone(), line.plugin.clone())).or_default();
        if page.len() >= LINES {
            page.pop_front();
        }
        page.push_back(Arc::clone(&line));
        // While the page is held, so that followers see the order of the numbers. Nobody may follow.
        let _ = self.0.told.send(line);
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
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

struct Writer(Journal);

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        let Words { tenant, plugin, version, channel, mut message } = words;
        message.truncate(message.floor_char_boundary(LONGEST));
        self.0.write(LogLine {
            number: 0,
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            level: metadata.level().as_str().to_owned(),
            guest: metadata.target() == GUEST,
            tenant,
            plugin,
            version,
            connection: channel,
            message,
        });
    }
}

/// The fields of an event that a line has room for; others follow its words.
#[derive(Default)]
struct Words {
    tenant: Option<String>,
    plugin: Option<String>,
    version: Option<String>,
    channel: Option<String>,
    message: String,
}

/// Bytes of a line's words that are kept.
const LONGEST: usize = 16 * 1024;

impl Words {
    fn note(&mut self, field: &Field, value: String) {
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

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !(field.name() == "context" && value.is_empty()) {
            self.note(field, value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn written(work: impl FnOnce()) -> Journal {
        let journal = Journal::default();
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
        let lines = journal.last(Some(&Tenant::default_tenant()), Some("chat"), 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].message, "it failed size=3");
        assert_eq!(lines[0].connection.as_deref(), Some("specific.1!2"));
        assert!(lines[1].guest && !lines[0].guest);
        let acme = journal.last(Some(&"acme".parse().unwrap()), None, 10);
        assert_eq!((acme.len(), &*acme[0].message), (1, "of a tenant"));
        assert_eq!(journal.last(None, None, 10).len(), 4);
        assert_eq!(journal.last(None, None, 1)[0].message, "on its own");
    }

    #[test]
    fn a_plugin_that_writes_much_takes_no_line_from_others() {
        let journal = written(|| {
            tracing::info!(plugin = "quiet", "here");
            for number in 0..LINES * 2 {
                tracing::info!(plugin = "loud", "{number}");
            }
        });
        assert_eq!(journal.last(None, Some("quiet"), 10)[0].message, "here");
        assert_eq!(journal.last(None, Some("loud"), usize::MAX).len(), LINES);
    }
}

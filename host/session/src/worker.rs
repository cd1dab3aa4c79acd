//! A named channel whose messages a plugin takes without a connection, as Channels' `runworker` does.

mod failure_log;
mod ticks;
mod worker_slot;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::instance_registry::InstanceRegistry;
use failure_log::{FailedMessage, FailureLog};
use narrowboat_channels::{Delivery, Mailbox};
use narrowboat_config::WorkerConfig;
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;
use narrowboat_core::units::DurationSetting;
use narrowboat_runtime::{Plugin, Version};
use worker_slot::{SlotEvent, WorkerSlot};

/// The rest before a channel that could not be opened is opened again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// One binding of a channel to a plugin.
pub struct Worker {
    registry: Arc<InstanceRegistry>,
    channel: ChannelName,
    instance_count: usize,
    tick_interval: Option<Duration>,
}

/// What happened to those who work.
enum WorkerEvent {
    /// The host stops.
    Stop,
    /// Another version is live.
    Published,
    /// One of them is done with a message, or with resting.
    Slot(SlotEvent),
    /// There is a message, and somebody to take it.
    Message(Message),
    /// What is for sockets.
    Frame,
}

/// Those who work, and the messages they work at.
struct WorkerPool {
    worker: Arc<Worker>,
    stop: watch::Receiver<bool>,
    live: watch::Receiver<Arc<Version>>,
    idle: Vec<WorkerSlot>,
    busy: JoinSet<SlotEvent>,
    failures: FailureLog,
}

impl Worker {
    /// Binds a channel to the plugin of a roster.
    pub fn new(registry: Arc<InstanceRegistry>, config: WorkerConfig) -> Self {
        let WorkerConfig { channel, instances: instance_count, tick_interval: every, plugin: _ } =
            config;
        Self {
            registry,
            channel,
            instance_count,
            tick_interval: every.map(DurationSetting::duration),
        }
    }

    /// Takes messages until `stop` says so, and then until those that were taken are done with.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let Some(mailbox) = self.open_channel(stop.clone()).await else { return };
        let mut ticks = JoinSet::new();
        if let Some(every) = self.tick_interval {
            ticks.spawn(ticks::send_ticks(Arc::clone(&self), every));
        }
        let mut crew = WorkerPool {
            live: self.plugin().subscribe_live_version(),
            idle: (0..self.instance_count).map(|_| WorkerSlot::default()).collect(),
            worker: self,
            stop,
            busy: JoinSet::new(),
            failures: FailureLog::default(),
        };
        crew.run(mailbox).await;
        drop(ticks);
        crew.drain().await;
    }

    /// Opens the channel; nothing if the host stops before that can be.
    async fn open_channel(&self, mut stop: watch::Receiver<bool>) -> Option<Mailbox> {
        let mut told = false;
        loop {
            match self.registry.layer.open_channel(&self.plugin().tenant, &self.channel).await {
                Ok(mailbox) => return Some(mailbox),
                Err(error) if !told => {
                    told = true;
                    let (plugin, channel) = self.log_fields();
                    tracing::warn!(plugin, channel, "cannot take messages yet: {error}");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(REOPEN_DELAY) => {}
                _ = stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    fn plugin(&self) -> &Plugin {
        &self.registry.plugin
    }

    /// Plugin and channel, for the log.
    fn log_fields(&self) -> (&str, &str) {
        (&self.plugin().label, self.channel.as_str())
    }
}

impl WorkerPool {
    /// Takes messages until the host stops. Then the mailbox goes, and with it what nobody has taken.
    async fn run(&mut self, mut mailbox: Mailbox) {
        loop {
            match self.next_event(&mut mailbox).await {
                WorkerEvent::Stop => return,
                WorkerEvent::Published => {
                    let live = self.worker.plugin().live_version();
                    self.idle.iter_mut().for_each(|hand| hand.drop_if_stale(&live));
                }
                WorkerEvent::Slot(done) => self.handle_slot_event(done),
                WorkerEvent::Message(message) => {
                    let hand = self.idle.pop().unwrap_or_default();
                    self.busy.spawn(hand.process_message(Arc::clone(&self.worker), message));
                }
                // A worker may be a member of a group, but it has no socket.
                WorkerEvent::Frame => {}
            }
        }
    }

    /// Waits for what is next. No message is taken while all are busy: others may have it sooner.
    async fn next_event(&mut self, mailbox: &mut Mailbox) -> WorkerEvent {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => WorkerEvent::Stop,
            Some(done) = self.busy.join_next() => {
                // A panic of the host's has been reported, and the hand is gone.
                WorkerEvent::Slot(done.unwrap_or_default())
            }
            Ok(()) = self.live.changed() => WorkerEvent::Published,
            delivery = mailbox.recv(), if !self.idle.is_empty() => match delivery {
                Delivery::Message(message) => WorkerEvent::Message(message),
                Delivery::Frame(_) => WorkerEvent::Frame,
            },
        }
    }

    fn handle_slot_event(&mut self, done: SlotEvent) {
        match done {
            SlotEvent::BackoffElapsed(hand) => self.idle.push(hand),
            SlotEvent::Finished(hand, lost) => {
                self.log_failure(lost);
                match hand.backoff() {
                    None => self.idle.push(hand),
                    Some(time) => {
                        let (live, stop) = (self.live.clone(), self.stop.clone());
                        self.busy.spawn(back_off(hand, time, live, stop));
                    }
                }
            }
        }
    }

    fn log_failure(&mut self, lost: Option<FailedMessage>) {
        let Some(lost) = lost else { return };
        let (plugin, channel) = self.worker.log_fields();
        self.failures.log_failure(plugin, channel, &lost);
    }

    /// Waits for those who are at work.
    async fn drain(mut self) {
        while let Some(done) = self.busy.join_next().await {
            if let Ok(SlotEvent::Finished(_, lost)) = done {
                self.log_failure(lost);
            }
        }
    }
}

/// After a failure nobody takes a message for a while, or until there is another version.
async fn back_off(
    hand: WorkerSlot,
    time: Duration,
    mut live: watch::Receiver<Arc<Version>>,
    mut stop: watch::Receiver<bool>,
) -> SlotEvent {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = live.changed() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    SlotEvent::BackoffElapsed(hand)
}

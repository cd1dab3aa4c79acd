//! The slots of a worker, and the loop that gives them messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::failure_log::{FailedMessage, FailureLog};
use super::run_request::RunRequest;
use super::worker_channel::WorkerChannel;
use super::worker_slot::{SlotEvent, WorkerSlot};
use narrowboat_channels::{Delivery, Mailbox};
use narrowboat_core::message::Message;
use narrowboat_runtime::Version;

/// The slots of a worker, each idle, at work on a message, or backing off after a failure. Dropping the pool aborts the
/// tasks of the busy slots.
pub(super) struct WorkerPool {
    channel: Arc<WorkerChannel>,
    stop: watch::Receiver<bool>,
    live: watch::Receiver<Arc<Version>>,
    /// The runs of the worker's schedule.
    runs: mpsc::Receiver<RunRequest>,
    idle: Vec<WorkerSlot>,
    busy: JoinSet<SlotEvent>,
    failures: FailureLog,
}

/// An event of the pool.
enum PoolEvent {
    /// The host stops.
    Stop,
    /// Another version is live.
    VersionChanged,
    /// A slot has finished a message or its backoff.
    Slot(SlotEvent),
    /// A message has arrived, and a slot is idle.
    Message(Message),
    /// A frame for connections has arrived.
    Frame,
    /// The schedule has started a run, and a slot is idle.
    Run(RunRequest),
}

impl WorkerPool {
    pub(super) fn new(
        channel: Arc<WorkerChannel>,
        slots: usize,
        runs: mpsc::Receiver<RunRequest>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            stop,
            runs,
            live: channel.plugin().subscribe_live_version(),
            idle: (0..slots).map(|_| WorkerSlot::default()).collect(),
            channel,
            busy: JoinSet::new(),
            failures: FailureLog::default(),
        }
    }

    /// Takes messages until the host stops. Drops the mailbox then, with the messages that no slot has taken.
    pub(super) async fn run(&mut self, mut mailbox: Mailbox) {
        loop {
            match self.next_event(&mut mailbox).await {
                PoolEvent::Stop => return,
                PoolEvent::VersionChanged => {
                    let live = self.channel.plugin().live_version();
                    self.idle.iter_mut().for_each(|slot| slot.drop_if_stale(&live));
                }
                PoolEvent::Slot(event) => self.handle_slot_event(event),
                PoolEvent::Message(message) => {
                    let slot = self.idle.pop().unwrap_or_default();
                    self.busy.spawn(slot.process_message(Arc::clone(&self.channel), message));
                }
                PoolEvent::Run(RunRequest { message, outcome }) => {
                    let slot = self.idle.pop().unwrap_or_default();
                    let channel = Arc::clone(&self.channel);
                    self.busy.spawn(async move {
                        let event = slot.process_message(channel, message).await;
                        // A schedule that has ended needs no outcome.
                        let _ = outcome.send(event.run_outcome());
                        event
                    });
                }
                // A worker may be a member of a group, but it has no socket to write the group's frames to.
                PoolEvent::Frame => {}
            }
        }
    }

    /// Waits for the next event. While no slot is idle, messages stay in the channel, so that a worker of another host
    /// may take them sooner.
    async fn next_event(&mut self, mailbox: &mut Mailbox) -> PoolEvent {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => PoolEvent::Stop,
            Some(event) = self.busy.join_next() => {
                // After a panic, which has been reported, an empty slot replaces the lost one.
                PoolEvent::Slot(event.unwrap_or_default())
            }
            Ok(()) = self.live.changed() => PoolEvent::VersionChanged,
            Some(run) = self.runs.recv(), if !self.idle.is_empty() => PoolEvent::Run(run),
            delivery = mailbox.recv(), if !self.idle.is_empty() => match delivery {
                Delivery::Message(message) => PoolEvent::Message(message),
                Delivery::Frame(_) => PoolEvent::Frame,
            },
        }
    }

    fn handle_slot_event(&mut self, event: SlotEvent) {
        match event {
            SlotEvent::BackoffElapsed(slot) => self.idle.push(slot),
            SlotEvent::Finished(slot, failed) => {
                self.log_failure(failed);
                match slot.backoff() {
                    None => self.idle.push(slot),
                    Some(time) => {
                        let (live, stop) = (self.live.clone(), self.stop.clone());
                        self.busy.spawn(back_off(slot, time, live, stop));
                    }
                }
            }
        }
    }

    fn log_failure(&mut self, failed: Option<FailedMessage>) {
        let Some(failed) = failed else { return };
        let (plugin, channel) = self.channel.log_fields();
        self.failures.log_failure(plugin, channel, &failed);
    }

    /// Waits for the busy slots. Runs that no slot has taken do not start.
    pub(super) async fn drain(mut self) {
        self.runs.close();
        while self.runs.try_recv().is_ok() {}
        while let Some(event) = self.busy.join_next().await {
            if let Ok(SlotEvent::Finished(_, failed)) = event {
                self.log_failure(failed);
            }
        }
    }
}

/// Keeps a slot busy for `time` after a failure, or until another version is live or the host stops.
async fn back_off(
    slot: WorkerSlot,
    time: Duration,
    mut live: watch::Receiver<Arc<Version>>,
    mut stop: watch::Receiver<bool>,
) -> SlotEvent {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = live.changed() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    SlotEvent::BackoffElapsed(slot)
}

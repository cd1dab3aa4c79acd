//! A named channel whose messages a plugin takes without a connection, as Channels' `runworker` does.

mod hand;
mod losses;
mod ticks;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::roster::Roster;
use hand::{Done, Hand};
use losses::{Losses, Lost};
use narrowboat_channels::{Delivery, Mailbox};
use narrowboat_config::WorkerConfig;
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;
use narrowboat_core::units::Span;
use narrowboat_runtime::{Plugin, Version};

/// The rest before a channel that could not be opened is opened again.
const REOPENING: Duration = Duration::from_secs(1);

/// One binding of a channel to a plugin.
pub struct Worker {
    roster: Arc<Roster>,
    channel: ChannelName,
    instances: usize,
    every: Option<Duration>,
}

/// What happened to those who work.
enum Event {
    /// The host stops.
    Stop,
    /// Another version is live.
    Published,
    /// One of them is done with a message, or with resting.
    Done(Done),
    /// There is a message, and somebody to take it.
    Message(Message),
    /// What is for sockets.
    Frame,
}

/// Those who work, and the messages they work at.
struct Crew {
    worker: Arc<Worker>,
    stop: watch::Receiver<bool>,
    live: watch::Receiver<Arc<Version>>,
    idle: Vec<Hand>,
    busy: JoinSet<Done>,
    losses: Losses,
}

impl Worker {
    /// Binds a channel to the plugin of a roster.
    pub fn new(roster: Arc<Roster>, config: WorkerConfig) -> Self {
        let WorkerConfig { channel, instances, every, plugin: _ } = config;
        Self { roster, channel, instances, every: every.map(Span::duration) }
    }

    /// Takes messages until `stop` says so, and then until those that were taken are done with.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let Some(mailbox) = self.open(stop.clone()).await else { return };
        let mut ticks = JoinSet::new();
        if let Some(every) = self.every {
            ticks.spawn(ticks::run(Arc::clone(&self), every));
        }
        let mut crew = Crew {
            live: self.plugin().follow(),
            idle: (0..self.instances).map(|_| Hand::default()).collect(),
            worker: self,
            stop,
            busy: JoinSet::new(),
            losses: Losses::default(),
        };
        crew.work(mailbox).await;
        drop(ticks);
        crew.finish().await;
    }

    /// Opens the channel; nothing if the host stops before that can be.
    async fn open(&self, mut stop: watch::Receiver<bool>) -> Option<Mailbox> {
        let mut told = false;
        loop {
            match self.roster.layer.open(&self.plugin().tenant, &self.channel).await {
                Ok(mailbox) => return Some(mailbox),
                Err(error) if !told => {
                    told = true;
                    let (plugin, channel) = self.names();
                    tracing::warn!(plugin, channel, "cannot take messages yet: {error}");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(REOPENING) => {}
                _ = stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    fn plugin(&self) -> &Plugin {
        &self.roster.plugin
    }

    /// Plugin and channel, for the log.
    fn names(&self) -> (&str, &str) {
        (&self.plugin().label, self.channel.as_str())
    }
}

impl Crew {
    /// Takes messages until the host stops. Then the mailbox goes, and with it what nobody has taken.
    async fn work(&mut self, mut mailbox: Mailbox) {
        loop {
            match self.next(&mut mailbox).await {
                Event::Stop => return,
                Event::Published => {
                    let live = self.worker.plugin().live();
                    self.idle.iter_mut().for_each(|hand| hand.let_go_unless(&live));
                }
                Event::Done(done) => self.take_back(done),
                Event::Message(message) => {
                    let hand = self.idle.pop().unwrap_or_default();
                    self.busy.spawn(hand.work(Arc::clone(&self.worker), message));
                }
                // A worker may be a member of a group, but it has no socket.
                Event::Frame => {}
            }
        }
    }

    /// Waits for what is next. No message is taken while all are busy: others may have it sooner.
    async fn next(&mut self, mailbox: &mut Mailbox) -> Event {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => Event::Stop,
            Some(done) = self.busy.join_next() => {
                // A panic of the host's has been reported, and the hand is gone.
                Event::Done(done.unwrap_or_default())
            }
            Ok(()) = self.live.changed() => Event::Published,
            delivery = mailbox.recv(), if !self.idle.is_empty() => match delivery {
                Delivery::Message(message) => Event::Message(message),
                Delivery::Frame(_) => Event::Frame,
            },
        }
    }

    fn take_back(&mut self, done: Done) {
        match done {
            Done::Rested(hand) => self.idle.push(hand),
            Done::Worked(hand, lost) => {
                self.tell(lost);
                match hand.rest() {
                    None => self.idle.push(hand),
                    Some(time) => {
                        let (live, stop) = (self.live.clone(), self.stop.clone());
                        self.busy.spawn(rest(hand, time, live, stop));
                    }
                }
            }
        }
    }

    fn tell(&mut self, lost: Option<Lost>) {
        let Some(lost) = lost else { return };
        let (plugin, channel) = self.worker.names();
        self.losses.tell(plugin, channel, &lost);
    }

    /// Waits for those who are at work.
    async fn finish(mut self) {
        while let Some(done) = self.busy.join_next().await {
            if let Ok(Done::Worked(_, lost)) = done {
                self.tell(lost);
            }
        }
    }
}

/// After a failure nobody takes a message for a while, or until there is another version.
async fn rest(
    hand: Hand,
    time: Duration,
    mut live: watch::Receiver<Arc<Version>>,
    mut stop: watch::Receiver<bool>,
) -> Done {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = live.changed() => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    Done::Rested(hand)
}

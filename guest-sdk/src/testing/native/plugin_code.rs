use super::{
    consumer_instance::{ConsumerInstance, create_consumers},
    worker_instance::{WorkerInstance, create_worker},
};
use crate::{consumer::Consumer, worker::Worker};

/// The code of a version: the types of its consumers and workers.
#[derive(Clone, Default)]
pub(crate) struct PluginCode {
    pub(super) consumer: Option<fn() -> Box<dyn ConsumerInstance>>,
    pub(super) workers: Vec<WorkerCode>,
    pub(super) isolation: Isolation,
    /// Whether consumers are told that the configuration has changed.
    pub(super) tells_config_changes: bool,
}

/// The consumers that share an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Each consumer has an instance of its own.
    #[default]
    Connection,
    /// All consumers are in one instance.
    Shared,
    /// The visitors of a room are in one instance. The text makes the name of the room of the URL parameters.
    Room(String),
}

/// A worker and its channel.
#[derive(Clone)]
pub(super) struct WorkerCode {
    pub(super) channel: String,
    pub(super) create: fn() -> Box<dyn WorkerInstance>,
}

impl PluginCode {
    /// Sets the type of the consumers.
    pub(crate) fn set_consumer<C: Consumer>(&mut self) {
        self.consumer = Some(create_consumers::<C>);
    }

    /// Returns the code with consumers of another type.
    pub(super) fn with_consumer_of(&self, other: &Self) -> Self {
        Self { consumer: other.consumer, ..self.clone() }
    }

    /// Adds a worker for a channel.
    pub(crate) fn add_worker<W: Worker>(&mut self, channel: &str) {
        let channel = channel.to_owned();
        self.workers.push(WorkerCode { channel, create: create_worker::<W> });
    }

    /// Tells consumers that the configuration has changed.
    pub(crate) fn tell_config_changes(&mut self) {
        self.tells_config_changes = true;
    }

    /// Lets all consumers share one instance.
    pub(crate) fn share_instance(&mut self) {
        self.isolation = Isolation::Shared;
    }

    /// Lets the visitors of each room share an instance.
    pub(crate) fn share_rooms(&mut self, template: &str) {
        self.isolation = Isolation::Room(template.to_owned());
    }
}

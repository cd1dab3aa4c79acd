//! The channel layer: messages between consumers, wherever they run, as in Django Channels.
//!
//! A **channel** is a bounded queue with a name and one reader; a **group** is a set of channels. Delivery is at most
//! once, and in order from one sender to one receiver, messages and frames alike. Every operation belongs to a
//! [`Tenant`], and tenants never see each other.

mod capacity;
mod decode_error;
mod error;
mod layer_events;
mod limits;
mod mailbox;
mod mailbox_queue;
mod maybe_ready;
mod memory;
mod process_channels;
mod redis;
mod redis_pubsub;
mod status;

pub use capacity::CapacityPatterns;
pub use decode_error::{DecodeErrorCause, DecodeErrorCounts};
pub use error::LayerError;
pub use layer_events::LAYER_EVENTS_GROUP;
pub use limits::LayerLimits;
pub use mailbox::Mailbox;
pub use maybe_ready::MaybeReady;
pub use memory::{MemoryLayer, UNREAD_OVERHEAD_BYTES};
pub use redis::RedisLayer;
pub use redis_pubsub::RedisPubSubLayer;
pub use status::LayerStatus;

use std::time::Duration;

use tokio::runtime::Handle;

use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// What a mailbox holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message, for the consumer's `handle`.
    Message(Message),
    /// A frame, for the consumer's socket, without entering the guest.
    Frame(Frame),
}

impl Delivery {
    /// The length of the payload in bytes: what counts against a byte bound.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Frame(frame) => frame.len(),
        }
    }

    /// Whether the payload is empty, as only a frame's can be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// The members of a group.
    Group(&'a GroupName),
    /// Whoever reads a channel.
    Channel(&'a ChannelName),
}

/// How many deliveries, and how many bytes of payload together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// The number of deliveries.
    pub count: usize,
    /// Their payloads' bytes together.
    pub bytes: usize,
}

impl QueueLoad {
    /// With one more delivery of `len` bytes.
    #[must_use]
    pub fn with_item(self, len: usize) -> Self {
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(len) }
    }
}

/// A channel layer's backend. The same rules hold for each of them; `tests/layer_conformance.rs` states them.
///
/// An operation has its place in the order once it has been called, whether its answer is awaited or not: whoever does
/// not want to know drops the answer, and nothing is taken back.
pub trait ChannelLayer: Send + Sync + 'static {
    /// Begins what the layer does on its own. What is asked before that waits.
    fn start(&self, runtime: &Handle);

    /// Creates a channel with a name that nobody else has, which ends, with its memberships, when the mailbox is
    /// dropped.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend cannot be reached.
    fn new_channel<'a>(&'a self, tenant: &'a Tenant)
    -> MaybeReady<'a, Result<Mailbox, LayerError>>;

    /// Opens a channel by its name, with what waits in it. Dropping the mailbox keeps what waits and the memberships,
    /// unless the name has a `!`: such a channel ends.
    ///
    /// # Errors
    /// [`LayerError::ChannelBusy`] while another mailbox of that channel is open.
    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>>;

    /// Whether a name is one that [`new_channel`](Self::new_channel) makes here or in another process: nobody knows it who
    /// was not told.
    fn is_unique(&self, _tenant: &Tenant, channel: &ChannelName) -> bool {
        channel.is_process_local()
    }

    /// What can be told of a send without making it. `pending` is what this caller means to send to the same channel
    /// first, and has not sent yet; `len` the message's bytes. An `Ok` is no promise, since others send too.
    ///
    /// A guest's effects are applied after its call, so it is during the call that it must be told.
    ///
    /// # Errors
    /// What [`send`](Self::send) would answer now.
    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError>;

    /// What can be told of a send to a group without making it. `pending` is what this caller means to send to any
    /// group first. An `Ok` is no promise.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where nothing more can wait for a backend that is away, or
    /// [`LayerError::TooLarge`].
    fn check_group_send(
        &self,
        tenant: &Tenant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError>;

    /// Members of a group that a message to it would be handed to at once, by whoever sends it; 0 where others do that.
    fn fan_out(&self, tenant: &Tenant, group: &GroupName) -> usize;

    /// Sends a message to one channel. A channel that ended takes it in silence: a sender cannot know in time.
    ///
    /// # Errors
    /// [`LayerError::ChannelFull`], [`LayerError::UnreadFull`] or [`LayerError::TooLarge`]; the message is dropped.
    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Makes a channel a member of a group. Doing so again only renews the membership. A channel that ended is
    /// ignored in silence.
    ///
    /// # Errors
    /// [`LayerError::TooManyGroups`] or [`LayerError::TooManyMemberships`].
    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Ends a membership, if there is one.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend cannot be reached.
    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Sends a message to every member. Where a member's mailbox is full the message is dropped for that member and
    /// [counted](LayerStatus::dropped), which is no error.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`]; then no member gets it.
    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Puts one frame in every member's mailbox, as [`group_send`](Self::group_send) does a message.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`]; then no member gets it.
    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// How many receivers a message would have now: members of a group, or with publish and subscribe the processes
    /// that listen; of a channel 1 if a mailbox of it is open. None where only another process knows. It is no promise,
    /// since they come and go.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend cannot be reached.
    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>>;

    /// Forgets every message that waits and every membership of the tenant; open mailboxes stay open. Meant for tests
    /// and operators: its cost grows with the tenant, and it is no barrier to what is sent meanwhile.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend cannot be reached.
    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Takes a turn of which there is one a `period` under a name, whoever else asks: whether it is this caller's.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend cannot be reached.
    fn claim<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>>;

    /// Waits until every membership that was begun or ended before is so wherever the layer keeps it.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend is away; memberships of open mailboxes follow when it is back.
    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>>;

    /// Waits until everything that was asked for before has left this process.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] where the backend is away.
    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>>;

    /// How the layer fares.
    fn status(&self) -> LayerStatus;
}

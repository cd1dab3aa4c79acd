//! The interface of a channel layer.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{
    Delivery, LayerError, LayerQueue, LayerStatus, Mailbox, MaybeReady, QueueLoad, Recipient,
};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer's backend. Each backend follows the same rules, which `tests/layer_conformance.rs` states.
///
/// An operation takes its place in the order when it is called, not when its result is awaited. A caller that does not
/// need the result drops it, and the operation is carried out all the same.
pub trait ChannelLayer: Send + Sync + 'static {
    /// Returns the queue between the layer and its backend. Several default methods use it.
    fn queue(&self) -> &dyn LayerQueue;

    /// Starts the layer's own tasks. Operations that are called before wait until then.
    fn start(&self, _runtime: &Handle) {}

    /// Creates a channel with a unique name. The channel and its memberships end when the mailbox is dropped.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn new_channel<'a>(&'a self, tenant: &'a Tenant)
    -> MaybeReady<'a, Result<Mailbox, LayerError>>;

    /// Opens a channel by its name, with the messages that wait in it. Dropping the mailbox keeps these messages and
    /// the memberships, unless the name has a `!`: then the channel ends.
    ///
    /// # Errors
    /// [`LayerError::ChannelBusy`] while another mailbox of that channel is open.
    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>>;

    /// Whether [`new_channel`](Self::new_channel) made this name, here or in another process. Nobody can guess such a
    /// name.
    fn is_unique(&self, _tenant: &Tenant, channel: &ChannelName) -> bool {
        channel.is_process_local()
    }

    /// Predicts the result of a [`send`](Self::send) of `len` bytes without making it. `pending` is the load that this
    /// caller will send to the same channel first. `Ok` is not a promise, since others send too.
    ///
    /// The host applies a guest's effects after its call, but reports errors during the call. This method finds them.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError>;

    /// Predicts the result of a send of `len` bytes to a group without making it. `pending` is the load that this
    /// caller will send to any group first. `Ok` is not a promise.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the queue to an unreachable backend is full, or [`LayerError::TooLarge`].
    fn check_group_send(
        &self,
        _tenant: &Tenant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.queue().check_room(pending, len)
    }

    /// Returns the number of members to which the sender itself would hand a group's message. This is 0 for a layer
    /// whose own tasks do it, which is the default.
    fn fan_out(&self, _tenant: &Tenant, _group: &GroupName) -> usize {
        0
    }

    /// Sends a message to one channel. A channel that has ended drops it without an error, since a sender cannot know
    /// that in time.
    ///
    /// # Errors
    /// [`LayerError::ChannelFull`], [`LayerError::UnreadFull`] or [`LayerError::TooLarge`]. The message is dropped.
    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Makes a channel a member of a group, or renews the membership. A channel that has ended is ignored without an
    /// error.
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
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Sends a message or a frame to every member of a group. Where a member's mailbox is full, the layer drops the
    /// delivery for that member and [counts](LayerStatus::dropped_count) it, without an error.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`]; then no member gets it.
    fn deliver_to_group<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        delivery: Delivery,
    ) -> MaybeReady<'a, Result<(), LayerError>>;

    /// [Sends](Self::deliver_to_group) a message to every member of a group.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`]; then no member gets it.
    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        self.deliver_to_group(tenant, group, Delivery::Message(message))
    }

    /// [Sends](Self::deliver_to_group) a frame to every member of a group.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`]; then no member gets it.
    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        self.deliver_to_group(tenant, group, Delivery::Frame(frame))
    }

    /// Returns the number of receivers that a message would have now. For a group these are its members, or with
    /// publish and subscribe the processes that listen. For a channel this is 1 if a mailbox of it is open. `None`
    /// means that only another process knows. The number is not a promise, since receivers come and go.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>>;

    /// Deletes every waiting message and every membership of the tenant. Open mailboxes stay open. Meant for tests and
    /// operators: the cost grows with the tenant, and messages that are sent meanwhile may survive.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>>;

    /// Tries to acquire the lease `name`, which only one caller in all processes gets in each `period`. Returns whether
    /// this caller got it.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn try_acquire_lease<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>>;

    /// Waits until the backend has every membership that began or ended before.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable. The layer writes memberships of open mailboxes when
    /// it is back.
    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        self.queue().wait_for_memberships()
    }

    /// Waits until everything that was called before has left this process.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the backend is unreachable.
    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        self.queue().wait_until_sent()
    }

    /// Returns the connection state and the counters.
    fn status(&self) -> LayerStatus {
        self.queue().status()
    }
}

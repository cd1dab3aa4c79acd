use serde::{Serialize, de::DeserializeOwned};

use crate::{
    close_frame::CloseFrame,
    connection::Connection,
    error::Error,
    frame::Frame,
    handshake::{Accept, Deny},
    scope::Scope,
    snapshot::Snapshot,
    timer::TimerId,
};

/// The handler of one connection, with a method for each event: handshake, frame, message, timer and end. In Django
/// Channels: `AsyncWebsocketConsumer`.
///
/// The value that implements this trait is the state of the connection. Serde carries it from one version of the plugin
/// to the next. The methods run one at a time, and their effects take place when they return. A panic drops the effects
/// of the running method and ends the instance.
pub trait Consumer: Serialize + DeserializeOwned + Sized + 'static {
    /// The messages that the consumer gets from the channel layer: an enum with `#[serde(tag = "type")]` that has one
    /// variant for each type, renamed to the type ("chat.message"). Use [`NoMessage`](crate::NoMessage) if the consumer
    /// expects none.
    ///
    /// As in Django Channels, "chat_message" is the same type as "chat.message". An enum with a `#[serde(other)]`
    /// variant needs `#[serde(alias = "chat_message")]` for that. The host ignores and counts messages of other types.
    /// It logs the first of each version as a warning, and the others at debug.
    type Message: DeserializeOwned;

    /// The groups of every connection. It is a member from before `connect` until after `disconnect`. In Django
    /// Channels: `groups`.
    const GROUPS: &'static [&'static str] = &[];

    /// The number of the state's schema. Increase it when the new version cannot read the state that older versions
    /// save.
    const SCHEMA_VERSION: u32 = 0;

    /// Accepts or denies the handshake, or [decides later](crate::decide_later). In Django Channels: `connect`.
    ///
    /// # Errors
    /// A [`Deny`] is the HTTP response that replaces the upgrade. `?` converts any error into one.
    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny>;

    /// Returns the groups of a connection, for groups that depend on its [`scope`](Connection::scope). The default is
    /// [`Consumer::GROUPS`]. An invalid name denies the handshake with status 400.
    fn groups(connection: &Connection) -> Vec<String> {
        let _ = connection;
        Self::GROUPS.iter().map(|group| (*group).to_owned()).collect()
    }

    /// Handles a frame. The default calls `receive_text` or `receive_binary`. In Django Channels: `receive`.
    ///
    /// # Errors
    /// An [`Error`] closes the connection. It blames the plugin or the client.
    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Text(text) => self.receive_text(connection, text),
            Frame::Binary(bytes) => self.receive_binary(connection, bytes),
        }
    }

    /// Handles a text frame. The default ignores it.
    ///
    /// # Errors
    /// An [`Error`] closes the connection. It blames the plugin or the client.
    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let _ = (connection, text);
        Ok(())
    }

    /// Handles a binary frame. The default ignores it.
    ///
    /// # Errors
    /// An [`Error`] closes the connection. It blames the plugin or the client.
    fn receive_binary(&mut self, connection: &Connection, bytes: Vec<u8>) -> Result<(), Error> {
        let _ = (connection, bytes);
        Ok(())
    }

    /// Handles a message of the channel layer, sent to the connection's channel or to one of its groups. In Django
    /// Channels: the handler method that the message's `type` names. The default ignores the message.
    ///
    /// # Errors
    /// An [`Error`] closes the connection. It blames the plugin or the client. A message of a known type that lacks a
    /// field of that type does not reach this method. It closes the connection and blames the plugin, because a
    /// consumer, a worker or a Django process sent it, not this client.
    fn handle(&mut self, connection: &Connection, message: Self::Message) -> Result<(), Error> {
        let _ = (connection, message);
        Ok(())
    }

    /// Handles a timer that fired; see [`Connection::set_timer`]. The default ignores it.
    ///
    /// # Errors
    /// An [`Error`] closes the connection. It blames the plugin or the client.
    fn timer(&mut self, connection: &Connection, timer: TimerId) -> Result<(), Error> {
        let _ = (connection, timer);
        Ok(())
    }

    /// Handles the end of an accepted connection, closed by the client, the plugin or the host. In Django Channels:
    /// `disconnect`. It does not run when the consumer moves to another version.
    ///
    /// **It does not run after a panic or a time-out** of this consumer or of another consumer of its instance, nor for
    /// a consumer that could not move to another version: the consumer no longer exists. The log reports the number of
    /// connections that ended in this way.
    ///
    /// So a count of connections that outlives the instance, for example in [`keyvalue`](crate::keyvalue), stays wrong
    /// after a panic. Instead, count in the module's memory, which ends together with the instance. Or store an entry
    /// with an expiry time for each connection, renew it from [`Consumer::timer`], and ignore expired entries.
    fn disconnect(&mut self, connection: &Connection, close: CloseFrame) {
        let _ = (connection, close);
    }

    /// Handles the alarm of the room, which [`room::set_alarm`](crate::room::set_alarm) has set. The default is an error.
    ///
    /// # Errors
    /// After an [`Error`] or a panic the host calls it again later.
    fn alarm() -> Result<(), Error> {
        Err(Error::msg("the room has an alarm, and the consumer has no `alarm`"))
    }

    /// Runs after [`Consumer::restore`], when the consumer has moved to this version or its instance was made again;
    /// [`room::restore_reason`](crate::room::restore_reason) says why. Use it to store the connection in the module's memory
    /// again.
    fn after_restore(&mut self, connection: &Connection) {
        let _ = connection;
    }

    /// Saves the consumer's state for another version. The default writes all fields that serde serialises, with their
    /// names.
    ///
    /// The host may call this some events of other consumers before the move. It calls it again only if this consumer
    /// has had an event since. So save the state that consumers share in [`Consumer::save_module`].
    ///
    /// # Errors
    /// An error means that the consumer cannot move. `on_failed_move` in the configuration decides what happens to its
    /// connection.
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    /// Creates a consumer from the snapshot of another version. The default reads the output of `snapshot`. A field
    /// that the snapshot may lack needs `#[serde(default)]`. The default refuses a snapshot with another
    /// [`Consumer::SCHEMA_VERSION`].
    ///
    /// # Errors
    /// An error in the trial of this version refuses the version. An error after the trial means that the consumer
    /// cannot move, and `on_failed_move` in the configuration decides what happens to its connection.
    fn restore(connection: &Connection, snapshot: Snapshot) -> Result<Self, Error> {
        let _ = connection;
        if snapshot.schema_version == Self::SCHEMA_VERSION {
            return snapshot.decode();
        }
        let (saved, expected) = (snapshot.schema_version, Self::SCHEMA_VERSION);
        Err(Error::msg(format_args!(
            "the saved state has schema {saved}, but this version reads schema {expected}"
        )))
    }

    /// Saves the state that the consumers of an instance share. It runs before their `snapshot`. The default saves none.
    ///
    /// # Errors
    /// An error means that the instance and its consumers cannot move.
    fn save_module() -> Result<Option<Snapshot>, Error> {
        Ok(None)
    }

    /// Loads the state that `save_module` of another version saved. It runs before any `restore`. The default ignores
    /// it.
    ///
    /// # Errors
    /// An error means that the instance and its consumers cannot move.
    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        let _ = snapshot;
        Ok(())
    }
}

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

/// One connection's side of a plugin: what happens on a handshake, a frame, a message, a timer and
/// the end.
///
/// The consumer is the connection's state, and serde carries it from one version of the plugin to
/// the next. Its methods run one at a time; what they do takes effect when they return. A panic
/// undoes the running method and ends the instance.
pub trait Consumer: Serialize + DeserializeOwned + Sized + 'static {
    /// What arrives through the channel layer: an enum with `#[serde(tag = "type")]` and a variant
    /// a type, renamed to it ("chat.message"). As in Django Channels, "chat_message" is the same type.
    /// (An enum with a `#[serde(other)]` variant needs `#[serde(alias = "chat_message")]` for that.)
    /// The host ignores and counts messages of other types; it logs the first of each version as a
    /// warning and the others at debug.
    /// [`NoMessage`](crate::NoMessage) has none.
    type Message: DeserializeOwned;

    /// Groups that every connection is a member of from before `connect` until after `disconnect`.
    const GROUPS: &'static [&'static str] = &[];

    /// Number it up when a state that an older version saved can no longer be read.
    const SCHEMA_VERSION: u32 = 0;

    /// Decides the handshake.
    ///
    /// # Errors
    /// A [`Deny`] is the HTTP answer in place of the upgrade. Any error becomes one with `?`.
    fn connect(scope: &Scope, connection: &Connection) -> Result<Accept<Self>, Deny>;

    /// Groups of a connection, where they depend on its [`scope`](Connection::scope):
    /// [`Consumer::GROUPS`] unless this says otherwise. A name that is none denies the handshake
    /// with 400.
    fn groups(connection: &Connection) -> Vec<String> {
        let _ = connection;
        Self::GROUPS.iter().map(|group| (*group).to_owned()).collect()
    }

    /// A frame came. Left to itself it calls `receive_text` or `receive_binary`.
    ///
    /// # Errors
    /// An error closes the connection and says who is to blame: see [`Error`].
    fn receive(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Text(text) => self.receive_text(connection, text),
            Frame::Binary(bytes) => self.receive_binary(connection, bytes),
        }
    }

    /// A text frame came. Left to itself it ignores it.
    ///
    /// # Errors
    /// An error closes the connection and says who is to blame: see [`Error`].
    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let _ = (connection, text);
        Ok(())
    }

    /// A binary frame came. Left to itself it ignores it.
    ///
    /// # Errors
    /// An error closes the connection and says who is to blame: see [`Error`].
    fn receive_binary(&mut self, connection: &Connection, bytes: Vec<u8>) -> Result<(), Error> {
        let _ = (connection, bytes);
        Ok(())
    }

    /// A message came, on the connection's channel or to one of its groups.
    ///
    /// # Errors
    /// An error closes the connection and says who is to blame: see [`Error`]. A message of a known
    /// type that lacks a field of that type does not reach this method: it closes the connection and
    /// blames the plugin, because a consumer, a worker or a Django process sent it, and not this client.
    fn handle(&mut self, connection: &Connection, message: Self::Message) -> Result<(), Error> {
        let _ = (connection, message);
        Ok(())
    }

    /// A timer fired.
    ///
    /// # Errors
    /// An error closes the connection and says who is to blame: see [`Error`].
    fn timer(&mut self, connection: &Connection, timer: TimerId) -> Result<(), Error> {
        let _ = (connection, timer);
        Ok(())
    }

    /// An accepted connection ended, whoever closed it. Does not run when the connection moves to
    /// another version.
    ///
    /// **Does not run after a panic or a time-out** of this consumer or of another one of its
    /// instance, nor for a consumer that could not move to another version: the consumer no longer
    /// exists. The log says how many connections ended that way.
    ///
    /// So a count of connections that outlives the instance, for example in
    /// [`keyvalue`](crate::keyvalue), stays wrong after a panic. Instead, count in the module's
    /// memory, which ends together with the instance; or store an entry with an expiry time for each
    /// connection, renew it from [`Consumer::timer`], and ignore expired entries.
    fn disconnect(&mut self, connection: &Connection, closure: CloseFrame) {
        let _ = (connection, closure);
    }

    /// This consumer has come over from another version: the place to list the connection again in
    /// the module's memory.
    fn after_restore(&mut self, connection: &Connection) {
        let _ = connection;
    }

    /// Saves the consumer for another version. Left to itself it writes all that serde sees, with
    /// field names. What consumers share belongs into `save_module`: this may run some events of
    /// other consumers ahead of the move, and runs again only if this one has had an event since.
    ///
    /// # Errors
    /// An error keeps this version.
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::encode(Self::SCHEMA_VERSION, self)
    }

    /// Makes a consumer of what another version saved. Left to itself it reads what `snapshot`
    /// writes, where new fields have `#[serde(default)]`, and refuses another [`Consumer::SCHEMA_VERSION`].
    ///
    /// # Errors
    /// An error keeps the other version.
    fn restore(connection: &Connection, saved: Snapshot) -> Result<Self, Error> {
        let _ = connection;
        if saved.schema_version == Self::SCHEMA_VERSION {
            return saved.decode();
        }
        let (theirs, ours) = (saved.schema_version, Self::SCHEMA_VERSION);
        Err(Error::msg(format_args!(
            "the saved state has schema {theirs}, this version reads {ours}"
        )))
    }

    /// Saves what the consumers of an instance share. It runs after their `snapshot`.
    ///
    /// # Errors
    /// An error keeps this version.
    fn save_module() -> Result<Option<Snapshot>, Error> {
        Ok(None)
    }

    /// Takes over what `save_module` left. It runs before any `restore`.
    ///
    /// # Errors
    /// An error keeps the other version.
    fn load_module(saved: Snapshot) -> Result<(), Error> {
        let _ = saved;
        Ok(())
    }
}

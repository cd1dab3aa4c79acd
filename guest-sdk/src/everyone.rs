use crate::{connection::Connection, frame::Frame, imports::connections};

/// The connections of this instance that consumers have accepted, but for some: in a room those of its visitors, with
/// `isolation = "shared"` those of all consumers of the instance. The connection whose `connect` runs is not among them.
#[derive(Clone, Debug, Default)]
pub struct Everyone<'a> {
    without: Vec<&'a Connection>,
}

/// The connections of this instance.
///
/// ```no_run
/// # use narrowboat_guest::{Connection, everyone};
/// # fn receive_text(connection: &Connection, text: String) {
/// everyone().without(connection).send(text);
/// # }
/// ```
#[must_use]
pub fn everyone<'a>() -> Everyone<'a> {
    Everyone::default()
}

impl<'a> Everyone<'a> {
    /// Leaves out a connection.
    #[must_use]
    pub fn without(mut self, connection: &'a Connection) -> Self {
        self.without.push(connection);
        self
    }

    /// Queues a frame for each of them. Returns the number of connections that accepted it. It copies the frame out of the
    /// guest once.
    pub fn send(&self, frame: impl Into<Frame>) -> u32 {
        let without: Vec<_> = self.without.iter().map(|connection| connection.handle()).collect();
        connections::send_everyone(&frame.into().into(), &without)
    }

    /// The connections, in the order of their handshakes.
    pub fn connections(&self) -> Vec<Connection> {
        let all = connections::everyone().into_iter().map(Connection::new);
        all.filter(|connection| !self.without.contains(&connection)).collect()
    }
}

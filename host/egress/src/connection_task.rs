//! The task that drives a connection.

use tokio::task::JoinHandle;

/// The task that sends a request and receives its response. Dropping it ends the connection.
#[derive(Debug)]
pub struct ConnectionTask(JoinHandle<()>);

impl ConnectionTask {
    /// Spawns the task.
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

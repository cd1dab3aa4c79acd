//! The accept loop, and the stop of a host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::accept_error::handle_accept_error;
use crate::accepted_socket::AcceptedSocket;
use crate::admin::AdminServer;
use crate::handshake_slot::HandshakeSlot;
use crate::host::Host;
use crate::host_mode::HostMode;
use crate::reload::{component_watch, poll_files, watch_secrets, watch_settings};
use crate::server::Server;

/// Sockets over `max_connections` that get a 503 at a time; further ones are closed without a response.
const MAX_CONCURRENT_REJECTIONS: usize = 64;

/// The extra time for workers, and then for channel layers, after the connections have used up `shutdown_grace`.
const SHUTDOWN_EXTRA_GRACE: Duration = Duration::from_secs(1);

/// Accepts sockets until `shutdown` resolves, then ends every connection within `shutdown_grace`. Serves the admin
/// interface until the end. Each notification of `reload_requested` reloads the configuration.
pub async fn serve(
    listener: TcpListener,
    admin: Option<AdminServer>,
    host: Host,
    shutdown: impl Future<Output = ()>,
    reload_requested: Arc<Notify>,
) {
    host.attach_runtime(&Handle::current());
    let server = Arc::new(Server::new(host));
    let capacity = Capacity::new(server.host.limits().max_connections);
    // Dropped at the end, because the admin API answers while the host stops.
    let mut admin_task = JoinSet::new();
    if let Some(admin) = admin {
        admin_task.spawn(admin.serve(Arc::clone(&server)));
    }
    let background_tasks = spawn_background_tasks(&server, reload_requested);
    tokio::select! {
        () = accept_sockets(&listener, &server, &capacity) => {}
        () = shutdown => {}
    }
    server.mark_stopping();
    drop((listener, background_tasks));
    stop(&server, &capacity).await;
}

/// The permits of sockets that are open, and of sockets that are being rejected.
struct Capacity {
    max_connections: usize,
    connections: Arc<Semaphore>,
    rejections: Arc<Semaphore>,
}

impl Capacity {
    fn new(max_connections: usize) -> Self {
        Self {
            max_connections,
            connections: Arc::new(Semaphore::new(max_connections)),
            rejections: Arc::new(Semaphore::new(MAX_CONCURRENT_REJECTIONS)),
        }
    }

    /// Waits until every connection has ended.
    async fn wait_until_unused(&self) {
        let all = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.connections.acquire_many(all).await;
    }
}

/// Accepts sockets for ever.
async fn accept_sockets(listener: &TcpListener, server: &Arc<Server>, capacity: &Capacity) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => dispatch_socket(stream, peer.ip(), server, capacity),
            Err(error) => handle_accept_error(&error).await,
        }
    }
}

/// Starts a task that serves or rejects a socket, or drops it if there is no capacity for either.
fn dispatch_socket(stream: TcpStream, address: IpAddr, server: &Arc<Server>, capacity: &Capacity) {
    // Checked first, so that sockets of one address cannot use up the capacity of all.
    let Some(slot) = HandshakeSlot::try_acquire(server, address) else {
        server.record_rejected_connection();
        return;
    };
    let socket = AcceptedSocket::new(Arc::clone(server), stream);
    if let Ok(permit) = Arc::clone(&capacity.connections).try_acquire_owned() {
        tokio::spawn(socket.serve(permit, slot));
    } else if let Ok(permit) = Arc::clone(&capacity.rejections).try_acquire_owned() {
        tokio::spawn(socket.reject_over_capacity(permit));
    } else {
        server.record_rejected_connection();
    }
}

/// Starts the tasks that watch components, certificates, keys, secrets and the configuration. They end with the set.
fn spawn_background_tasks(server: &Arc<Server>, reload_requested: Arc<Notify>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let reloader = &server.config_reloader;
    tasks.spawn(component_watch::run(Arc::clone(&server.host), Arc::clone(reloader)));
    tasks.spawn(Arc::clone(reloader).run());
    let reloader_of_signals = Arc::clone(reloader);
    tasks.spawn(async move {
        loop {
            reload_requested.notified().await;
            reloader_of_signals.request();
        }
    });
    if let HostMode::Dev { components, .. } = server.host.mode() {
        let (components, reloader) = (Arc::clone(components), Arc::clone(reloader));
        tasks.spawn(async move {
            loop {
                components.wait_for_component_change().await;
                reloader.request();
            }
        });
    }
    let read_at = server.host.read_at();
    tasks.spawn(watch_secrets(Arc::clone(&server.host)));
    tasks.spawn(watch_settings(Arc::clone(server)));
    if let Some(tls) = server.host.tls() {
        let (tls, host) = (Arc::clone(tls), Arc::clone(&server.host));
        tasks.spawn(poll_files(read_at, move || tls.files(), move || host.reload_certificates()));
    }
    if let Some(users) = server.host.authenticator() {
        let (users, host) = (Arc::clone(users), Arc::clone(&server.host));
        tasks.spawn(poll_files(read_at, move || users.files(), move || host.reload_user_keys()));
    }
    tasks
}

/// Ends the rollouts, the connections, the workers and the channel layers of a host, in this order.
async fn stop(server: &Server, capacity: &Capacity) {
    server.host.stop_rollouts();
    // Each room is saved as soon as its last visitor has left.
    server.host.tenants().all().values().for_each(|runtime| runtime.close_rooms());
    server.connections.stop_all();
    let deadline = Instant::now() + server.host.limits().shutdown_grace.duration();
    if timeout_at(deadline, capacity.wait_until_unused()).await.is_err() {
        let open = capacity.max_connections - capacity.connections.available_permits();
        tracing::warn!(open, "dropped connections that did not end within shutdown_grace");
    }
    if timeout_at(deadline.max(Instant::now() + SHUTDOWN_EXTRA_GRACE), server.host.wait_for_rooms())
        .await
        .is_err()
    {
        tracing::warn!(
            "rooms were not saved in time; what has happened since their last save is lost"
        );
    }
    // After the connections: the last messages of consumers may be for workers.
    server.host.stop_workers(deadline.max(Instant::now() + SHUTDOWN_EXTRA_GRACE)).await;
    if timeout(SHUTDOWN_EXTRA_GRACE, server.host.flush_layers()).await.is_err() {
        tracing::warn!("a channel layer did not send its last messages in time; they are lost");
    }
    // A guest that still waits must not be woken by a runtime that has ended.
    server.host.cancel_guest_waits();
}

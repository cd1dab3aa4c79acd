//! A host that serves connections in the memory of this process, for tests of plugins.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::accepted_socket::{accepted_connection, decide, run_consumer};
use crate::host::Host;
use crate::reload::tell_consumers;
use crate::server::Server;
use narrowboat_channels::ChannelLayer;
use narrowboat_core::name::{ChannelName, Tenant};
use narrowboat_core::plugin_settings::PluginSettings;
use narrowboat_deploy::rollout::{DeployOutcome, DeploySource};
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_runtime::{Build, GuestThreadPool};
use narrowboat_websocket::connection::{ClientStream, WrappedStream};
use narrowboat_websocket::handshake::{self, PeerInfo, ScopeOverrides};

/// The bytes that a client and the host may be ahead of each other.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;

/// The address of the host in the scope of each connection.
const SERVER_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// A host that serves connections in the memory of this process. It has the routes, limits, sessions and rollouts of a host
/// with sockets. It watches no files and has no admin API.
pub struct InMemoryServer {
    server: Arc<Server>,
    connections: Arc<Semaphore>,
}

impl InMemoryServer {
    /// Starts a host on the runtime of the caller. Its tasks end with that runtime.
    pub fn start(host: Host) -> Self {
        host.start_tenants(&Handle::current());
        let connections = Arc::new(Semaphore::new(host.limits().max_connections));
        Self { server: Arc::new(Server::new(host)), connections }
    }

    /// Accepts a connection, and returns the client's end of its stream. `None` if the host has no connection left.
    pub fn accept(&self, client_addr: SocketAddr, scope: ScopeOverrides) -> Option<DuplexStream> {
        let permit = Arc::clone(&self.connections).try_acquire_owned().ok()?;
        let (client, stream) = tokio::io::duplex(STREAM_BUFFER_BYTES);
        let server = Arc::clone(&self.server);
        tokio::spawn(serve_stream(server, stream, client_addr, scope, permit));
        Some(client)
    }

    /// The channel of the connection from an address; `None` if it is not open, and does not decide later.
    pub fn channel_of(&self, client_addr: SocketAddr) -> Option<ChannelName> {
        let mut connections = self.server.connections.connections().into_iter();
        let connection = connections.find(|open| open.scope.client == client_addr)?;
        Some(connection.handle.channel.clone())
    }

    /// Makes a version live, as an upload does. `None` if the host does not serve the plugin.
    pub fn deploy(&self, plugin: &str, build: Build) -> Option<oneshot::Receiver<DeployOutcome>> {
        let tenant = self.server.host.tenants().get(&Tenant::default_tenant())?;
        let source = DeploySource::Deploy { by: "test".to_owned(), force: true };
        Some(tenant.rollout(plugin)?.enqueue(Arc::new(build), source))
    }

    /// The channel layer of a plugin; `None` if the host does not serve the plugin.
    pub fn layer(&self, plugin: &str) -> Option<Arc<dyn ChannelLayer>> {
        let tenant = self.server.host.tenants().get(&Tenant::default_tenant())?;
        Some(Arc::clone(tenant.instance_registry(plugin)?.layer()))
    }

    /// The key-value store of the plugins.
    pub fn keyvalue(&self) -> &KeyvalueStore {
        self.server.host.keyvalue()
    }

    /// The settings of a plugin; `None` if the host does not serve the plugin.
    pub fn settings(&self, plugin: &str) -> Option<Arc<PluginSettings>> {
        let tenant = self.server.host.tenants().get(&Tenant::default_tenant())?;
        Some(Arc::clone(&tenant.instance_registry(plugin)?.plugin().settings))
    }

    /// Replaces the settings of a plugin, and tells its consumers if its manifest asks for that.
    pub async fn replace_settings(&self, plugin: &str, values: BTreeMap<String, String>) {
        let tenant = self.server.host.tenants().get(&Tenant::default_tenant());
        let registry = tenant.as_ref().and_then(|tenant| tenant.instance_registry(plugin));
        let Some(plugin) = registry.map(|registry| registry.plugin()) else { return };
        if plugin.settings.replace(values) {
            tell_consumers(&self.server, plugin).await;
        }
    }

    /// The threads on which guests run.
    pub fn guest_threads(&self) -> &GuestThreadPool {
        self.server.host.guest_threads()
    }
}

/// Performs the handshake of a stream, and serves the connection to its end.
async fn serve_stream(
    server: Arc<Server>,
    stream: DuplexStream,
    client_addr: SocketAddr,
    scope: ScopeOverrides,
    permit: OwnedSemaphorePermit,
) {
    let permit = Arc::new(permit);
    let decide = |request: handshake::HandshakeRequest| {
        decide(&server, request.with_scope_overrides(scope), None, Arc::clone(&permit))
    };
    let stream = ClientStream::Right(WrappedStream::Right(stream));
    let peer = PeerInfo { client_addr, server_addr: SERVER_ADDR, is_secure: false };
    let handshake = handshake::accept(stream, peer, server.handshake_limits, decide);
    let outcome = Box::pin(handshake).await;
    if let Some(connection) = accepted_connection(&server, outcome).await {
        run_consumer(&server, connection).await;
    }
}

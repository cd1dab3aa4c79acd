//! The state that the accept loop, the connections and the admin API share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::connection_registry::ConnectionRegistry;
use crate::drain::Drain;
use crate::handshake_failures::HandshakeFailureCounters;
use crate::host::Host;
use crate::reload::ConfigReloader;
use narrowboat_core::name::Tenant;
use narrowboat_quota::PerAddressLimit;
use narrowboat_websocket::connection::ConnectionTimeouts;
use narrowboat_websocket::handshake::HandshakeLimits;

/// The state that the accept loop, the connections and the admin API share.
pub(crate) struct Server {
    pub(crate) host: Arc<Host>,
    pub(crate) config_reloader: Arc<ConfigReloader>,
    pub(crate) connections: Arc<ConnectionRegistry>,
    pub(crate) timeouts: Arc<ConnectionTimeouts>,
    pub(crate) handshake_limits: HandshakeLimits,
    /// The unfinished handshakes of each client address.
    pub(crate) handshakes_per_address: PerAddressLimit,
    /// Set when the host stops: it accepts no more connections.
    is_stopping: AtomicBool,
    pub(crate) drain: Drain,
    pub(crate) started_at: Instant,
    /// The wall-clock time at which the host began to serve.
    start_time: SystemTime,
    /// Sockets that were rejected for lack of capacity, or because the host drains.
    rejected_connections: AtomicU64,
    pub(crate) handshake_failures: HandshakeFailureCounters,
}

impl Server {
    /// The server of a host that begins to serve now.
    pub(crate) fn new(host: Host) -> Self {
        let limits = host.limits();
        let timeouts = Arc::new(ConnectionTimeouts::from(limits));
        let handshake_limits = HandshakeLimits {
            timeout: limits.handshake_timeout.duration(),
            max_frame: limits.max_frame.bytes(),
        };
        let handshakes_per_address = match limits.handshakes_per_address {
            0 => PerAddressLimit::exempting_loopback(limits.handshakes_per_address()),
            limit => PerAddressLimit::new(limit),
        };
        let host = Arc::new(host);
        let connections = Arc::new(ConnectionRegistry::default());
        Self {
            config_reloader: Arc::new(ConfigReloader::new(
                Arc::clone(&host),
                Arc::clone(&connections),
            )),
            host,
            connections,
            timeouts,
            handshake_limits,
            handshakes_per_address,
            is_stopping: AtomicBool::new(false),
            drain: Drain::default(),
            started_at: Instant::now(),
            start_time: SystemTime::now(),
            rejected_connections: AtomicU64::new(0),
            handshake_failures: HandshakeFailureCounters::default(),
        }
    }

    /// Marks the host as stopping: it is not ready any more.
    pub(crate) fn mark_stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The reasons why the host is not ready: it stops, it drains, or it cannot reach a layer of the tenant `default`.
    /// Empty if the host is ready.
    pub(crate) fn unready_reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_stopping.load(Ordering::Relaxed) {
            reasons.push("stopping".to_owned());
        }
        if self.drain.is_draining() {
            reasons.push("draining".to_owned());
        }
        // A disconnected layer of another tenant must not take the host out of service for all tenants.
        if let Some(runtime) = self.host.tenants().get(&Tenant::default_tenant()) {
            let disconnected = runtime.layer_statuses().filter(|(_, status)| !status.is_connected);
            reasons.extend(disconnected.map(|(name, _)| format!("layer {name:?} is disconnected")));
        }
        reasons
    }

    /// The Unix time at which the host began to serve, in seconds.
    pub(crate) fn start_time_seconds(&self) -> f64 {
        self.start_time.duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
    }

    /// Counts a socket that was rejected for lack of capacity, or because the host drains.
    pub(crate) fn record_rejected_connection(&self) {
        self.rejected_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Sockets that were rejected for lack of capacity, or because the host drains.
    pub(crate) fn rejected_connections(&self) -> u64 {
        self.rejected_connections.load(Ordering::Relaxed)
    }
}

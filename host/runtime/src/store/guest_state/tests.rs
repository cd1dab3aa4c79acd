use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use crate::call::ConnectionId;
use crate::scheduling::ExecutionModeState;
use crate::store::{HostServices, InstanceLimits, LogLimiter, MemoryCounting};
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::{Config, OverflowPolicy};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::frame::Frame;
use narrowboat_core::header_list::HeaderList;
use narrowboat_core::manifest::{ExecutionMode, TrapPolicy};
use narrowboat_core::name::Tenant;
use narrowboat_core::scope::Scope;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::{QuotaChain, QuotaResource};
use narrowboat_schedule::WallClock;
use narrowboat_websocket::connection::{OutboundLimits, TrafficCounters};

fn version_context() -> VersionContext {
    let config = Config::parse("", Path::new("narrowboat.toml")).unwrap();
    let quota = Arc::new(QuotaChain::default());
    let (_, stopping) = watch::channel(false);
    let services = HostServices {
        keyvalue: Arc::new(KeyvalueStore::in_memory(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        settings: Arc::default(),
        clock: WallClock::default(),
        capabilities: Capabilities::default(),
        quota: Arc::clone(&quota),
        stopping,
    };
    let limits = InstanceLimits {
        memory: 1 << 20,
        memory_counting: MemoryCounting::Size { uncounted: 0 },
        call_time: Duration::from_secs(1),
        worker_time: Duration::from_secs(1),
        timers: 1,
        snapshot: 1 << 10,
        load_time: Duration::from_secs(1),
        wait_time: Duration::ZERO,
        max_message_bytes: 1 << 10,
        max_frame_bytes: 1 << 10,
    };
    VersionContext {
        plugin: Arc::from("plugin"),
        manifest_name: "plugin".to_owned(),
        description: String::new(),
        config_changed: false,
        rooms: None,
        on_trap: TrapPolicy::Close,
        hibernate_after: None,
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        services: Arc::new(services),
        limits,
        capabilities: Capabilities::default(),
        execution_mode: ExecutionModeState::new(ExecutionMode::Auto),
        usage: Arc::default(),
        core_instance_count: None,
        pool_slots: OnceLock::new(),
        handles_alarms: OnceLock::new(),
        log_limiter: LogLimiter::new(1),
        panic_limiter: LogLimiter::new(1),
        quota,
        was_denied: AtomicBool::new(false),
        has_warned_not_requested: AtomicBool::new(false),
        version: "0".to_owned(),
    }
}

fn scope() -> Scope {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    Scope {
        scheme: "ws",
        path: "/".to_owned(),
        raw_path: b"/".as_slice().into(),
        query_string: Box::default(),
        headers: HeaderList::default(),
        subprotocols: Vec::new(),
        client: address,
        server: address,
        url_route: Vec::new(),
        user: None,
        attributes: Vec::new(),
    }
}

/// Returns a state with one connection, a handle of the connection, and the connection.
async fn one_connection() -> (GuestState, Resource<WitConnection>, Arc<ConnectionHandle>) {
    let ctx = Arc::new(version_context());
    let mailbox = ctx.layer.new_channel(&ctx.tenant).await.unwrap();
    let limits =
        OutboundLimits { max_queued_bytes: 16, max_frame: 16, overflow: OverflowPolicy::Refuse };
    let traffic = Arc::new(TrafficCounters::default());
    let connection = Arc::new(ConnectionHandle::new(mailbox.channel().clone(), limits, traffic));
    let pool_slots = ctx.quota.reserve_unchecked(QuotaResource::Instances, 1);
    let mut state = GuestState::new(ctx, Role::Consumer, pool_slots, Arc::default());
    let id = state.connections.next_id();
    state.connections.insert(id, Arc::clone(&connection), Arc::new(scope()));
    let handle = state.connections.new_handle(id).unwrap();
    (state, handle, connection)
}

#[tokio::test]
async fn repeated_refusals_in_a_call_take_no_more_memory() {
    let (mut state, handle, connection) = one_connection().await;
    connection.push(Frame::Binary(Bytes::from_static(&[0; 16])));
    for _ in 0..1_000 {
        assert!(state.reserve_send(ConnectionId(handle.rep()), 1).is_err());
    }
    assert!(state.connections.was_send_refused(ConnectionId(handle.rep())));
    assert_eq!(state.connections.touched_count(), 1);
    drop(state.take_effects());
    assert!(!state.connections.was_send_refused(ConnectionId(handle.rep())));
}

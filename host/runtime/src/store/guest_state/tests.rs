use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::{Config, OverflowPolicy};
use narrowboat_core::frame::Frame;
use narrowboat_core::manifest::ExecutionMode;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaResource;
use narrowboat_websocket::connection::{OutboundLimits, TrafficCounters};

fn around() -> VersionContext {
    let config = Config::parse("", Path::new("narrowboat.toml")).unwrap();
    let allowance = Arc::new(QuotaChain::default());
    let (_, halted) = watch::channel(false);
    let beyond = HostServices {
        keyvalue: Arc::new(KeyvalueStore::open(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        capabilities: Capabilities::default(),
        quota: Arc::clone(&allowance),
        stopping: halted,
    };
    let limits = InstanceLimits {
        memory: 1 << 20,
        uncounted_memory: 0,
        call_time: Duration::from_secs(1),
        worker_time: Duration::from_secs(1),
        timers: 1,
        snapshot: 1 << 10,
        wait_time: Duration::ZERO,
        max_message_bytes: 1 << 10,
        max_frame_bytes: 1 << 10,
    };
    VersionContext {
        plugin: Arc::from("plugin"),
        manifest_name: "plugin".to_owned(),
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        services: Arc::new(beyond),
        limits,
        capabilities: Capabilities::default(),
        execution_mode: ExecutionModeState::new(ExecutionMode::Auto),
        usage: Arc::default(),
        core_instance_count: None,
        pool_slots: OnceLock::new(),
        log_limiter: LogLimiter::new(1),
        panic_limiter: LogLimiter::new(1),
        quota: allowance,
        was_denied: AtomicBool::new(false),
        version: "0".to_owned(),
    }
}

fn scope() -> Scope {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    Scope {
        scheme: "ws",
        path: "/".to_owned(),
        raw_path: Bytes::from_static(b"/"),
        query_string: Bytes::new(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        client: address,
        server: address,
        url_route: Vec::new(),
        user: None,
        attributes: Vec::new(),
    }
}

/// A state with one connection, and a handle of it.
async fn one_connection() -> (GuestState, Resource<WitConnection>, Arc<ConnectionHandle>) {
    let around = Arc::new(around());
    let mailbox = around.layer.new_channel(&around.tenant).await.unwrap();
    let limits =
        OutboundLimits { max_queued_bytes: 16, max_frame: 16, overflow: OverflowPolicy::Refuse };
    let traffic = Arc::new(TrafficCounters::default());
    let link = Arc::new(ConnectionHandle::new(mailbox.channel().clone(), limits, traffic));
    let places = around.quota.reserve_unchecked(QuotaResource::Instances, 1);
    let mut state = GuestState::new(around, Role::Consumer, places, Arc::default());
    let id = state.next_id();
    state.insert_connection(id, Arc::clone(&link), Arc::new(scope()));
    let handle = state.new_handle(id).unwrap();
    (state, handle, link)
}

#[tokio::test]
async fn a_call_that_is_refused_again_and_again_takes_no_more_memory() {
    let (mut state, handle, link) = one_connection().await;
    link.push(Frame::Binary(Bytes::from_static(&[0; 16])));
    for _ in 0..1_000 {
        assert!(state.reserve_send(&handle, 1).is_err());
    }
    assert!(state.was_send_refused(ConnectionId(handle.rep())));
    assert_eq!(state.touched_ids.len(), 1);
    drop(state.take_effects());
    assert!(!state.was_send_refused(ConnectionId(handle.rep())));
}

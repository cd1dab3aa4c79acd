use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::watch;

use super::*;
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::{Config, Overflow};
use narrowboat_core::frame::Frame;
use narrowboat_core::manifest::Lane;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::Keyvalue;
use narrowboat_quota::Room;
use narrowboat_websocket::connection::{OutboundLimits, Traffic};

fn around() -> Surroundings {
    let config = Config::parse("", Path::new("narrowboat.toml")).unwrap();
    let allowance = Arc::new(Allowance::default());
    let (_, halted) = watch::channel(false);
    let beyond = Beyond {
        keyvalue: Arc::new(Keyvalue::open(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        asks: Capabilities::default(),
        allowance: Arc::clone(&allowance),
        halted,
    };
    let limits = InstanceLimits {
        memory: 1 << 20,
        free_memory: 0,
        call_time: Duration::from_secs(1),
        worker_time: Duration::from_secs(1),
        timers: 1,
        snapshot: 1 << 10,
        wait_time: Duration::ZERO,
        max_message: 1 << 10,
        max_frame: 1 << 10,
    };
    Surroundings {
        plugin: Arc::from("plugin"),
        own_name: "plugin".to_owned(),
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        beyond: Arc::new(beyond),
        limits,
        asks: Capabilities::default(),
        lane: LaneState::new(Lane::Auto),
        usage: Arc::default(),
        parts: None,
        places: OnceLock::new(),
        words: Words::new(1),
        panics: Words::new(1),
        allowance,
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
async fn one_connection() -> (GuestState, Resource<ConnectionHandle>, Arc<Link>) {
    let around = Arc::new(around());
    let mailbox = around.layer.new_channel(&around.tenant).await.unwrap();
    let limits = OutboundLimits { bytes: 16, max_frame: 16, overflow: Overflow::Refuse };
    let traffic = Arc::new(Traffic::default());
    let link = Arc::new(Link::new(mailbox.channel().clone(), limits, traffic));
    let places = around.allowance.take_anyway(Room::Instances, 1);
    let mut state = GuestState::new(around, Role::Consumer, places, Arc::default());
    let id = state.next_id();
    state.admit(id, Arc::clone(&link), Arc::new(scope()));
    let handle = state.handle(id).unwrap();
    (state, handle, link)
}

#[tokio::test]
async fn a_call_that_is_refused_again_and_again_takes_no_more_memory() {
    let (mut state, handle, link) = one_connection().await;
    link.push(Frame::Binary(Bytes::from_static(&[0; 16])));
    for _ in 0..1_000 {
        assert!(state.reserve(&handle, 1).is_err());
    }
    assert!(state.was_refused(ConnectionId(handle.rep())));
    assert_eq!(state.touched.len(), 1);
    drop(state.settle());
    assert!(!state.was_refused(ConnectionId(handle.rep())));
}

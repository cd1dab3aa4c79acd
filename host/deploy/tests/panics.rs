//! The effect of a panic of the host on the plugin's other connections. The guest is `tests/guests/visitors`; its channel
//! layer panics on request.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test it is the assertion")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use narrowboat_channels::{
    ChannelLayer, Delivery, LayerError, LayerLimits, LayerQueue, Mailbox, MaybeReady, MemoryLayer,
    QueueLoad, Recipient,
};
use narrowboat_config::{Config, FailedMovePolicy, Limits, OverflowPolicy};
use narrowboat_core::header_list::HeaderList;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use narrowboat_core::scope::Scope;
use narrowboat_deploy::packaging;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::{ComponentCompiler, Engine, GuestThreadPool, Loader};
use narrowboat_session::{
    AcceptedConsumer, ConnectOutcome, InstanceRegistry, Permits, connect_consumer,
};
use narrowboat_websocket::connection::{ConnectionHandle, OutboundLimits};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

const DEADLINE: Duration = Duration::from_secs(20);

/// A memory layer that panics when a group is joined while it is armed.
struct Panicking {
    layer: MemoryLayer,
    armed: AtomicBool,
}

type Done<'a> = MaybeReady<'a, Result<(), LayerError>>;

impl ChannelLayer for Panicking {
    fn queue(&self) -> &dyn LayerQueue {
        self.layer.queue()
    }

    fn start(&self, runtime: &Handle) {
        self.layer.start(runtime);
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        self.layer.new_channel(tenant)
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        self.layer.open_channel(tenant, channel)
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.layer.check_send(tenant, channel, pending, len)
    }

    fn fan_out(&self, tenant: &Tenant, group: &GroupName) -> usize {
        self.layer.fan_out(tenant, group)
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> Done<'a> {
        self.layer.send(tenant, channel, message)
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Done<'a> {
        assert!(!self.armed.load(Ordering::SeqCst), "the layer is armed");
        self.layer.group_add(tenant, group, channel)
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Done<'a> {
        self.layer.group_discard(tenant, group, channel)
    }

    fn deliver_to_group<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        delivery: Delivery,
    ) -> Done<'a> {
        self.layer.deliver_to_group(tenant, group, delivery)
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        self.layer.receiver_count(tenant, to)
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> Done<'a> {
        self.layer.flush(tenant)
    }

    fn try_acquire_lease<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        self.layer.try_acquire_lease(tenant, name, period)
    }
}

/// A plugin whose connections share an instance.
struct Served {
    registry: Arc<InstanceRegistry>,
    layer: Arc<Panicking>,
    slots: Arc<Semaphore>,
}

impl Served {
    fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/visitors");
        let built = packaging::build(&folder, None).unwrap();
        let text = "[plugins.visitors]\ncomponent = \"visitors.wasm\"\ngrants = \"all\"\n";
        let config = Config::parse(text, Path::new("narrowboat.toml")).unwrap();
        let tenant = Tenant::default_tenant();
        let plugin = &config.tenants[&tenant].plugins["visitors"];
        let layer = MemoryLayer::new(LayerLimits::default());
        let layer = Arc::new(Panicking { layer, armed: AtomicBool::new(false) });
        let limits = Limits::default();
        let loader = Loader {
            runtimes: Arc::default(),
            engine: Engine::new(4, limits.memory.bytes(), None, ComponentCompiler::InProcess)
                .unwrap(),
            tenant,
            layer: Arc::clone(&layer) as Arc<dyn ChannelLayer>,
            keyvalue: Arc::new(KeyvalueStore::in_memory(&config.keyvalue)),
            egress: Arc::new(Egress::new(config.requests)),
            settings: Arc::default(),
            clock: Default::default(),
            max_message_bytes: limits.max_message.bytes(),
            max_frame_bytes: limits.max_frame.bytes(),
            thread_pool: GuestThreadPool::new(2),
            limits,
            quota: Arc::new(QuotaChain::default()),
            signers: None,
            default_failed_move: FailedMovePolicy::default(),
        };
        let build = loader.read_build("visitors", &built.file).unwrap();
        let loaded = loader.load("visitors", plugin, &built.file, &build).unwrap();
        let shared = Arc::clone(&layer) as Arc<dyn ChannelLayer>;
        let registry = Arc::new(InstanceRegistry::new(Arc::new(loaded), shared, Arc::default()));
        Self { registry, layer, slots: Arc::new(Semaphore::new(100)) }
    }

    /// Connects a client. Returns its consumer and the handle to its connection.
    async fn join(&self) -> (Box<AcceptedConsumer>, Arc<ConnectionHandle>) {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mailbox = self.layer.new_channel(&Tenant::default_tenant()).await.unwrap();
        let limits = OutboundLimits {
            max_queued_bytes: 1 << 20,
            max_frame: 1 << 20,
            overflow: OverflowPolicy::Close,
        };
        let traffic = Arc::clone(self.registry.traffic());
        let connection =
            Arc::new(ConnectionHandle::new(mailbox.channel().clone(), limits, traffic));
        let scope = Scope {
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
        };
        let permits = Permits {
            host: Arc::new(Arc::clone(&self.slots).acquire_owned().await.unwrap()),
            plugin: self.registry.plugin().quota.try_admit_connection(address.ip()).unwrap(),
        };
        let joining = connect_consumer(
            &self.registry,
            mailbox,
            Arc::clone(&connection),
            scope,
            permits,
            |_| (),
        );
        match tokio::time::timeout(DEADLINE, joining).await.unwrap() {
            ConnectOutcome::Accepted(_, joined) => (joined, connection),
            ConnectOutcome::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }

    /// Connects a client on a task that the panic of the layer ends.
    async fn panic(self: &Arc<Self>) {
        let other = Arc::clone(self);
        self.layer.armed.store(true, Ordering::SeqCst);
        let ended = tokio::spawn(async move { drop(other.join().await) }).await;
        self.layer.armed.store(false, Ordering::SeqCst);
        assert!(ended.unwrap_err().is_panic());
    }
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "{what} did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_host_ends_the_shared_instance_and_the_next_connection_starts_a_new_one() {
    let served = Arc::new(tokio::task::spawn_blocking(Served::load).await.unwrap());
    let (first, connection) = served.join().await;
    let (second, other) = served.join().await;
    served.panic().await;
    // No event is needed: the connections close by themselves.
    for connection in [&connection, &other] {
        eventually("the end of a connection", || connection.outbound.is_closing()).await;
        let closing = format!("{:?}", connection.outbound);
        assert!(closing.contains("1011"), "{closing}");
    }
    let (third, connection) = served.join().await;
    assert!(!connection.outbound.is_closing());
    for joined in [first, second, third] {
        joined.disconnect_abnormally().await;
    }
    eventually("the release of all slots", || served.slots.available_permits() == 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_consumer_closes_its_connection_and_releases_its_slots() {
    let served = Arc::new(tokio::task::spawn_blocking(Served::load).await.unwrap());
    for _ in 0..100 {
        let (joined, connection) = served.join().await;
        drop(joined);
        assert!(connection.outbound.is_closing());
    }
    eventually("the release of all slots", || served.slots.available_permits() == 100).await;
}

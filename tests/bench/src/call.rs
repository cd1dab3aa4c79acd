//! Measures guest calls without sockets: a call with one frame in and one out, and the creation of an instance.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::{Config, FailedMovePolicy, OverflowPolicy};
use narrowboat_core::frame::Frame;
use narrowboat_core::header_list::HeaderList;
use narrowboat_core::name::{ChannelName, ProcessId, Tenant};
use narrowboat_core::scope::Scope;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_runtime::{
    Call, CodeCache, ComponentCompiler, ConnectionId, Engine, GuestReply, GuestThreadPool,
    Instance, Loader, Plugin,
};
use narrowboat_websocket::connection::{ConnectionHandle, OutboundLimits};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::source_plugins::runtime_images::language_runtimes;

/// The calls of one round, which are timed together.
const CALLS_PER_ROUND: u32 = 10_000;

/// The instances of one round, which are timed together. Each is dropped before the next is created.
const INSTANCES_PER_ROUND: u32 = 500;

/// The size of the instance pool.
const POOL_SIZE: usize = 16;

/// The arguments of the role that measures guest calls.
#[derive(Args)]
pub(crate) struct CallArgs {
    /// The component or source bundle, which echoes frames
    #[arg(long)]
    component: PathBuf,
    /// The folder of compiled code
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Length of each text in bytes
    #[arg(long)]
    payload: usize,
    /// Number of rounds
    #[arg(long)]
    rounds: usize,
}

/// The processor times of the rounds, in microseconds.
#[derive(Serialize, Deserialize)]
pub(crate) struct CallTimes {
    /// The time of a call with its frame and reply.
    pub(crate) call: Vec<f64>,
    /// The time to create and drop an instance.
    pub(crate) instance: Vec<f64>,
    /// The time to create an instance and to accept a connection in it.
    pub(crate) first_connect: Vec<f64>,
}

/// Times guest calls and instances in this process.
pub(crate) fn run(arguments: &CallArgs) -> anyhow::Result<CallTimes> {
    let plugin = load_plugin(&arguments.component, arguments.cache.as_deref())?;
    let mut times = CallTimes { call: Vec::new(), instance: Vec::new(), first_connect: Vec::new() };
    for _ in 0..arguments.rounds {
        times.call.push(time_calls(&plugin, arguments.payload)?);
        times.instance.push(time_instances(&plugin)?);
        times.first_connect.push(time_first_connects(&plugin)?);
    }
    Ok(times)
}

/// Loads the plugin as the host does.
fn load_plugin(file: &Path, cache: Option<&Path>) -> anyhow::Result<Plugin> {
    let mut text = format!(
        "[plugins.echo]\ncomponent = {:?}\n[[routes]]\npath = \"/\"\nplugin = \"echo\"\n",
        std::path::absolute(file)?.display().to_string()
    );
    if let Some(folder) = cache {
        text += &format!(
            "[cache]\nfolder = {:?}\n",
            std::path::absolute(folder)?.display().to_string()
        );
    }
    let config = Config::parse(&text, Path::new("narrowboat.toml"))?;
    let limits = config.limits.clone();
    let cache = cache.and(config.cache.as_ref()).map(CodeCache::open);
    let loader = Loader {
        engine: Engine::new(POOL_SIZE, limits.memory.bytes(), cache, ComponentCompiler::InProcess)?,
        runtimes: Arc::new(language_runtimes()),
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        keyvalue: Arc::new(KeyvalueStore::in_memory(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        settings: Arc::default(),
        clock: Default::default(),
        max_message_bytes: limits.max_message.bytes(),
        max_frame_bytes: limits.max_message.bytes(),
        thread_pool: GuestThreadPool::new(0),
        limits,
        quota: Arc::default(),
        signers: None,
        default_failed_move: FailedMovePolicy::default(),
    };
    let tenant = config.tenants.get(&Tenant::default_tenant());
    let config = tenant
        .and_then(|own| own.plugins.get("echo"))
        .context("the plugin of the configuration")?;
    Ok(loader.load("echo", config, file, &loader.read_build("echo", file)?)?)
}

fn create_instance(plugin: &Plugin) -> anyhow::Result<Instance> {
    let version = plugin.live_version();
    let places = version.reserve_pool_slots()?;
    Ok(Instance::new(version, places)?)
}

fn time_calls(plugin: &Plugin, payload: usize) -> anyhow::Result<f64> {
    let mut instance = create_instance(plugin)?;
    let id = connect(&mut instance)?;
    let frame = Frame::Text("x".repeat(payload).into());
    let began = thread_time();
    for _ in 0..CALLS_PER_ROUND {
        instance.call(&mut Call::Receive(id, frame.clone()))?;
        ensure!(instance.take_effects().len() == 1, "expected exactly one reply");
    }
    Ok(micros(thread_time() - began, CALLS_PER_ROUND))
}

fn time_instances(plugin: &Plugin) -> anyhow::Result<f64> {
    let began = thread_time();
    for _ in 0..INSTANCES_PER_ROUND {
        drop(create_instance(plugin)?);
    }
    Ok(micros(thread_time() - began, INSTANCES_PER_ROUND))
}

fn time_first_connects(plugin: &Plugin) -> anyhow::Result<f64> {
    let began = thread_time();
    for _ in 0..INSTANCES_PER_ROUND {
        connect(&mut create_instance(plugin)?)?;
    }
    Ok(micros(thread_time() - began, INSTANCES_PER_ROUND))
}

fn connect(instance: &mut Instance) -> anyhow::Result<ConnectionId> {
    let connection = create_connection_handle();
    let mut call = Call::Connect { connection, scope: Arc::new(empty_scope()) };
    let GuestReply::Accepted(id, _) = instance.call(&mut call)? else {
        bail!("the plugin did not accept the connection")
    };
    instance.take_effects();
    Ok(id)
}

/// The processor time of this thread. Other processes do not change it, as they do with the time of the clock.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros(elapsed: Duration, count: u32) -> f64 {
    elapsed.as_secs_f64() * 1e6 / f64::from(count)
}

fn create_connection_handle() -> Arc<ConnectionHandle> {
    let channel = ChannelName::unique(&ProcessId::random());
    let limits = OutboundLimits {
        max_queued_bytes: 1 << 20,
        max_frame: 1 << 20,
        overflow: OverflowPolicy::Close,
    };
    Arc::new(ConnectionHandle::new(channel, limits, Arc::default()))
}

fn empty_scope() -> Scope {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
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

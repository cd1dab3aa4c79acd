//! A guest call without a socket: a frame in and a frame out, and a new instance.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::{Config, Overflow};
use narrowboat_core::frame::Frame;
use narrowboat_core::name::{ChannelName, ProcessId, Tenant};
use narrowboat_core::scope::Scope;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::Keyvalue;
use narrowboat_runtime::{Call, Engine, GuestThreads, Instance, Loader, Plugin, Returned};
use narrowboat_websocket::connection::{Link, OutboundLimits};
use serde::{Deserialize, Serialize};

/// Calls that are timed together.
const CALLS: u32 = 10_000;

/// Instances that are timed together; each is dropped before the next is made.
const INSTANCES: u32 = 500;

/// Instances that there may be.
const POOL: usize = 16;

/// What to call.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A component that echoes
    #[arg(long)]
    component: PathBuf,
    /// Length of a text in bytes
    #[arg(long)]
    payload: usize,
    /// How often each is timed
    #[arg(long)]
    rounds: usize,
}

/// Times in microseconds, one a round.
#[derive(Serialize, Deserialize)]
pub(crate) struct Times {
    /// Of a call, its frame and its answer.
    pub(crate) call: Vec<f64>,
    /// Of making an instance and dropping it.
    pub(crate) instance: Vec<f64>,
}

/// Times calls and instances in this process.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Times> {
    let plugin = plugin(&arguments.component)?;
    let mut times = Times { call: Vec::new(), instance: Vec::new() };
    for _ in 0..arguments.rounds {
        times.call.push(calls(&plugin, arguments.payload)?);
        times.instance.push(instances(&plugin)?);
    }
    Ok(times)
}

/// The plugin as the host would have it.
fn plugin(file: &Path) -> anyhow::Result<Plugin> {
    let text = format!(
        "[plugins.echo]\ncomponent = {:?}\n[[routes]]\npath = \"/\"\nplugin = \"echo\"\n",
        std::path::absolute(file)?.display().to_string()
    );
    let config = Config::parse(&text, Path::new("narrowboat.toml"))?;
    let limits = config.limits.clone();
    let loader = Loader {
        engine: Engine::new(POOL, limits.memory.bytes(), None)?,
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        keyvalue: Arc::new(Keyvalue::open(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        max_message: limits.max_message.bytes(),
        max_frame: limits.max_message.bytes(),
        threads: GuestThreads::new(0),
        limits,
        allowance: Arc::default(),
        signers: None,
    };
    let tenant = config.tenants.get(&Tenant::default_tenant());
    let config = tenant
        .and_then(|own| own.plugins.get("echo"))
        .context("the plugin of the configuration")?;
    Ok(loader.load("echo", config, file, &loader.read("echo", file)?)?)
}

fn start(plugin: &Plugin) -> anyhow::Result<Instance> {
    let version = plugin.live();
    let places = version.take_places()?;
    Ok(Instance::new(version, places)?)
}

fn calls(plugin: &Plugin, payload: usize) -> anyhow::Result<f64> {
    let mut instance = start(plugin)?;
    let link = link();
    let call = Call::Connect { link: Arc::clone(&link), scope: Arc::new(scope()) };
    let Returned::Accepted(id, _) = instance.call(&call)? else { bail!("it accepts nobody") };
    instance.take_effects();
    let frame = Frame::Text("x".repeat(payload).into());
    let began = Instant::now();
    for _ in 0..CALLS {
        instance.call(&Call::Receive(id, frame.clone()))?;
        ensure!(instance.take_effects().len() == 1, "no answer, or more than one");
    }
    Ok(micros(began.elapsed(), CALLS))
}

fn instances(plugin: &Plugin) -> anyhow::Result<f64> {
    let began = Instant::now();
    for _ in 0..INSTANCES {
        drop(start(plugin)?);
    }
    Ok(micros(began.elapsed(), INSTANCES))
}

fn micros(elapsed: Duration, count: u32) -> f64 {
    elapsed.as_secs_f64() * 1e6 / f64::from(count)
}

fn link() -> Arc<Link> {
    let channel = ChannelName::unique(&ProcessId::random());
    let limits = OutboundLimits { bytes: 1 << 20, max_frame: 1 << 20, overflow: Overflow::Close };
    Arc::new(Link::new(channel, limits, Arc::default()))
}

fn scope() -> Scope {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Scope {
        scheme: "ws",
        path: "/".to_owned(),
        raw_path: Vec::from("/").into(),
        query_string: Vec::new().into(),
        headers: Vec::new(),
        subprotocols: Vec::new(),
        client: address,
        server: address,
        url_route: Vec::new(),
        user: None,
        attributes: Vec::new(),
    }
}

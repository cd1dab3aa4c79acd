//! Versions with the same bytes share one compiled component, and each tenant is still checked on its own.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;

use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::signature::{MissingSignature, PrivateKey, TrustedKeys};
use narrowboat_config::{Config, FailedMovePolicy, Limits, PluginConfig};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::packaging;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::{
    Build, Candidate, ComponentCompiler, Engine, GuestThreadPool, LoadCancellation, LoadError,
    Loader,
};
use tempfile::TempDir;

const FILE: &str = "echo.wasm";

fn engine() -> Engine {
    let memory = Limits::default().memory.bytes();
    Engine::new(4, memory, None, ComponentCompiler::InProcess).unwrap()
}

/// The bytes of the echo plugin.
fn echo() -> Vec<u8> {
    static ECHO: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/echo");
        std::fs::read(packaging::build(&folder, None).unwrap().file).unwrap()
    });
    ECHO.clone()
}

/// The same plugin with an empty custom section behind it, so that its bytes differ.
fn other_echo() -> Vec<u8> {
    [echo(), vec![0, 2, 1, b'x']].concat()
}

fn unsigned(bytes: Vec<u8>) -> Build {
    Build::new(bytes, Err(MissingSignature::FileNotFound(PathBuf::from("echo.wasm.sig"))))
}

/// The configuration of a host with the plugin `echo`. `keys` are keys of its table and further tables.
fn configuration(folder: &Path, keys: &str) -> Config {
    let text = format!("[plugins.echo]\ncomponent = {FILE:?}\ngrants = \"all\"\n{keys}\n");
    Config::parse(&text, &folder.join("narrowboat.toml")).unwrap()
}

/// A tenant whose plugin `echo` is loaded on an engine that other tenants share.
struct PluginOwner {
    loader: Loader,
    plugin: Box<PluginConfig>,
}

impl PluginOwner {
    fn new(tenant: &str, engine: &Engine) -> Self {
        Self::with_config(tenant, engine, &configuration(Path::new(""), ""))
    }

    fn with_config(tenant: &str, engine: &Engine, config: &Config) -> Self {
        let limits = Limits::default();
        let signers = config.signatures.clone().map(|keys| TrustedKeys::load(keys).unwrap());
        let loader = Loader {
            runtimes: Arc::default(),
            engine: engine.clone(),
            tenant: tenant.parse().unwrap(),
            layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
            keyvalue: Arc::new(KeyvalueStore::in_memory(&config.keyvalue)),
            egress: Arc::new(Egress::new(config.requests)),
            settings: Arc::default(),
            clock: Default::default(),
            max_message_bytes: limits.max_message.bytes(),
            max_frame_bytes: limits.max_frame.bytes(),
            thread_pool: GuestThreadPool::new(2),
            limits,
            quota: Arc::new(QuotaChain::default()),
            signers: signers.map(Arc::new),
            default_failed_move: FailedMovePolicy::default(),
        };
        let plugin = config.tenants[&Tenant::default_tenant()].plugins["echo"].clone();
        Self { loader, plugin }
    }

    fn load(&self, bytes: Vec<u8>) -> Result<Candidate, LoadError> {
        self.load_unless(bytes, &LoadCancellation::default())
    }

    fn load_unless(
        &self,
        bytes: Vec<u8>,
        cancellation: &LoadCancellation,
    ) -> Result<Candidate, LoadError> {
        let build = unsigned(bytes);
        self.loader.compile_version("echo", &self.plugin, Path::new(FILE), &build, cancellation)
    }
}

#[test]
fn tenants_with_the_same_bytes_share_one_component() {
    let engine = engine();
    let (acme, bolt) = (PluginOwner::new("acme", &engine), PluginOwner::new("bolt", &engine));
    let versions = [acme.load(echo()).unwrap(), bolt.load(echo()).unwrap()];
    assert_eq!(engine.component_count(), 1);
    for Candidate { version, .. } in versions {
        Arc::clone(&version).try_start().unwrap();
    }
}

#[test]
fn other_bytes_are_another_component() {
    let engine = engine();
    let (acme, bolt) = (PluginOwner::new("acme", &engine), PluginOwner::new("bolt", &engine));
    let _versions = [acme.load(echo()).unwrap(), bolt.load(other_echo()).unwrap()];
    assert_eq!(engine.component_count(), 2);
}

#[test]
fn a_component_ends_with_its_last_version() {
    let engine = engine();
    let (acme, bolt) = (PluginOwner::new("acme", &engine), PluginOwner::new("bolt", &engine));
    let (first, second) = (acme.load(echo()).unwrap(), bolt.load(echo()).unwrap());
    drop(first);
    assert_eq!(engine.component_count(), 1);
    drop(second);
    assert_eq!(engine.component_count(), 0);
}

#[test]
fn a_pin_refuses_bytes_whose_component_another_tenant_has() {
    let engine = engine();
    let acme = PluginOwner::new("acme", &engine);
    let _version = acme.load(echo()).unwrap();
    let pinned = configuration(Path::new(""), &format!("sha256 = [\"{}\"]", "0".repeat(64)));
    let bolt = PluginOwner::with_config("bolt", &engine, &pinned);
    assert!(matches!(bolt.load(echo()), Err(LoadError::Config(_))));
}

#[test]
fn a_signature_is_required_of_bytes_whose_component_another_tenant_has() {
    let engine = engine();
    let acme = PluginOwner::new("acme", &engine);
    let _version = acme.load(echo()).unwrap();
    let folder = TempDir::new().unwrap();
    PrivateKey::generate().write_pair(&folder.path().join("key")).unwrap();
    let signed = configuration(folder.path(), "[signatures]\nkeys = [\"key.pub\"]");
    let bolt = PluginOwner::with_config("bolt", &engine, &signed);
    assert!(matches!(bolt.load(echo()), Err(LoadError::Signature { .. })));
}

#[test]
fn a_cancelled_load_does_not_fail_the_load_of_another_tenant() {
    let engine = engine();
    let (acme, bolt) = (PluginOwner::new("acme", &engine), PluginOwner::new("bolt", &engine));
    let cancellation = LoadCancellation::default();
    let start = Barrier::new(3);
    thread::scope(|scope| {
        let cancelled = scope.spawn(|| {
            start.wait();
            acme.load_unless(echo(), &cancellation)
        });
        let kept = scope.spawn(|| {
            start.wait();
            bolt.load(echo())
        });
        start.wait();
        drop(cancellation.cancel_on_drop());
        // It may have ended before it was cancelled.
        drop(cancelled.join().unwrap());
        let _version = kept.join().unwrap().unwrap();
        assert_eq!(engine.component_count(), 1);
    });
}

#[test]
fn loads_at_the_same_time_share_one_component() {
    let engine = engine();
    let owners = ["acme", "bolt", "cask", "dory"].map(|name| PluginOwner::new(name, &engine));
    let start = Barrier::new(owners.len());
    let (owners, start) = (&owners, &start);
    thread::scope(|scope| {
        let loads = owners.each_ref().map(|owner| {
            scope.spawn(move || {
                start.wait();
                owner.load(echo())
            })
        });
        let _versions = loads.map(|load| load.join().unwrap().unwrap());
        assert_eq!(engine.component_count(), 1);
    });
}

//! Checks the source of a plugin without a host, for `narrowboat plugin build`.

use std::path::Path;
use std::sync::Arc;

use crate::host_engine::HostEngine;
use crate::host_error::HostError;
use narrowboat_channels::{LayerLimits, MemoryLayer};
use narrowboat_config::signature::MissingSignature;
use narrowboat_config::{Config, FailedMovePolicy, Limits};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::packaging::PackedSource;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::{
    Build, CodeCache, ComponentCompiler, Engine, GuestThreadPool, LanguageRuntimes, LoadError,
    Loader, RuntimeError,
};
use narrowboat_schedule::WallClock;

/// The result of the check of a source that has no errors that the check could find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceCheck {
    /// A host would load the source.
    Passed,
    /// The source could not be checked here, for this reason.
    NotChecked(String),
}

/// Compiles and loads a source as a host does, in instances that are dropped and have no effects. The limits are those of
/// a host without configuration, and everything that the manifest requests is granted. Takes seconds if the cache of
/// compiled code does not have the runtime yet.
///
/// # Errors
/// The problems in the source of the plugin in `folder`.
pub fn check_source(
    folder: &Path,
    source: &PackedSource,
    runtimes: LanguageRuntimes,
) -> Result<SourceCheck, HostError> {
    let name = &source.manifest.name;
    let text = format!("[plugins.{name:?}]\nsource = \".\"\ngrants = \"all\"\n");
    let config = Config::parse(&text, Path::new("narrowboat.toml"))?;
    let tenant = Tenant::default_tenant();
    let Some(plugin) = config.tenants.get(&tenant).and_then(|it| it.plugins.get(name)) else {
        return Ok(SourceCheck::NotChecked("its name names no plugin".to_owned()));
    };
    let cache = config.cache.as_ref().map(CodeCache::open);
    let engine =
        match Engine::new(1, config.limits.memory.bytes(), cache, ComponentCompiler::InProcess) {
            Ok(engine) => HostEngine { engine, runtimes: Arc::new(runtimes) },
            Err(error) => return Ok(SourceCheck::NotChecked(error.to_string())),
        };
    let loader = loader_without_host(&config, config.limits.clone(), engine, WallClock::default());
    let build = Build::new(source.bytes.clone(), Err(MissingSignature::NotInStore));
    match loader.load(name, plugin, folder, &build) {
        Ok(_) => Ok(SourceCheck::Passed),
        Err(error) if is_of_this_machine(&error) => Ok(SourceCheck::NotChecked(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The loader of a plugin that no host serves: its layer and its keys are in memory, and no other plugin reaches them. Its
/// wall clock is `clock`.
pub fn loader_without_host(
    config: &Config,
    limits: Limits,
    engine: HostEngine,
    clock: WallClock,
) -> Loader {
    let HostEngine { engine, runtimes } = engine;
    Loader {
        engine,
        runtimes,
        tenant: Tenant::default_tenant(),
        layer: Arc::new(MemoryLayer::new(LayerLimits::default())),
        keyvalue: Arc::new(KeyvalueStore::in_memory(&config.keyvalue)),
        egress: Arc::new(Egress::new(config.requests)),
        settings: Arc::default(),
        clock,
        max_message_bytes: limits.max_message.bytes(),
        max_frame_bytes: limits.max_frame.bytes(),
        thread_pool: GuestThreadPool::new(1),
        limits,
        default_failed_move: FailedMovePolicy::default(),
        quota: Arc::new(QuotaChain::default()),
        signers: None,
    }
}

/// Whether another host may load the source: one with a runtime, or with other limits.
fn is_of_this_machine(error: &LoadError) -> bool {
    match error {
        LoadError::Source { source, .. } => !matches!(source, RuntimeError::Source(_)),
        _ => false,
    }
}

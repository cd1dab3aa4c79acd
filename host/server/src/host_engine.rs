//! The engine of a host and the runtimes of source plugins.

use std::sync::Arc;

use crate::host_error::HostError;
use narrowboat_config::Config;
use narrowboat_runtime::{CodeCache, ComponentCompiler, Engine, LanguageRuntimes};

/// The engine of a host and the runtimes of source plugins. Hosts that share it share compiled runtimes.
#[derive(Clone)]
pub struct HostEngine {
    /// The engine.
    pub engine: Engine,
    /// The runtimes of source plugins.
    pub runtimes: Arc<LanguageRuntimes>,
}

impl HostEngine {
    /// Creates an engine for the instances that a configuration needs. `compiler` compiles the components of plugins.
    ///
    /// # Errors
    /// If the system refuses the memory or a thread.
    pub fn new(
        config: &Config,
        runtimes: LanguageRuntimes,
        compiler: ComponentCompiler,
    ) -> Result<Self, HostError> {
        let cache = config.cache.as_ref().map(CodeCache::open);
        let workers = config.tenants.values().flat_map(|tenant| &tenant.workers);
        let worker_instances = workers.map(|worker| worker.instances).sum::<usize>();
        let instances = config.limits.max_connections.saturating_add(worker_instances);
        let engine = Engine::new(instances, config.limits.memory.bytes(), cache, compiler)?;
        Ok(Self { engine, runtimes: Arc::new(runtimes) })
    }
}

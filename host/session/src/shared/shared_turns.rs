//! The turns of the members of a shared instance, for tasks that call the instance.

use std::pin::Pin;
use std::sync::Arc;

use super::shared_instance::SharedInstance;
use crate::instance_registry::InstanceRegistry;

/// Takes the turns of the members of a shared instance. Each task that calls the instance has to do that after its calls,
/// since a turn that was queued during a call is left to the caller.
pub(crate) struct SharedTurns {
    registry: Arc<InstanceRegistry>,
    instance: SharedInstance,
}

impl SharedTurns {
    pub(crate) fn new(registry: &Arc<InstanceRegistry>, instance: &SharedInstance) -> Self {
        Self { registry: Arc::clone(registry), instance: instance.clone() }
    }

    /// Takes the turns, or lets the owner take them.
    pub(crate) fn drain(&self) {
        self.instance.drain_turns(&self.registry.effect_applier());
    }

    /// Runs a future, and takes the turns at the end of each of its polls. The future stays where it is, since a second
    /// place for it would be memory of each connection.
    pub(crate) async fn drain_after_polls<F: Future>(
        turns: Option<Self>,
        mut future: Pin<&mut F>,
    ) -> F::Output {
        std::future::poll_fn(|cx| {
            let result = future.as_mut().poll(cx);
            if let Some(turns) = &turns {
                turns.drain();
            }
            result
        })
        .await
    }
}

//! The move of all consumers to another version.

use super::{
    consumer_instance::ConsumerInstance, current_instance::InstanceId, effect::Effect,
    host_state::SuppressReason, imports::connections, instance_thread::InstanceThread,
    native_connection::ConnectionId, native_host::NativeHost, plugin_code::PluginCode,
};
use crate::{bindings::narrowboat::consumer::types::Saved, testing::SwapReport};

/// The saved state of an instance and its consumers.
#[derive(Clone)]
struct SavedInstance {
    instance: InstanceId,
    module: Option<Saved>,
    consumers: Vec<(ConnectionId, Saved)>,
}

/// An instance of the new version, with its consumers.
struct RestoredInstance {
    /// The instance that it takes the place of.
    old: InstanceId,
    id: InstanceId,
    thread: InstanceThread<dyn ConsumerInstance>,
    connections: Vec<ConnectionId>,
    effects: Vec<Effect>,
}

impl NativeHost {
    /// Deploys a version with the consumers of `code`. Workers stay, and consumers share an instance if they did before.
    ///
    /// # Errors
    /// The state cannot be saved or restored. The old version stays.
    pub(crate) fn swap_to(&mut self, code: &PluginCode) -> Result<SwapReport, String> {
        self.deploy(self.code.with_consumer_of(code))
    }

    /// Deploys the code again.
    ///
    /// # Errors
    /// As [`NativeHost::swap_to`].
    pub(crate) fn swap(&mut self) -> Result<SwapReport, String> {
        self.deploy(self.code.clone())
    }

    /// Saves all consumers, tries the new version with their state, and moves them.
    fn deploy(&mut self, code: PluginCode) -> Result<SwapReport, String> {
        let saved = self.save_all()?;
        // The trial has no effects, and its instances are dropped.
        self.restore_all(&saved, &code, Some(SuppressReason::Trial))?;
        let restored = self.restore_all(&saved, &code, None)?;
        let moved = restored.iter().map(|instance| instance.connections.len()).sum::<usize>();
        self.publish(code, restored);
        self.settle()?;
        let version = self.version_count.to_string();
        Ok(SwapReport { version, moved: u32::try_from(moved).unwrap_or(u32::MAX) })
    }

    fn save_all(&mut self) -> Result<Vec<SavedInstance>, String> {
        self.state().suppressed = Some(SuppressReason::Saving);
        let ids: Vec<_> = self.consumers.keys().copied().collect();
        let saved = ids.into_iter().map(|instance| self.save(instance)).collect();
        let mut state = self.state();
        state.suppressed = None;
        state.effects.clear();
        drop(state);
        saved
    }

    fn save(&self, instance: InstanceId) -> Result<SavedInstance, String> {
        let connections = self.connections_of(instance);
        let saved = self.consumers[&instance].call(move |consumers| {
            let module = consumers.save_module()?;
            let save = |id| Ok((id, consumers.snapshot(id)?));
            let consumers = connections.into_iter().map(save).collect::<Result<_, String>>()?;
            Ok::<_, String>(SavedInstance { instance, module, consumers })
        });
        let saved = saved.and_then(|saved| saved);
        saved.map_err(|error| format!("the running version cannot save its state: {error}"))
    }

    fn connections_of(&self, instance: InstanceId) -> Vec<ConnectionId> {
        let state = self.state();
        let connections = state.connections.iter();
        let own = connections.filter(|(_, it)| it.instance == instance && it.is_live());
        own.map(|(id, _)| *id).collect()
    }

    /// Restores all instances. After an error the connections belong to their old instances again.
    fn restore_all(
        &mut self,
        saved: &[SavedInstance],
        code: &PluginCode,
        suppressed: Option<SuppressReason>,
    ) -> Result<Vec<RestoredInstance>, String> {
        self.state().begin_restore(suppressed);
        let restored: Result<Vec<_>, String> =
            saved.iter().map(|saved| self.restore(saved.clone(), code)).collect();
        self.state().end_restore();
        if restored.is_err() || suppressed.is_some() {
            for SavedInstance { instance, consumers, .. } in saved {
                self.assign(*instance, consumers.iter().map(|(id, _)| *id));
            }
        }
        restored.map_err(|error| format!("the new version cannot restore the state: {error}"))
    }

    fn restore(
        &mut self,
        saved: SavedInstance,
        code: &PluginCode,
    ) -> Result<RestoredInstance, String> {
        let create = code.consumer.ok_or("it has no consumer")?;
        let id = self.next_instance_id();
        let thread = InstanceThread::start(self.shared_state(), id, create)?;
        let saved_instance = saved.instance;
        let connections: Vec<_> = saved.consumers.iter().map(|(id, _)| *id).collect();
        self.assign(id, connections.iter().copied());
        self.state().replace_instance(saved_instance, Some(id));
        let restored = thread.call(move |instance| {
            if let Some(module) = saved.module {
                instance.load_module(module)?;
            }
            saved.consumers.into_iter().try_for_each(|(connection, saved)| {
                let handle = connections::Connection { id: connection, instance: id };
                instance.restore(handle, saved)
            })
        });
        self.state().replace_instance(id, Some(saved_instance));
        let effects = std::mem::take(&mut self.state().effects);
        restored.map_err(|panic| format!("panic: {panic}")).and_then(|result| result)?;
        Ok(RestoredInstance { old: saved_instance, id, thread, connections, effects })
    }

    /// Makes connections those of an instance.
    fn assign(&self, instance: InstanceId, connections: impl Iterator<Item = ConnectionId>) {
        for id in connections {
            let _ = self.with_connection(id, |connection| connection.instance = instance);
        }
    }

    /// Replaces the old version, whose instances end without a `disconnect`.
    fn publish(&mut self, code: PluginCode, restored: Vec<RestoredInstance>) {
        let workers = std::mem::take(&mut self.code.workers);
        workers.iter().for_each(|worker| self.layer.close(&worker.channel));
        self.code = code;
        self.open_worker_channels();
        self.workers.clear();
        self.consumers.clear();
        self.version_count += 1;
        // Destructors of the old version have no effects.
        self.state().effects.clear();
        for instance in restored {
            self.consumers.insert(instance.id, instance.thread);
            self.state().replace_instance(instance.old, Some(instance.id));
            self.state().effects.extend(instance.effects);
        }
        self.apply_effects();
    }
}

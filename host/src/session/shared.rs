//! Shared isolation: one task owns an instance, and many sessions bring it their events.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::apply::Outlet;
use crate::closure::Closure;
use crate::fault::{Fault, GuestFault};
use crate::layer::ChannelLayer;
use crate::plugin::{Call, Instance, Plugin, Returned};

/// Events that wait for one instance; further sessions wait to queue theirs.
const QUEUE: usize = 256;

type Answer = Result<Returned, GuestFault>;

/// An event and where its answer goes.
struct Job {
    call: Call,
    answer: oneshot::Sender<Answer>,
}

/// The way to a shared instance.
#[derive(Clone)]
pub(super) struct SharedInstance {
    jobs: mpsc::Sender<Job>,
}

/// The shared instances of one plugin, made when first needed and again after a trap.
pub struct SharedInstances {
    plugin: Arc<Plugin>,
    layer: Arc<dyn ChannelLayer>,
    slots: Mutex<Slots>,
}

struct Slots {
    instances: Vec<Option<SharedInstance>>,
    /// The slot the next connection goes to, in turn.
    next: usize,
}

impl SharedInstances {
    /// As many empty slots as the plugin has instances.
    pub fn new(plugin: Arc<Plugin>, layer: Arc<dyn ChannelLayer>) -> Self {
        let instances = vec![None; plugin.instances];
        Self { plugin, layer, slots: Mutex::new(Slots { instances, next: 0 }) }
    }

    /// The instance for a new connection.
    pub(super) fn join(&self) -> SharedInstance {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let index = slots.next;
        slots.next = (index + 1) % slots.instances.len();
        match &slots.instances[index] {
            Some(instance) if !instance.jobs.is_closed() => instance.clone(),
            _ => {
                let (jobs, queue) = mpsc::channel(QUEUE);
                let owner = Owner {
                    plugin: Arc::clone(&self.plugin),
                    layer: Arc::clone(&self.layer),
                    instance: None,
                };
                tokio::spawn(owner.run(queue));
                slots.instances[index].insert(SharedInstance { jobs }).clone()
            }
        }
    }
}

impl SharedInstance {
    /// Brings an event to the instance and waits for what it answers.
    pub(super) async fn call(self, call: Call) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { call, answer }).await.map_err(|_| GuestFault::InstanceGone)?;
        answered.await.unwrap_or(Err(GuestFault::InstanceGone))
    }
}

/// The task that owns the instance, and with it the store.
struct Owner {
    plugin: Arc<Plugin>,
    layer: Arc<dyn ChannelLayer>,
    /// Boxed, since it moves to a guest thread and back.
    instance: Option<Box<Instance>>,
}

impl Owner {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.recv().await {
            let answer = self.call(job.call).await;
            let dead = self.instance.is_none();
            let unheard = job.answer.send(answer);
            if let Err(Ok(Returned::Accepted(id, _))) = unheard {
                // The peer left while its handshake was decided: its consumer is told so.
                let gone = Call::Disconnect(id, Closure::abnormal());
                let _ = self.call(gone).await;
            }
            if dead {
                return;
            }
        }
    }

    /// One call, its effects applied. Afterwards the instance is gone if it failed.
    async fn call(&mut self, call: Call) -> Answer {
        let Some(instance) = self.instance.take() else { return self.first_call(call).await };
        let version = Arc::clone(instance.version());
        let returned = if version.is_slow() {
            let work = move || enter(instance, call);
            self.plugin.share.run(work).await
        } else {
            Some(enter(instance, call))
        };
        let (mut instance, answer) = returned.ok_or(GuestFault::InstanceGone)?;
        match &answer {
            Err(fault) if fault.ends_instance() => {
                let links: Vec<_> = instance.links().cloned().collect();
                drop(instance);
                for link in links {
                    link.outbound.fail(Fault::Guest(GuestFault::InstanceGone));
                }
            }
            _ => {
                let effects = instance.take_effects();
                self.instance = Some(instance);
                self.outlet().apply(effects).await;
            }
        }
        answer
    }

    async fn first_call(&mut self, call: Call) -> Answer {
        let version = Arc::clone(self.plugin.live());
        let instance = if version.is_slow() {
            let work = move || Instance::new(version);
            self.plugin.share.run(work).await.ok_or(GuestFault::InstanceGone)?
        } else {
            Instance::new(version)
        };
        self.instance = Some(Box::new(instance?));
        Box::pin(self.call(call)).await
    }

    fn outlet(&self) -> Outlet<'_> {
        Outlet { tenant: &self.plugin.tenant, layer: &*self.layer, plugin: &self.plugin.name }
    }
}

fn enter(mut instance: Box<Instance>, call: Call) -> (Box<Instance>, Answer) {
    let answer = instance.call(call);
    (instance, answer)
}

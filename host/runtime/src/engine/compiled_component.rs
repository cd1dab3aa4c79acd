//! A compiled component, which all versions with the same bytes share.

use wasmtime::component::{Component, InstancePre, Linker};

use super::pool_slots::pool_slots;
use super::version_error::VersionError;
use crate::bindings::WebsocketConsumerIndices;
use crate::bindings::alarm_world::exports::narrowboat::consumer::alarms::GuestIndices as AlarmIndices;
use crate::bindings::batching_world::exports::narrowboat::consumer::batches::GuestIndices as BatchIndices;
use crate::bindings::worker_world::WorkerConsumerIndices;
use crate::store::GuestState;
use narrowboat_core::component::Role;

/// The optional export of a consumer for several events in one call.
const BATCHES: &str = "narrowboat:consumer/batches@0.1.0";

/// The optional export of a consumer for the alarms of its rooms.
const ALARMS: &str = "narrowboat:consumer/alarms@0.1.0";

/// A compiled component that is linked with the imports of the host. It depends on the bytes of the component and on the
/// engine alone, so versions of all tenants may share it.
pub(crate) struct CompiledComponent {
    pub(crate) pre: InstancePre<GuestState>,
    /// The exports of a consumer, if the component has that role.
    pub(crate) consumer_indices: Option<WebsocketConsumerIndices>,
    /// The export for several events in one call, if a consumer has it.
    pub(crate) batch_indices: Option<BatchIndices>,
    /// The export for the alarms of rooms, if a consumer has it.
    pub(crate) alarm_indices: Option<AlarmIndices>,
    /// The exports of a worker, if the component has that role.
    pub(crate) worker_indices: Option<WorkerConsumerIndices>,
    /// The slots of the pool that one instance takes.
    pub(crate) pool_slots: usize,
}

impl CompiledComponent {
    /// Links a component that exports `roles`. `core_instances` is the number of core instances of one instance; `None` if
    /// they cannot be counted.
    ///
    /// # Errors
    /// If the component imports what the linker does not have, or its exports do not match the worlds of its roles.
    pub(crate) fn link(
        component: &Component,
        linker: &Linker<GuestState>,
        roles: &[Role],
        core_instances: Option<u64>,
    ) -> Result<Self, VersionError> {
        let pre = linker.instantiate_pre(component).map_err(VersionError::Import)?;
        let world_error = |role| move |problem| VersionError::World { role, problem };
        let exports = |role| roles.contains(&role);
        let consumer = exports(Role::Consumer).then(|| WebsocketConsumerIndices::new(&pre));
        let has_optional = |interface| {
            exports(Role::Consumer) && component.get_export_index(None, interface).is_some()
        };
        let batches = has_optional(BATCHES).then(|| BatchIndices::new(&pre));
        let alarms = has_optional(ALARMS).then(|| AlarmIndices::new(&pre));
        let worker = exports(Role::Worker).then(|| WorkerConsumerIndices::new(&pre));
        Ok(Self {
            consumer_indices: consumer.transpose().map_err(world_error(Role::Consumer))?,
            batch_indices: batches.transpose().map_err(world_error(Role::Consumer))?,
            alarm_indices: alarms.transpose().map_err(world_error(Role::Consumer))?,
            worker_indices: worker.transpose().map_err(world_error(Role::Worker))?,
            pool_slots: pool_slots(component, core_instances),
            pre,
        })
    }
}

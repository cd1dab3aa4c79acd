use std::collections::HashMap;
use std::time::Duration;

use super::{
    consumer_instance::ConsumerInstance, current_instance::InstanceId, host_state::HostState,
    instance_thread::InstanceThread, native_host::NativeHost,
};
use crate::bindings::narrowboat::consumer::types;

/// The pause before the alarm of a room is handled again after it has failed. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A room of a test.
#[derive(Debug, Default)]
pub(crate) struct NativeRoom {
    /// The instance. `None` before the first visitor, and after a panic.
    pub(super) instance: Option<InstanceId>,
    /// When the alarm is due, on the clock of the test.
    pub(crate) alarm: Option<Duration>,
    /// The number of times that the alarm has failed.
    failures: u32,
}

/// The name of the room of a connection, as `template` makes it of the URL parameters.
///
/// # Errors
/// The connection lacks a parameter.
pub(super) fn room_name(template: &str, scope: &types::Scope) -> Result<String, String> {
    let params: HashMap<_, _> = scope.url_route.iter().cloned().collect();
    let (mut name, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (param, after) = after.split_once('}').ok_or("the template lacks a `}`")?;
        let value = params.get(param).ok_or_else(|| {
            format!(
                "the connection has no URL parameter {{{param}}}: ConnectRequest::url_route sets it"
            )
        })?;
        name.extend([before, value]);
        rest = after;
    }
    Ok(name + rest)
}

impl HostState {
    /// The room of an instance, and its name.
    pub(crate) fn room_of(&self, instance: InstanceId) -> Option<(&str, &NativeRoom)> {
        let mut rooms = self.rooms.iter();
        let (name, room) = rooms.find(|(_, room)| room.instance == Some(instance))?;
        Some((name.as_str(), room))
    }

    /// When the next alarm is due.
    pub(super) fn next_alarm(&self) -> Option<Duration> {
        self.rooms.values().filter_map(|room| room.alarm).min()
    }

    /// Replaces an instance by one that has its connections.
    pub(super) fn replace_instance(&mut self, old: InstanceId, new: Option<InstanceId>) {
        let rooms = self.rooms.values_mut().filter(|room| room.instance == Some(old));
        rooms.for_each(|room| room.instance = new);
    }
}

impl NativeHost {
    /// The instance of a room, which starts if there is none.
    pub(super) fn instance_of_room(
        &mut self,
        name: String,
        create: fn() -> Box<dyn ConsumerInstance>,
    ) -> Result<InstanceId, String> {
        let known = self.state().rooms.get(&name).and_then(|room| room.instance);
        if let Some(instance) = known {
            return Ok(instance);
        }
        let id = self.next_instance_id();
        self.state().rooms.entry(name).or_default().instance = Some(id);
        let thread = InstanceThread::start(self.shared_state(), id, create)?;
        self.consumers.insert(id, thread);
        Ok(id)
    }

    /// Calls the handler of an alarm that is due. Returns false if there is none.
    pub(super) fn handle_due_alarm(&mut self) -> bool {
        let now = self.state().elapsed;
        let due = {
            let mut state = self.state();
            let rooms = state.rooms.iter_mut();
            let mut due = rooms.filter(|(_, room)| room.alarm.is_some_and(|at| at <= now));
            due.next().map(|(name, room)| {
                room.alarm = None;
                name.clone()
            })
        };
        let Some(name) = due else { return false };
        let Some(create) = self.code.consumer else { return true };
        let result = self.instance_of_room(name.clone(), create).and_then(|instance| {
            let called = self.call_consumers(instance, ConsumerInstance::alarm);
            if called.is_some() {
                self.apply_effects();
            }
            match called {
                Some(Ok(())) => Ok(()),
                Some(Err(text)) => {
                    self.record_fault(format!("returned an error: {text}"));
                    Err(text)
                }
                // The panic is a fault already.
                None => Err(String::new()),
            }
        });
        let mut state = self.state();
        if let Some(room) = state.rooms.get_mut(&name) {
            match result {
                Ok(()) => room.failures = 0,
                Err(_) => {
                    let pause = FIRST_PAUSE * 2_u32.saturating_pow(room.failures.min(8));
                    room.failures += 1;
                    room.alarm.get_or_insert(now + pause);
                }
            }
        }
        true
    }
}

//! Waking a room: the instance of a room with the state that the room had when it was saved.

use std::sync::Arc;

use super::instance_task::SharedInstanceTask;
use crate::migrating_owner::MigratingOwner;
use crate::rooms::{RoomRecord, RoomStore, RoomStoreError, SavedRoomState};
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::RoomSave;
use narrowboat_runtime::{
    Effect, Instance, LostVisitor, RoomLink, RoomStartError, Sha256Digest, Version,
};

/// An instance of a room that has been started, and what its start leaves to do.
struct StartedRoom {
    instance: Instance,
    /// The effects of the start.
    effects: Vec<Effect>,
    /// Whether the instance has the state of a record.
    has_state: bool,
    /// Whether the start has changed that state.
    has_changed: bool,
}

impl SharedInstanceTask {
    /// Makes the instance of the room, with the state that the room had when it was saved.
    ///
    /// # Errors
    /// [`GuestFault::RoomUnavailable`] if the state cannot be read or saved, or belongs to a newer version; and as
    /// [`Instance::new`].
    pub(super) async fn wake_room(&mut self) -> Result<(), GuestFault> {
        self.open_room().await?;
        let opened = self.room.as_mut().map_or(Ok(None), |room| room.take_opened());
        let stored = opened.map_err(|error| GuestFault::RoomUnavailable(error.to_string()))?;
        // After the wait for the record.
        let version = self.plugin().live_version();
        let stored_by = stored.as_ref().map(|stored| stored.current.version);
        let record =
            stored.map(|stored| self.choose_state(stored, version.digest())).transpose()?;
        let is_stored = record.as_ref().map(|record| record.current.version) == stored_by;
        let started = self.start_room(Arc::clone(&version), record.as_ref()).await;
        let started = match (started, &record) {
            (Err(RoomStartError::Load(fault)), Some(record))
                if record.current.version != version.digest() =>
            {
                self.wake_after_failed_move(record, version, fault).await?
            }
            (started, _) => started.map_err(RoomStartError::into_fault)?,
        };
        let StartedRoom { mut instance, effects, has_state, has_changed } = started;
        if instance.version().rooms().is_some_and(|rooms| rooms.save == RoomSave::Event) {
            instance.stop_checkpoints();
        }
        if has_state {
            self.registry.rooms.counters.record_wake();
        }
        if let Some(room) = &mut self.room {
            let mark = (has_state && !has_changed).then(|| instance.mark());
            room.set_restored(record, is_stored, mark);
        }
        self.instance = Some(Box::new(instance));
        // The next attempt would call `disconnect` of the lost visitors again.
        if has_changed && !self.save_before_effects(&effects).await {
            return Err(GuestFault::RoomUnavailable("its state cannot be saved".to_owned()));
        }
        self.effect_applier().apply(effects);
        Ok(())
    }

    /// Makes the instance of the room, with the state of a record if there is one.
    async fn start_room(
        &self,
        version: Arc<Version>,
        record: Option<&RoomRecord>,
    ) -> Result<StartedRoom, RoomStartError> {
        let saved = record.map(|record| record.current.clone());
        let lost = record.map(|record| self.lost_visitors(record)).unwrap_or_default();
        let runs_elsewhere = version.starts_on_guest_thread();
        let link = self.room.as_ref().map(|room| Arc::clone(room.link()));
        let link = link.ok_or(RoomStartError::Start(GuestFault::InstanceLost))?;
        let work = move || start_room(&version, &link, saved, &lost);
        match runs_elsewhere {
            true => {
                let lost = || Err(RoomStartError::Start(GuestFault::InstanceLost));
                self.plugin().executor.run(work).await.unwrap_or_else(lost)
            }
            false => work(),
        }
    }

    /// The visitors that the room had when its state was saved. Their connections have ended with the instance.
    fn lost_visitors(&self, record: &RoomRecord) -> Vec<LostVisitor> {
        let visitors = record.visitors.iter().cloned();
        visitors.filter_map(|visitor| visitor.into_lost(self.registry.traffic())).collect()
    }

    /// Applies the failed-move policy of the plugin to a room whose state the live version cannot load: the version that
    /// saved it goes on, if it may still be needed for a rollback; the room begins without state; or it cannot be opened.
    async fn wake_after_failed_move(
        &self,
        record: &RoomRecord,
        live: Arc<Version>,
        fault: GuestFault,
    ) -> Result<StartedRoom, GuestFault> {
        let plugin = self.plugin();
        let room = self.room.as_ref().map(|room| room.name.as_str());
        let (label, version) = (&*plugin.label, &*live.digest().short_hex());
        let started = match plugin.failed_move {
            FailedMovePolicy::KeepOld => {
                let saved_by = record.current.version;
                let old = plugin.versions().into_iter().find(|old| old.digest() == saved_by);
                let Some(old) = old else { return Err(fault) };
                tracing::warn!(
                    plugin = label,
                    room,
                    version,
                    %fault,
                    "a room stays on the version that saved it"
                );
                self.start_room(old, Some(record)).await
            }
            FailedMovePolicy::Restart => {
                tracing::warn!(
                    plugin = label,
                    room,
                    version,
                    %fault,
                    "a room begins without its state"
                );
                self.start_room(live, None).await
            }
            FailedMovePolicy::Close => return Err(fault),
        };
        started.map_err(RoomStartError::into_fault)
    }

    /// Becomes the owner of the room, unless it is that already.
    ///
    /// # Errors
    /// [`GuestFault::RoomElsewhere`] and [`GuestFault::RoomUnavailable`].
    pub(super) async fn open_room(&mut self) -> Result<(), GuestFault> {
        if self.room.as_ref().is_none_or(|room| room.lease().is_some()) {
            return Ok(());
        }
        self.own_room().await;
        if self.registry.is_retired() {
            let problem = "the plugin has been replaced".to_owned();
            return Err(GuestFault::RoomUnavailable(problem));
        }
        let store = RoomStore::new(&self.registry.plugin);
        let Some(room) = &mut self.room else { return Ok(()) };
        match store.open(&room.name).await {
            Ok(owned) => {
                room.open(owned);
                Ok(())
            }
            Err(RoomStoreError::OwnedElsewhere(left)) => Err(GuestFault::RoomElsewhere(left)),
            Err(error) => Err(GuestFault::RoomUnavailable(error.to_string())),
        }
    }

    /// Waits until no other task of this process owns the room.
    pub(super) async fn own_room(&mut self) {
        if let Some(room) = &mut self.room {
            room.own(&self.registry.room_owners, &self.registry.plugin).await;
        }
    }

    /// The record with the state that a version may get.
    fn choose_state(
        &self,
        record: RoomRecord,
        version: Sha256Digest,
    ) -> Result<RoomRecord, GuestFault> {
        let saved_by = record.current.version;
        let newer = &*saved_by.short_hex();
        let ran_before = self.plugin().versions_before(version);
        let Some(record) = record.for_version(version, &ran_before) else {
            return Err(GuestFault::RoomUnavailable(format!(
                "the newer version {newer} saved its state, and none of version {} is kept; make a newer version live, or \
                 reset the room",
                version.short_hex()
            )));
        };
        if record.current.version != saved_by {
            let (plugin, version) = (&*self.plugin().label, &*version.short_hex());
            let room = self.room.as_ref().map(|room| room.name.as_str());
            tracing::warn!(
                plugin,
                version,
                room,
                newer,
                "a room goes back to the state before a version that was rolled back"
            );
        }
        Ok(record)
    }
}

/// Makes an instance of a room, with a state if there is one. A `disconnect` of a lost visitor that kills the instance is
/// left out the next time, so that it does not keep the room closed.
fn start_room(
    version: &Arc<Version>,
    link: &Arc<RoomLink>,
    saved: Option<SavedRoomState>,
    lost: &[LostVisitor],
) -> Result<StartedRoom, RoomStartError> {
    let reserve = || version.reserve_pool_slots().map_err(RoomStartError::Start);
    let saved = saved.and_then(|saved| Some((saved.schema, saved.state?)));
    let Some((schema, state)) = saved else {
        let instance = Instance::new(Arc::clone(version), reserve()?);
        let mut instance = instance.map_err(RoomStartError::Start)?;
        instance.enter_room(Arc::clone(link));
        return Ok(StartedRoom {
            instance,
            effects: Vec::new(),
            has_state: false,
            has_changed: false,
        });
    };
    let wake = |lost: &[LostVisitor]| {
        let (version, link) = (Arc::clone(version), Arc::clone(link));
        Instance::wake_room(version, reserve()?, (schema, &state), lost, link)
    };
    let woken = match wake(lost) {
        Err(RoomStartError::Disconnect(fault)) => {
            let visitors = lost.len();
            tracing::warn!(
                %fault,
                visitors,
                "a room wakes without a `disconnect` of its earlier visitors"
            );
            wake(&[])
        }
        woken => woken,
    };
    let (instance, effects) = woken?;
    Ok(StartedRoom { instance, effects, has_state: true, has_changed: !lost.is_empty() })
}

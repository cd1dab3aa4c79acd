//! A room that is awake, as the task that owns its instance knows it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::room_alarm::RoomAlarm;
use super::room_owners::{RoomOwners, RoomOwnership};
use super::room_presence::RoomPresence;
use super::room_record::{RoomRecord, SavedRoomState, merge_older};
use super::room_store::{OwnedRoom, RoomStoreError};
use super::visitor_record::VisitorRecord;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::{RoomSave, RoomSettings};
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::RoomLease;
use narrowboat_runtime::{
    GuestSnapshot, Instance, InstanceMark, InstanceSnapshot, Plugin, RoomLink, RoomVisitor,
    Sha256Digest,
};
use narrowboat_schedule::WallClock;
use narrowboat_websocket::connection::TrafficCounters;

/// The pause after which a room that could not be saved is saved again.
const SAVE_RETRY: Duration = Duration::from_secs(5);

/// Attempts to save the state of an empty room, after which the room ends without.
const MAX_FAILED_SAVES: u32 = 12;

/// The pause after which a guest that was busy is asked again whether its room can sleep.
const BUSY_RETRY: Duration = Duration::from_millis(100);

/// A room that is awake.
pub(crate) struct OpenRoom {
    pub(crate) name: RoomName,
    pub(crate) presence: Arc<RoomPresence>,
    /// Held from the first look at the state to the end of the task.
    ownership: Option<RoomOwnership>,
    /// The alarm.
    pub(crate) alarm: RoomAlarm,
    /// When the room sleeps, unless a visitor comes. `None` while it has visitors.
    sleep_at: Option<Instant>,
    /// When the state is saved next, if it is saved in an interval.
    save_at: Option<Instant>,
    /// Whether the room was to sleep at once when its times were set last.
    is_closing: bool,
    /// Whether an operator has closed the room.
    is_ending: bool,
    /// Whether the room has to sleep before its next alarm, since it, the plugin or the host ends.
    must_end: bool,
    /// What the store had of the room, until its instance is made.
    opened: Option<Result<Option<RoomRecord>, RoomStoreError>>,
    /// One of the rooms that wake for alarms at a time, until the alarm has been handled.
    pub(crate) waking_permit: Option<OwnedSemaphorePermit>,
    /// When the guest first answered that it is too busy to sleep.
    busy_since: Option<Instant>,
    /// The last record that was read or written.
    record: Option<RoomRecord>,
    /// Whether the store has that record, and not one of a newer version.
    is_stored: bool,
    /// The mark of the instance when the last record was read or written.
    saved_mark: Option<InstanceMark>,
    /// Attempts to save the state that have failed since the last one that did not.
    failed_saves: u32,
    /// Why the instance could not be made.
    pub(crate) wake_fault: Option<GuestFault>,
}

/// The duty of the owner of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomDuty {
    None,
    /// Give up the room, which this host no longer owns.
    Leave,
    /// Store the alarm that the guest has set.
    StoreAlarm,
    /// Call the guest, because its alarm is due.
    CallAlarm,
    /// Save the state. The room stays awake.
    Save,
    /// Save the state, and drop the instance.
    Sleep,
}

impl OpenRoom {
    pub(crate) fn new(name: RoomName, presence: Arc<RoomPresence>) -> Self {
        Self {
            name,
            presence,
            ownership: None,
            alarm: RoomAlarm::default(),
            sleep_at: None,
            save_at: None,
            is_closing: false,
            is_ending: false,
            must_end: false,
            opened: None,
            waking_permit: None,
            busy_since: None,
            record: None,
            is_stored: false,
            saved_mark: None,
            failed_saves: 0,
            wake_fault: None,
        }
    }

    /// Waits until this task owns the room, unless it does already.
    pub(crate) async fn own(&mut self, owners: &Arc<RoomOwners>, plugin: &Plugin) {
        if self.ownership.is_none() {
            self.ownership = Some(owners.acquire(plugin, &self.name).await);
        }
    }

    /// The room as its instance knows it.
    pub(crate) fn link(&self) -> &Arc<RoomLink> {
        &self.presence.link
    }

    /// The lease of the room; `None` before the store has been asked.
    pub(crate) fn lease(&self) -> Option<&Arc<RoomLease>> {
        self.link().lease.get()
    }

    /// Takes the lease, the record and the alarm that the store has given.
    pub(crate) fn open(&mut self, OwnedRoom { lease, record, alarm }: OwnedRoom) {
        let link = Arc::clone(self.link());
        self.alarm.load(alarm, &link);
        let _ = link.lease.set(Arc::new(lease));
        self.opened = Some(record);
    }

    /// Takes the record that the store had when the room was opened; `None` if it had none.
    pub(crate) fn take_opened(&mut self) -> Result<Option<RoomRecord>, RoomStoreError> {
        self.opened.take().unwrap_or(Ok(None))
    }

    /// Whether the room has an alarm, or the store may have one.
    pub(crate) fn has_alarm(&self) -> bool {
        self.link().alarm().is_some()
            || !self.alarm.is_stored(self.link())
            || self.alarm.stored().is_some()
    }

    /// Waits until the room has a duty. The future can be dropped and made again.
    pub(crate) async fn wait_for_duty(
        &mut self,
        settings: &RoomSettings,
        is_closing: bool,
        clock: &WallClock,
    ) {
        loop {
            self.set_times(settings, is_closing);
            if self.duty(clock) != RoomDuty::None {
                return;
            }
            let alarm = self.alarm.next_look(self.link(), clock.now());
            let lease = self.lease().filter(|lease| lease.can_end());
            let lease_end = lease.map(|lease| Instant::now() + lease.time_left());
            let times = [self.sleep_at, self.save_at, alarm, lease_end];
            let next = times.into_iter().flatten().min();
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = clock.wait_until_set() => {}
                () = self.presence.wait_for_change() => return,
            }
        }
    }

    /// Sets the times of the next duties.
    pub(crate) fn set_times(&mut self, settings: &RoomSettings, is_closing: bool) {
        let now = Instant::now();
        self.must_end = is_closing || self.is_ending;
        // A room that an alarm has woken sleeps at once afterwards.
        let is_woken_by_alarm = self.lease().is_some() && !self.presence.was_visited();
        let is_closing = self.must_end || is_woken_by_alarm;
        let was_closing = std::mem::replace(&mut self.is_closing, is_closing);
        let begins_closing = is_closing && !was_closing;
        if !self.presence.is_empty() {
            (self.sleep_at, self.busy_since, self.failed_saves) = (None, None, 0);
        } else if begins_closing {
            self.sleep_at = Some(now);
        } else {
            let idle = if is_closing { Duration::ZERO } else { settings.idle };
            self.sleep_at.get_or_insert(now + idle);
        }
        self.save_at = match settings.save {
            RoomSave::Idle | RoomSave::Event => None,
            RoomSave::Interval(interval) => Some(self.save_at.unwrap_or(now + interval)),
        };
    }

    /// Lets the room sleep as soon as it has no visitors, without `room_idle`.
    pub(crate) fn sleep_soon(&mut self) {
        self.is_ending = true;
    }

    /// The duty that is due.
    pub(crate) fn duty(&self, clock: &WallClock) -> RoomDuty {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if !self.link().is_owned() {
            RoomDuty::Leave
        } else if self.alarm.is_store_due(self.link()) {
            RoomDuty::StoreAlarm
        } else if self.must_end && is_due(self.sleep_at) {
            RoomDuty::Sleep
        } else if self.alarm.is_call_due(self.link(), clock.now()) {
            RoomDuty::CallAlarm
        } else if is_due(self.sleep_at) {
            RoomDuty::Sleep
        } else if is_due(self.save_at) {
            RoomDuty::Save
        } else {
            RoomDuty::None
        }
    }

    /// Lets the room sleep after `room_idle` again.
    pub(crate) fn stay_awake(&mut self) {
        self.is_ending = false;
    }

    /// Whether the state could not be saved for so long that an empty room ends without it.
    pub(crate) fn has_given_up(&self) -> bool {
        self.failed_saves >= MAX_FAILED_SAVES
    }

    /// Postpones all duties, because the state could not be saved.
    pub(crate) fn retry_later(&mut self) {
        self.failed_saves += 1;
        let later = Instant::now() + SAVE_RETRY;
        self.sleep_at = self.sleep_at.map(|at| at.max(later));
        self.save_at = self.save_at.map(|at| at.max(later));
    }

    /// Asks the guest again soon whether the room can sleep.
    pub(crate) fn ask_again(&mut self) {
        let now = Instant::now();
        self.busy_since.get_or_insert(now);
        self.sleep_at = Some(now + BUSY_RETRY);
    }

    /// Whether a guest that was busy has had enough time.
    pub(crate) fn is_sleep_forced(&self, move_wait: Duration) -> bool {
        self.busy_since.is_some_and(|since| since.elapsed() >= move_wait)
    }

    /// Whether the last record has the state of an instance with this mark.
    pub(crate) fn is_saved(&self, mark: InstanceMark) -> bool {
        self.saved_mark == Some(mark)
    }

    /// A checkpoint with the state that was saved last, if it is one of this instance.
    pub(crate) fn checkpoint(
        &self,
        instance: &Instance,
        traffic: &Arc<TrafficCounters>,
    ) -> Option<InstanceSnapshot> {
        let record = self.record.as_ref()?;
        let current = &record.current;
        if current.version != instance.version().digest() {
            return None;
        }
        let state = (current.schema, current.state.clone()?);
        let visitors = record.visitors.iter().cloned();
        let visitors = visitors.filter_map(|visitor| visitor.into_lost(traffic));
        instance.checkpoint_of_room(self.saved_mark?, state, visitors)
    }

    /// The events of an instance with this mark that happened after the state was saved last.
    pub(crate) fn unsaved_events(&self, mark: InstanceMark) -> u64 {
        mark.events_since(self.saved_mark)
    }

    /// Records that the state was restored from `record`, which the store has if `is_stored`. `mark` is that of the instance if
    /// it has just this state.
    pub(crate) fn set_restored(
        &mut self,
        record: Option<RoomRecord>,
        is_stored: bool,
        mark: Option<InstanceMark>,
    ) {
        self.saved_mark = mark.filter(|_| is_stored);
        self.is_stored = is_stored;
        self.set_record(record);
    }

    fn set_record(&mut self, record: Option<RoomRecord>) {
        let len = record.as_ref().map_or(0, |record| record.current.state_len());
        self.presence.state_bytes.store(len as u64, Ordering::Relaxed);
        self.record = record;
    }

    /// Whether the store has a record of the room.
    pub(crate) fn has_record(&self) -> bool {
        self.record.is_some()
    }

    /// Whether the last record has the same states as `record`, so that it need not be written.
    pub(crate) fn has_saved(&self, record: &RoomRecord) -> bool {
        let RoomRecord { token: _, saved_at: _, current, visitors, previous, older } = record;
        let saved = self.record.as_ref().filter(|_| self.is_stored);
        saved.is_some_and(|saved| {
            saved.current == *current
                && saved.visitors == *visitors
                && saved.previous == *previous
                && saved.older == *older
        })
    }

    /// Makes the next record of the room. `left` is the state with which the instance left its version before, and
    /// `may_roll_back` says whether its version may still be rolled back: then the state of the version before is kept.
    pub(crate) fn next_record(
        &self,
        saved: Option<GuestSnapshot>,
        visitors: Vec<RoomVisitor>,
        version: Sha256Digest,
        ran_before: &[Sha256Digest],
        left: Option<SavedRoomState>,
        may_roll_back: bool,
    ) -> RoomRecord {
        let (schema, state) = match saved {
            Some(GuestSnapshot { schema, state, .. }) => (schema, Some(state)),
            None => (0, None),
        };
        let current = SavedRoomState { version, schema, state };
        let recorded = self.record.as_ref();
        let recorded =
            recorded.and_then(|record| record.state_before(version, ran_before).cloned());
        let previous = left.or(recorded).filter(|_| may_roll_back);
        let older = match &self.record {
            Some(record) => record.older_than(version, ran_before),
            None => merge_older(version, ran_before.iter().copied()),
        };
        let visitors = visitors.into_iter().map(VisitorRecord::from).collect();
        let token = self.lease().map_or(0, |lease| lease.token());
        RoomRecord { token, saved_at: SystemTime::now(), current, visitors, previous, older }
    }

    /// Records that `record` is in the store, or that the room has no state.
    pub(crate) fn set_saved(&mut self, record: Option<RoomRecord>, mark: InstanceMark) {
        self.set_record(record);
        self.is_stored = true;
        self.saved_mark = Some(mark);
        self.failed_saves = 0;
    }

    /// Sets the time of the next save. Call it before each attempt, whether or not there is something to save.
    pub(crate) fn set_next_save(&mut self, settings: &RoomSettings) {
        if let RoomSave::Interval(interval) = settings.save {
            self.save_at = Some(Instant::now() + interval);
        }
    }
}

//! The upkeep of the rooms of a plugin as a whole: renewing their leases, and waking those whose alarms are due.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::instance_registry::InstanceRegistry;
use super::rooms::{RoomStore, RoomStoreError, WakeAttempts};
use super::shared::{AlarmJob, Job, wake_room};
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::manifest::Isolation;
use narrowboat_core::room_name::RoomName;

/// Rooms of a plugin that wake for their alarms at a time.
const MAX_WAKING: usize = 64;

/// Alarms that are listed at a time.
const PAGE_LEN: usize = 256;

/// The pause before another look at alarms that are due, and whose rooms could not wake or belong to another host.
const DUE_RETRY: Duration = Duration::from_secs(1);

/// The pause before another look after the store has failed.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// The longest time between two looks. Another host may have died with rooms whose alarms were its own.
const MAX_PAUSE_SHARED: Duration = Duration::from_secs(5);

/// The longest time between two looks at a store that belongs to this host. The wall clock may have been set meanwhile.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The shortest time between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The part of a lease after which it is renewed.
const RENEWALS_IN_A_LEASE: u32 = 3;

/// The pause between two looks whether there are leases to renew, while no room is awake.
const NO_LEASE_PAUSE: Duration = Duration::from_millis(200);

impl InstanceRegistry {
    /// Begins to renew the leases of rooms and to wake rooms for their alarms, unless that has begun or the plugin has no
    /// rooms. It ends with the registry.
    pub fn keep_rooms(self: &Arc<Self>) {
        let is_first = !self.rooms.is_kept.swap(true, Ordering::SeqCst);
        if self.plugin.isolation == Isolation::Room && is_first {
            tokio::spawn(wake_for_alarms(Arc::downgrade(self)));
            if self.plugin.keyvalue.is_shared() {
                tokio::spawn(renew_leases(Arc::downgrade(self)));
            }
        }
    }

    /// Renews the leases of the rooms that are awake, and tells the owners of those that have ended. Returns the pause before
    /// the next renewal.
    async fn renew_leases_once(&self) -> Duration {
        let leases = self.rooms.leases();
        if leases.is_empty() {
            return NO_LEASE_PAUSE;
        }
        if let Err(error) = RoomStore::new(&self.plugin).renew(leases.clone()).await {
            let plugin = &*self.plugin.label;
            tracing::debug!(plugin, %error, "cannot renew the leases of rooms");
        }
        for (room, lease) in &leases {
            if !lease.is_valid() {
                self.rooms.notify(room);
            }
        }
        let shortest = leases.iter().map(|(_, lease)| lease.time_left()).min();
        let pause = shortest.unwrap_or_default() / RENEWALS_IN_A_LEASE;
        pause.max(NO_LEASE_PAUSE)
    }

    /// Wakes the rooms whose alarms are due. Returns the pause before the next look.
    async fn look_at_alarms(
        self: &Arc<Self>,
        waking: &Arc<Semaphore>,
        attempts: &mut WakeAttempts,
    ) -> Duration {
        let max_pause = match self.plugin.keyvalue.is_shared() {
            true => MAX_PAUSE_SHARED,
            false => MAX_PAUSE,
        };
        self.rooms.alarms.set_next(None);
        match self.wake_due_rooms(waking, attempts).await {
            Ok(look) => {
                self.rooms.alarms.set_next(look.next);
                let now = self.plugin.live_version().clock().now();
                let next = look.next.map_or(max_pause, |next| next.time_left(now));
                let pause = next.min(max_pause);
                if look.has_woken { pause.min(DUE_RETRY) } else { pause }
            }
            Err(error) => {
                let plugin = &*self.plugin.label;
                tracing::warn!(plugin, %error, "cannot look at the alarms of rooms");
                STORE_RETRY
            }
        }
    }

    async fn wake_due_rooms(
        self: &Arc<Self>,
        waking: &Arc<Semaphore>,
        attempts: &mut WakeAttempts,
    ) -> Result<AlarmLook, RoomStoreError> {
        let store = RoomStore::new(&self.plugin);
        let (mut has_woken, mut cursor) = (false, None);
        loop {
            let page = store.list_alarms(cursor.as_deref(), PAGE_LEN).await?;
            for (time, room) in page.alarms {
                let now = self.plugin.live_version().clock().now();
                if !time.time_left(now).is_zero() {
                    return Ok(AlarmLook { next: Some(time), has_woken });
                }
                if self.rooms.is_awake(&room) {
                    continue;
                }
                has_woken = true;
                if attempts.begin(&room, time) {
                    self.wake_room_for(time, &room, waking).await;
                }
            }
            cursor = page.cursor;
            if cursor.is_none() || self.rooms.is_closing() {
                return Ok(AlarmLook { next: None, has_woken });
            }
        }
    }

    /// Wakes a room for its alarm, unless it has woken meanwhile.
    async fn wake_room_for(
        self: &Arc<Self>,
        time: AlarmTime,
        room: &RoomName,
        waking: &Arc<Semaphore>,
    ) {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(waking).acquire_owned().await else { return };
        if let Some(instance) = wake_room(self, room) {
            instance.send_job(Job::Alarm(AlarmJob { time, permit })).await;
        }
    }
}

/// The result of a look at the alarms.
struct AlarmLook {
    /// The next alarm that is not due.
    next: Option<AlarmTime>,
    /// Whether a room that slept had an alarm, which may still be due later.
    has_woken: bool,
}

/// Wakes rooms for their alarms, until the rooms close or the registry is dropped.
async fn wake_for_alarms(registry: Weak<InstanceRegistry>) {
    let waking = Arc::new(Semaphore::new(MAX_WAKING));
    let mut attempts = WakeAttempts::default();
    loop {
        let Some(strong) = registry.upgrade() else { return };
        if strong.rooms.is_closing() {
            return;
        }
        let pause = strong.look_at_alarms(&waking, &mut attempts).await;
        let alarms = Arc::clone(&strong.rooms.alarms);
        let clock = strong.plugin.live_version().clock().clone();
        drop(strong);
        let due = async {
            tokio::select! {
                () = sleep(pause) => {}
                () = alarms.wait_for_earlier() => {}
                () = clock.wait_until_set() => {}
            }
        };
        tokio::join!(due, sleep(MIN_PAUSE));
    }
}

/// Renews the leases of rooms, until the registry is dropped.
async fn renew_leases(registry: Weak<InstanceRegistry>) {
    loop {
        let Some(strong) = registry.upgrade() else { return };
        let pause = strong.renew_leases_once().await;
        drop(strong);
        sleep(pause).await;
    }
}

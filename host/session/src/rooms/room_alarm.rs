//! The alarm of a room that is awake.

use std::time::Duration;

use tokio::time::Instant;

use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_keyvalue::{AlarmChange, StoredAlarm};
use narrowboat_runtime::RoomLink;

/// The pause after which an alarm that could not be stored is stored again.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// The pause after the first failed call for an alarm. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failed call.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The shortest pause between two writes of the alarm, and between two calls for it. A guest that sets an alarm at each event,
/// or one that is due at once, leaves the room time for its visitors.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The longest sleep until an alarm, after which its time is compared with the wall clock again.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// The alarm of a room that is awake, as its owner knows it.
#[derive(Debug, Default)]
pub(crate) struct RoomAlarm {
    /// The alarm that the store has.
    stored: Option<StoredAlarm>,
    /// The alarm that takes the place of one whose call has failed.
    postponed: Option<StoredAlarm>,
    /// Whether the store may have another alarm than `stored`, since it did not answer.
    is_uncertain: bool,
    /// When the alarm may be stored next.
    store_at: Option<Instant>,
    /// When the guest may be called next.
    call_at: Option<Instant>,
}

impl RoomAlarm {
    /// Takes the alarm that the store has, and shows it to the guest.
    pub(crate) fn load(&mut self, stored: Option<StoredAlarm>, link: &RoomLink) {
        self.stored = stored;
        link.set_alarm(stored.map(|alarm| alarm.time));
    }

    /// The alarm that the store has.
    pub(crate) fn stored(&self) -> Option<StoredAlarm> {
        self.stored
    }

    /// The change that the store needs after the guest has set the alarm to `time`.
    pub(crate) fn change_to(&self, time: Option<AlarmTime>) -> Option<AlarmChange> {
        let kept = [self.postponed, self.stored].into_iter().flatten();
        let to = time.map(|time| {
            kept.clone().find(|kept| kept.time == time).unwrap_or(StoredAlarm::new(time))
        });
        let from = self.stored.map(|stored| stored.time);
        (self.is_uncertain || self.stored != to).then_some(AlarmChange { from, to })
    }

    /// Whether the store has the alarm that the guest has set.
    pub(crate) fn is_stored(&self, link: &RoomLink) -> bool {
        !self.is_uncertain && self.stored.map(|stored| stored.time) == link.alarm()
    }

    /// Whether the store has another alarm than the guest has set, and is to be told of it now.
    pub(crate) fn is_store_due(&self, link: &RoomLink) -> bool {
        !self.is_stored(link) && is_past(self.store_at)
    }

    /// Records that a change is in the store.
    pub(crate) fn set_stored(&mut self, change: AlarmChange) {
        (self.stored, self.postponed, self.is_uncertain) = (change.to, None, false);
        self.store_at = Some(Instant::now() + MIN_PAUSE);
    }

    /// Stores the alarm again later, because the store failed. `is_uncertain` says that it may have the change nevertheless.
    pub(crate) fn retry_later(&mut self, is_uncertain: bool) {
        self.is_uncertain |= is_uncertain;
        self.store_at = Some(Instant::now() + STORE_RETRY);
    }

    /// Begins the call for an alarm that is due at `now`, the time since 1970. While it runs the guest has no alarm.
    pub(crate) fn begin_call(&mut self, link: &RoomLink, now: Duration) -> Option<StoredAlarm> {
        let due = self.stored.filter(|alarm| self.is_due(alarm, link, now))?;
        link.set_alarm(None);
        Some(due)
    }

    /// Ends the call for an alarm.
    pub(crate) fn end_call(&mut self) {
        self.call_at = Some(Instant::now() + MIN_PAUSE);
    }

    /// Whether the call for an alarm is due.
    pub(crate) fn is_call_due(&self, link: &RoomLink, now: Duration) -> bool {
        self.stored.as_ref().is_some_and(|alarm| self.is_due(alarm, link, now))
    }

    fn is_due(&self, alarm: &StoredAlarm, link: &RoomLink, now: Duration) -> bool {
        link.alarm() == Some(alarm.time)
            && alarm.time.time_left(now).is_zero()
            && is_past(self.call_at)
    }

    /// Postpones an alarm whose call has failed, unless the guest has set another one.
    pub(crate) fn postpone(&mut self, failed: StoredAlarm, link: &RoomLink, now: Duration) {
        if link.alarm().is_some() {
            return;
        }
        let pause =
            FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failed.attempts)).min(MAX_PAUSE);
        let time = AlarmTime::after(now, pause);
        self.postponed = Some(StoredAlarm { time, attempts: failed.attempts.saturating_add(1) });
        link.set_alarm(Some(time));
    }

    /// When the owner has to look at the alarm again. `now` is the time since 1970.
    pub(crate) fn next_look(&self, link: &RoomLink, now: Duration) -> Option<Instant> {
        if !self.is_stored(link) {
            return self.store_at;
        }
        let due = Instant::now() + link.alarm()?.time_left(now).min(MAX_SLEEP);
        Some(self.call_at.map_or(due, |at| at.max(due)))
    }
}

fn is_past(time: Option<Instant>) -> bool {
    time.is_none_or(|time| time <= Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_core::room_name::RoomName;

    const NOW: Duration = Duration::from_secs(1_000);

    fn link() -> RoomLink {
        RoomLink::new(RoomName::parse("a").unwrap())
    }

    fn alarm(seconds: u64) -> StoredAlarm {
        StoredAlarm::new(AlarmTime::from_millis(seconds * 1_000))
    }

    #[test]
    fn an_alarm_whose_call_fails_is_postponed_for_longer_and_longer() {
        let (link, mut room) = (link(), RoomAlarm::default());
        room.load(Some(alarm(1_000)), &link);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let due = room.stored().unwrap();
            let now = Duration::from_millis(due.time.as_millis());
            assert_eq!(room.begin_call(&link, now), Some(due));
            room.postpone(due, &link, now);
            let change = room.change_to(link.alarm()).unwrap();
            room.set_stored(change);
            pauses.push(room.stored().unwrap().time.time_left(now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn while_its_call_runs_a_guest_has_no_alarm_and_may_set_one() {
        let (link, mut room) = (link(), RoomAlarm::default());
        room.load(Some(alarm(1_000)), &link);
        let due = room.begin_call(&link, NOW).unwrap();
        assert_eq!(link.alarm(), None);
        link.set_alarm(Some(alarm(2_000).time));
        room.postpone(due, &link, NOW);
        let change = room.change_to(link.alarm()).unwrap();
        assert_eq!(change, AlarmChange { from: Some(due.time), to: Some(alarm(2_000)) });
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_is_due_at_once_leaves_time_between_two_calls() {
        let (link, mut room) = (link(), RoomAlarm::default());
        room.load(Some(alarm(0)), &link);
        assert!(room.begin_call(&link, NOW).is_some());
        link.set_alarm(Some(alarm(0).time));
        room.end_call();
        assert!(!room.is_call_due(&link, NOW));
        assert_eq!(room.next_look(&link, NOW), Some(Instant::now() + MIN_PAUSE));
        tokio::time::advance(MIN_PAUSE).await;
        assert!(room.is_call_due(&link, NOW));
    }

    #[test]
    fn an_alarm_of_which_the_store_is_uncertain_is_stored_again() {
        let (link, mut room) = (link(), RoomAlarm::default());
        link.set_alarm(Some(alarm(2_000).time));
        room.retry_later(true);
        link.set_alarm(None);
        assert_eq!(room.change_to(None), Some(AlarmChange { from: None, to: None }));
        assert!(!room.is_stored(&link));
    }

    #[test]
    fn an_alarm_is_not_due_before_its_time_nor_after_it_was_cancelled() {
        let (link, mut room) = (link(), RoomAlarm::default());
        room.load(Some(alarm(1_001)), &link);
        assert!(!room.is_call_due(&link, NOW));
        assert!(room.is_call_due(&link, NOW + Duration::from_secs(1)));
        link.set_alarm(None);
        assert!(!room.is_call_due(&link, NOW + Duration::from_secs(1)));
        assert!(room.is_store_due(&link));
    }
}

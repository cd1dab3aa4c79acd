//! The attempts to wake rooms for their alarms.

use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::room_name::RoomName;

/// The pause after the first attempt to wake a room. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts. Another host that owned the room may have died.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Rooms whose attempts are remembered.
const MAX_ROOMS: usize = 10_000;

/// The attempts to wake rooms for their alarms. A room that cannot wake is tried less and less often.
#[derive(Debug, Default)]
pub(crate) struct WakeAttempts {
    rooms: FxHashMap<RoomName, Attempt>,
}

#[derive(Debug)]
struct Attempt {
    alarm: AlarmTime,
    pause: Duration,
    next: Instant,
}

impl WakeAttempts {
    /// Begins an attempt, unless the last one for this alarm was not long ago. Returns whether it did.
    pub(crate) fn begin(&mut self, room: &RoomName, alarm: AlarmTime) -> bool {
        let now = Instant::now();
        let before = self.rooms.get(room).filter(|before| before.alarm == alarm);
        if before.is_some_and(|before| now < before.next) {
            return false;
        }
        let pause = before.map_or(FIRST_PAUSE, |before| (2 * before.pause).min(MAX_PAUSE));
        self.make_room(now);
        self.rooms.insert(room.clone(), Attempt { alarm, pause, next: now + pause });
        true
    }

    /// Forgets attempts if there are too many: first those of rooms that would have been tried again long ago.
    fn make_room(&mut self, now: Instant) {
        if self.rooms.len() < MAX_ROOMS {
            return;
        }
        self.rooms.retain(|_, attempt| now < attempt.next + MAX_PAUSE);
        if self.rooms.len() >= MAX_ROOMS {
            self.rooms.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: usize) -> RoomName {
        RoomName::parse(&format!("r{number}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_does_not_wake_is_tried_less_and_less_often() {
        let mut attempts = WakeAttempts::default();
        let alarm = AlarmTime::from_millis(1);
        let mut seconds = Vec::new();
        for second in 0..40 {
            if attempts.begin(&room(1), alarm) {
                seconds.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(seconds, [0, 1, 3, 7, 15, 25, 35]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_alarm_of_the_room_does_not_wait() {
        let mut attempts = WakeAttempts::default();
        assert!(attempts.begin(&room(1), AlarmTime::from_millis(1)));
        assert!(!attempts.begin(&room(1), AlarmTime::from_millis(1)));
        assert!(attempts.begin(&room(1), AlarmTime::from_millis(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_attempts_is_bounded() {
        let mut attempts = WakeAttempts::default();
        for number in 0..3 * MAX_ROOMS {
            attempts.begin(&room(number), AlarmTime::from_millis(1));
        }
        assert!(attempts.rooms.len() <= MAX_ROOMS);
    }
}

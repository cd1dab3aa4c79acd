//! Compares the messages that clients got with those that they should get.

use std::time::Duration;

use super::clock::ClockTime;

/// The number of clients in a group. Each gets the messages of all members.
pub(crate) const GROUP_SIZE: usize = 8;

/// The number of violations that are stored as text.
const MAX_VIOLATIONS: usize = 20;

/// The deliveries of all clients.
pub(crate) struct DeliveryTracker {
    /// The deliveries by client.
    pub(crate) clients: Vec<ClientRecord>,
    /// The round trips, in the order in which they ended.
    pub(crate) round_trips: Vec<RoundTripSample>,
    /// Whether consumers may lose events now, because a version is being rolled back.
    pub(crate) is_rollback_allowed: bool,
    /// The number of events that consumers lost, according to their counts.
    pub(crate) lost_events: u64,
    /// The first violations.
    pub(crate) violations: Vec<String>,
    /// The number of violations.
    pub(crate) violation_count: u64,
}

/// The messages of one client.
#[derive(Default)]
pub(crate) struct ClientRecord {
    /// The number of messages that it sent.
    pub(crate) sent_count: u64,
    /// The number of messages that were answered.
    pub(crate) answered_count: u64,
    /// The moment at which the last answered message was sent.
    pub(crate) last_answered_sent_at: ClockTime,
    /// The number of messages that it sent to its group.
    pub(crate) group_sent_count: u64,
    /// The number of messages that arrived from each member of its group.
    pub(crate) group_received_counts: [u64; GROUP_SIZE],
    /// The version of the last reply.
    pub(crate) version: String,
    /// Whether its socket is closed.
    pub(crate) is_closed: bool,
}

/// The round trip of a message to its consumer and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundTripSample {
    /// The moment at which it was sent.
    pub(crate) sent_at: ClockTime,
    /// The time until the reply.
    pub(crate) elapsed: Duration,
}

impl DeliveryTracker {
    /// Creates the tracker for a number of clients.
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            clients: (0..clients).map(|_| ClientRecord::default()).collect(),
            round_trips: Vec::new(),
            is_rollback_allowed: false,
            lost_events: 0,
            violations: Vec::new(),
            violation_count: 0,
        }
    }

    /// Records a violation.
    pub(crate) fn record_violation(&mut self, what: impl FnOnce() -> String) {
        self.violation_count += 1;
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(what());
        }
    }

    /// Records the reply to a client's message: its number, the consumer's count, and the expected count.
    pub(crate) fn record_answer(
        &mut self,
        client: usize,
        answer: &ConsumerAnswer<'_>,
        expected: u64,
    ) -> u64 {
        let ConsumerAnswer { version, event_count: count, number, round_trip: trip } = *answer;
        let page = &mut self.clients[client];
        let next = page.answered_count + 1;
        page.answered_count = number;
        page.last_answered_sent_at = trip.sent_at;
        if page.version != version {
            version.clone_into(&mut page.version);
        }
        self.round_trips.push(trip);
        if number != next {
            self.record_violation(|| format!("client {client}: answer {number} instead of {next}"));
        }
        let lost = expected.saturating_sub(count);
        if count > expected || (lost > 0 && !self.is_rollback_allowed) {
            self.record_violation(|| {
                format!("client {client}: count {count} instead of {expected} in {version}")
            });
        } else {
            self.lost_events += lost;
        }
        lost
    }

    /// Records a message of a client's group: its sender and its number.
    pub(crate) fn record_group_message(&mut self, client: usize, member: usize, number: u64) {
        let last = &mut self.clients[client].group_received_counts[member % GROUP_SIZE];
        let next = *last + 1;
        *last = number;
        if number != next {
            self.record_violation(|| {
                format!("client {client}: {number} instead of {next} of member {member}")
            });
        }
    }

    /// Records that a client's socket closed.
    pub(crate) fn record_close(&mut self, client: usize, how: &str) {
        self.clients[client].is_closed = true;
        self.record_violation(|| format!("client {client}: {how}"));
    }

    /// Whether every client got a reply to a message that it sent after a moment.
    pub(crate) fn all_answered_since(&self, moment: ClockTime) -> bool {
        self.clients.iter().all(|page| page.is_closed || page.last_answered_sent_at > moment)
    }

    /// The number of clients whose last reply came from a version.
    pub(crate) fn client_count_on_version(&self, name: &str) -> u64 {
        self.clients.iter().filter(|page| page.version == name).count() as u64
    }

    /// The number of messages that clients got.
    pub(crate) fn received_count(&self) -> u64 {
        let of = |page: &ClientRecord| {
            page.answered_count + page.group_received_counts.iter().sum::<u64>()
        };
        self.clients.iter().map(of).sum()
    }

    /// The number of missing messages, summed over the receivers.
    pub(crate) fn missing_count(&self) -> u64 {
        let missing = |(client, page): (usize, &ClientRecord)| {
            let group = client / GROUP_SIZE * GROUP_SIZE;
            let relays = page.group_received_counts.iter().zip(&self.clients[group..]);
            let relays: u64 =
                relays.map(|(got, sender)| sender.group_sent_count.abs_diff(*got)).sum();
            page.sent_count.abs_diff(page.answered_count) + relays
        };
        self.clients.iter().enumerate().map(missing).sum()
    }
}

/// A reply to a client's own message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConsumerAnswer<'a> {
    /// The version that answered.
    pub(crate) version: &'a str,
    /// The number of events that its consumer counted.
    pub(crate) event_count: u64,
    /// The number of the message.
    pub(crate) number: u64,
    /// The round trip.
    pub(crate) round_trip: RoundTripSample,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: RoundTripSample =
        RoundTripSample { sent_at: Duration::from_secs(1), elapsed: Duration::from_millis(1) };

    fn answer(number: u64, count: u64) -> ConsumerAnswer<'static> {
        ConsumerAnswer { version: "v1", event_count: count, number, round_trip: TRIP }
    }

    #[test]
    fn numbers_follow_each_other_and_counts_are_as_expected() {
        let mut tracker = DeliveryTracker::new(GROUP_SIZE);
        tracker.record_answer(0, &answer(1, 2), 2);
        tracker.record_group_message(0, 3, 1);
        assert_eq!(tracker.violation_count, 0);
        tracker.record_answer(0, &answer(3, 4), 4);
        tracker.record_group_message(0, 3, 1);
        tracker.record_answer(0, &answer(4, 5), 6);
        assert_eq!(tracker.violation_count, 3, "{:?}", tracker.violations);
    }

    #[test]
    fn a_count_goes_back_only_with_its_version() {
        let mut tracker = DeliveryTracker::new(GROUP_SIZE);
        tracker.is_rollback_allowed = true;
        assert_eq!(tracker.record_answer(0, &answer(1, 2), 10), 8);
        assert_eq!((tracker.lost_events, tracker.violation_count), (8, 0));
        tracker.record_answer(0, &answer(2, 11), 10);
        assert_eq!(tracker.violation_count, 1);
    }

    #[test]
    fn what_has_not_come_is_missing_at_each_who_waits_for_it() {
        let mut tracker = DeliveryTracker::new(GROUP_SIZE);
        tracker.clients[0].sent_count = 2;
        tracker.clients[0].answered_count = 1;
        tracker.clients[1].group_sent_count = 1;
        for client in 0..5 {
            tracker.record_group_message(client, 1, 1);
        }
        assert_eq!(tracker.missing_count(), 1 + 3);
    }
}

//! What the clients sent and got, held against what they had to get.

use std::time::Duration;

use super::clock::ClockTime;

/// Clients in a group, each of which gets what each of them sends to it.
pub(crate) const GROUP_SIZE: usize = 8;

/// Violations that are kept word for word.
const MAX_VIOLATIONS: usize = 20;

/// The ledger of all clients.
pub(crate) struct DeliveryTracker {
    /// A page each.
    pub(crate) clients: Vec<ClientRecord>,
    /// Round trips, in the order in which they ended.
    pub(crate) round_trips: Vec<RoundTripSample>,
    /// Whether a consumer may have lost events just now, since a version is taken back.
    pub(crate) is_rollback_allowed: bool,
    /// Events that consumers have lost, by their counts.
    pub(crate) lost_events: u64,
    /// What must not be, the first of it.
    pub(crate) violations: Vec<String>,
    /// How often there was what must not be.
    pub(crate) violation_count: u64,
}

/// What one client sent and got.
#[derive(Default)]
pub(crate) struct ClientRecord {
    /// Numbered messages it sent.
    pub(crate) sent_count: u64,
    /// Those that were answered.
    pub(crate) answered_count: u64,
    /// When the last of them was sent.
    pub(crate) last_answered_sent_at: ClockTime,
    /// Numbered messages it sent to its group.
    pub(crate) group_sent_count: u64,
    /// What came of each member of its group.
    pub(crate) group_received_counts: [u64; GROUP_SIZE],
    /// The version that answered last.
    pub(crate) version: String,
    /// Whether its socket is gone.
    pub(crate) is_closed: bool,
}

/// A message's way to its consumer and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundTripSample {
    /// When it was sent.
    pub(crate) sent_at: ClockTime,
    /// How long the answer took.
    pub(crate) elapsed: Duration,
}

impl DeliveryTracker {
    /// For so many clients.
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

    /// Notes what must not be.
    pub(crate) fn record_violation(&mut self, what: impl FnOnce() -> String) {
        self.violation_count += 1;
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(what());
        }
    }

    /// A client's own message came back: its number, the consumer's count and what that has to be.
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

    /// A message for a client's group came: whose, and its number.
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

    /// A client's socket is gone.
    pub(crate) fn record_close(&mut self, client: usize, how: &str) {
        self.clients[client].is_closed = true;
        self.record_violation(|| format!("client {client}: {how}"));
    }

    /// Whether every client has had an answer to something it sent after a moment.
    pub(crate) fn all_answered_since(&self, moment: ClockTime) -> bool {
        self.clients.iter().all(|page| page.is_closed || page.last_answered_sent_at > moment)
    }

    /// Clients whose last answer was a version's.
    pub(crate) fn client_count_on_version(&self, name: &str) -> u64 {
        self.clients.iter().filter(|page| page.version == name).count() as u64
    }

    /// Messages that clients got.
    pub(crate) fn received_count(&self) -> u64 {
        let of = |page: &ClientRecord| {
            page.answered_count + page.group_received_counts.iter().sum::<u64>()
        };
        self.clients.iter().map(of).sum()
    }

    /// Messages that have not come, each receiver's own count.
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

/// An answer to a client's own message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConsumerAnswer<'a> {
    /// The version that answered.
    pub(crate) version: &'a str,
    /// Events its consumer has counted.
    pub(crate) event_count: u64,
    /// The message's number.
    pub(crate) number: u64,
    /// Its way.
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
        let mut ledger = DeliveryTracker::new(GROUP_SIZE);
        ledger.record_answer(0, &answer(1, 2), 2);
        ledger.record_group_message(0, 3, 1);
        assert_eq!(ledger.violation_count, 0);
        ledger.record_answer(0, &answer(3, 4), 4);
        ledger.record_group_message(0, 3, 1);
        ledger.record_answer(0, &answer(4, 5), 6);
        assert_eq!(ledger.violation_count, 3, "{:?}", ledger.violations);
    }

    #[test]
    fn a_count_goes_back_only_with_its_version() {
        let mut ledger = DeliveryTracker::new(GROUP_SIZE);
        ledger.is_rollback_allowed = true;
        assert_eq!(ledger.record_answer(0, &answer(1, 2), 10), 8);
        assert_eq!((ledger.lost_events, ledger.violation_count), (8, 0));
        ledger.record_answer(0, &answer(2, 11), 10);
        assert_eq!(ledger.violation_count, 1);
    }

    #[test]
    fn what_has_not_come_is_missing_at_each_who_waits_for_it() {
        let mut ledger = DeliveryTracker::new(GROUP_SIZE);
        ledger.clients[0].sent_count = 2;
        ledger.clients[0].answered_count = 1;
        ledger.clients[1].group_sent_count = 1;
        for client in 0..5 {
            ledger.record_group_message(client, 1, 1);
        }
        assert_eq!(ledger.missing_count(), 1 + 3);
    }
}

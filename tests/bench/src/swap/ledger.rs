//! What the clients sent and got, held against what they had to get.

use std::time::Duration;

use super::clock::Moment;

/// Clients in a group, each of which gets what each of them sends to it.
pub(crate) const GROUP: usize = 8;

/// Violations that are kept word for word.
const MAX_VIOLATIONS: usize = 20;

/// The ledger of all clients.
pub(crate) struct Ledger {
    /// A page each.
    pub(crate) pages: Vec<Page>,
    /// Round trips, in the order in which they ended.
    pub(crate) trips: Vec<Trip>,
    /// Whether a consumer may have lost events just now, since a version is taken back.
    pub(crate) may_rewind: bool,
    /// Events that consumers have lost, by their counts.
    pub(crate) undone: u64,
    /// What must not be, the first of it.
    pub(crate) violations: Vec<String>,
    /// How often there was what must not be.
    pub(crate) violated: u64,
}

/// What one client sent and got.
#[derive(Default)]
pub(crate) struct Page {
    /// Numbered messages it sent.
    pub(crate) sent: u64,
    /// Those that were answered.
    pub(crate) answered: u64,
    /// When the last of them was sent.
    pub(crate) answered_of: Moment,
    /// Numbered messages it sent to its group.
    pub(crate) sent_to_group: u64,
    /// What came of each member of its group.
    pub(crate) relayed: [u64; GROUP],
    /// The version that answered last.
    pub(crate) version: String,
    /// Whether its socket is gone.
    pub(crate) closed: bool,
}

/// A message's way to its consumer and back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trip {
    /// When it was sent.
    pub(crate) sent: Moment,
    /// How long the answer took.
    pub(crate) took: Duration,
}

impl Ledger {
    /// For so many clients.
    pub(crate) fn new(clients: usize) -> Self {
        Self {
            pages: (0..clients).map(|_| Page::default()).collect(),
            trips: Vec::new(),
            may_rewind: false,
            undone: 0,
            violations: Vec::new(),
            violated: 0,
        }
    }

    /// Notes what must not be.
    pub(crate) fn violate(&mut self, what: impl FnOnce() -> String) {
        self.violated += 1;
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(what());
        }
    }

    /// A client's own message came back: its number, the consumer's count and what that has to be.
    pub(crate) fn answered(&mut self, client: usize, answer: &Answer<'_>, expected: u64) -> u64 {
        let Answer { version, count, number, trip } = *answer;
        let page = &mut self.pages[client];
        let next = page.answered + 1;
        page.answered = number;
        page.answered_of = trip.sent;
        if page.version != version {
            version.clone_into(&mut page.version);
        }
        self.trips.push(trip);
        if number != next {
            self.violate(|| format!("client {client}: answer {number} instead of {next}"));
        }
        let lost = expected.saturating_sub(count);
        if count > expected || (lost > 0 && !self.may_rewind) {
            self.violate(|| {
                format!("client {client}: count {count} instead of {expected} in {version}")
            });
        } else {
            self.undone += lost;
        }
        lost
    }

    /// A message for a client's group came: whose, and its number.
    pub(crate) fn relayed(&mut self, client: usize, member: usize, number: u64) {
        let last = &mut self.pages[client].relayed[member % GROUP];
        let next = *last + 1;
        *last = number;
        if number != next {
            self.violate(|| {
                format!("client {client}: {number} instead of {next} of member {member}")
            });
        }
    }

    /// A client's socket is gone.
    pub(crate) fn closed(&mut self, client: usize, how: &str) {
        self.pages[client].closed = true;
        self.violate(|| format!("client {client}: {how}"));
    }

    /// Whether every client has had an answer to something it sent after a moment.
    pub(crate) fn all_heard_since(&self, moment: Moment) -> bool {
        self.pages.iter().all(|page| page.closed || page.answered_of > moment)
    }

    /// Clients whose last answer was a version's.
    pub(crate) fn on_version(&self, name: &str) -> u64 {
        self.pages.iter().filter(|page| page.version == name).count() as u64
    }

    /// Messages that clients got.
    pub(crate) fn received(&self) -> u64 {
        let of = |page: &Page| page.answered + page.relayed.iter().sum::<u64>();
        self.pages.iter().map(of).sum()
    }

    /// Messages that have not come, each receiver's own count.
    pub(crate) fn missing(&self) -> u64 {
        let missing = |(client, page): (usize, &Page)| {
            let group = client / GROUP * GROUP;
            let relays = page.relayed.iter().zip(&self.pages[group..]);
            let relays: u64 = relays.map(|(got, sender)| sender.sent_to_group.abs_diff(*got)).sum();
            page.sent.abs_diff(page.answered) + relays
        };
        self.pages.iter().enumerate().map(missing).sum()
    }
}

/// An answer to a client's own message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// The version that answered.
    pub(crate) version: &'a str,
    /// Events its consumer has counted.
    pub(crate) count: u64,
    /// The message's number.
    pub(crate) number: u64,
    /// Its way.
    pub(crate) trip: Trip,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Trip = Trip { sent: Duration::from_secs(1), took: Duration::from_millis(1) };

    fn answer(number: u64, count: u64) -> Answer<'static> {
        Answer { version: "v1", count, number, trip: TRIP }
    }

    #[test]
    fn numbers_follow_each_other_and_counts_are_as_expected() {
        let mut ledger = Ledger::new(GROUP);
        ledger.answered(0, &answer(1, 2), 2);
        ledger.relayed(0, 3, 1);
        assert_eq!(ledger.violated, 0);
        ledger.answered(0, &answer(3, 4), 4);
        ledger.relayed(0, 3, 1);
        ledger.answered(0, &answer(4, 5), 6);
        assert_eq!(ledger.violated, 3, "{:?}", ledger.violations);
    }

    #[test]
    fn a_count_goes_back_only_with_its_version() {
        let mut ledger = Ledger::new(GROUP);
        ledger.may_rewind = true;
        assert_eq!(ledger.answered(0, &answer(1, 2), 10), 8);
        assert_eq!((ledger.undone, ledger.violated), (8, 0));
        ledger.answered(0, &answer(2, 11), 10);
        assert_eq!(ledger.violated, 1);
    }

    #[test]
    fn what_has_not_come_is_missing_at_each_who_waits_for_it() {
        let mut ledger = Ledger::new(GROUP);
        ledger.pages[0].sent = 2;
        ledger.pages[0].answered = 1;
        ledger.pages[1].sent_to_group = 1;
        for client in 0..5 {
            ledger.relayed(client, 1, 1);
        }
        assert_eq!(ledger.missing(), 1 + 3);
    }
}

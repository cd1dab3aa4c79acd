//! How the connections of a plugin ended, by who ended them and with which code.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_core::closure::code;

/// The codes that are told apart.
const CODES: [u16; 14] = [
    code::NORMAL,
    code::GOING_AWAY,
    code::PROTOCOL,
    code::UNSUPPORTED,
    code::NONE,
    code::ABNORMAL,
    code::BAD_TEXT,
    code::POLICY,
    code::TOO_BIG,
    code::EXTENSION,
    code::GUEST_FAILED,
    code::RESTART,
    code::OVERLOADED,
    code::BAD_GATEWAY,
];

/// As figures call them; at the end those that applications choose (RFC 6455, section 7.4.2), and the rest.
const NAMES: [&str; CODES.len() + 2] = [
    "1000",
    "1001",
    "1002",
    "1003",
    "1005",
    "1006",
    "1007",
    "1008",
    "1009",
    "1010",
    "1011",
    "1012",
    "1013",
    "1014",
    "3000-4999",
    "other",
];

/// Counts of one plugin's connections that are over.
#[derive(Debug, Default)]
pub struct Closures {
    host: [AtomicU64; NAMES.len()],
    client: [AtomicU64; NAMES.len()],
}

impl Closures {
    /// Counts one that this side ended, or whose client broke a rule.
    pub fn by_host(&self, code: u16) {
        self.host[place(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that its client ended, or that was lost.
    pub fn by_client(&self, code: u16) {
        self.client[place(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Who ended them, with which code, and how many.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let sides = [("host", &self.host), ("client", &self.client)];
        sides.into_iter().flat_map(|(by, counts)| {
            NAMES
                .into_iter()
                .zip(counts)
                .map(move |(code, count)| (by, code, count.load(Ordering::Relaxed)))
        })
    }
}

fn place(code: u16) -> usize {
    let known = CODES.iter().position(|known| *known == code);
    known.unwrap_or(if (3000..=4999).contains(&code) { CODES.len() } else { CODES.len() + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_name() {
        for (code, name) in CODES.into_iter().zip(NAMES) {
            assert_eq!(code.to_string(), name);
        }
        for (code, name) in
            [(3000, "3000-4999"), (4999, "3000-4999"), (5000, "other"), (0, "other")]
        {
            assert_eq!(NAMES[place(code)], name);
        }
    }

    #[test]
    fn who_ended_it_is_told_apart() {
        let closures = Closures::default();
        closures.by_host(code::POLICY);
        closures.by_client(code::POLICY);
        closures.by_client(4000);
        let some: Vec<_> = closures.each().filter(|(.., count)| *count > 0).collect();
        assert_eq!(some, [("host", "1008", 1), ("client", "1008", 1), ("client", "3000-4999", 1)]);
    }
}

//! Servers under the same load, in turn, held against the bare one.

use serde::Serialize;

use crate::load::{Measured, Shape};
use crate::peer::Peer;
use crate::spread::Spread;

/// The bare server and those beside it, in the same rounds.
#[derive(Serialize)]
pub(crate) struct Comparison {
    /// The load.
    pub(crate) shape: Shape,
    /// A server each, the bare one first.
    pub(crate) rows: Vec<Row>,
}

/// One server's figures.
#[derive(Serialize)]
pub(crate) struct Row {
    /// Which server.
    pub(crate) peer: Peer,
    /// Microseconds of its processor time a message.
    pub(crate) cpu: Spread,
    /// That, to the bare server's.
    pub(crate) cpu_ratio: Spread,
    /// Messages a second.
    pub(crate) throughput: Spread,
    /// That, to the bare server's.
    pub(crate) throughput_ratio: Spread,
    /// What the figures are made of; `None` where it sat out a round.
    pub(crate) rounds: Vec<Option<Measured>>,
}

impl Comparison {
    /// Of the rounds of each server, the bare one's first. `None` if one of them has none.
    pub(crate) fn new(shape: Shape, rounds: Vec<(Peer, Vec<Option<Measured>>)>) -> Option<Self> {
        let (_, bare) = rounds.first()?;
        let bare = bare.clone();
        let rows = rounds.into_iter().map(|(peer, rounds)| {
            Some(Row {
                peer,
                cpu: Spread::of(rounds.iter().flatten().map(Measured::cpu_per_message))?,
                cpu_ratio: ratio(&rounds, &bare, Measured::cpu_per_message)?,
                throughput: Spread::of(rounds.iter().flatten().map(Measured::throughput))?,
                throughput_ratio: ratio(&rounds, &bare, Measured::throughput)?,
                rounds,
            })
        });
        Some(Self { shape, rows: rows.collect::<Option<_>>()? })
    }

    /// A server's processor time a message to another's.
    pub(crate) fn cpu_ratio(&self, peer: Peer, to: Peer) -> Option<Spread> {
        let rounds = |peer| Some(&self.rows.iter().find(|row| row.peer == peer)?.rounds);
        ratio(rounds(peer)?, rounds(to)?, Measured::cpu_per_message)
    }
}

/// Of each round's own ratio, so that what slows down all servers in a round does not show.
fn ratio(
    rounds: &[Option<Measured>],
    to: &[Option<Measured>],
    figure: impl Fn(&Measured) -> f64,
) -> Option<Spread> {
    let pairs = rounds.iter().zip(to);
    Spread::of(pairs.filter_map(|(own, to)| Some(figure(own.as_ref()?) / figure(to.as_ref()?))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpu::CpuTime;

    fn measured(messages: u64) -> Option<Measured> {
        let cpu = CpuTime { user: Duration::from_millis(600), system: Duration::from_millis(400) };
        Some(Measured { messages, elapsed: Duration::from_secs(2), cpu })
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let shape = Shape { connections: 1, payload: 1, in_flight: 1 };
        let bare = vec![measured(1_000), measured(500), measured(100)];
        let other = vec![measured(500), measured(250), None];
        let rounds = vec![(Peer::Bare, bare), (Peer::Narrowboat, other)];
        let comparison = Comparison::new(shape, rounds).unwrap();
        let row = &comparison.rows[1];
        let exactly = |all| Spread { median: all, min: all, max: all };
        assert_eq!(row.cpu_ratio, exactly(2.0));
        assert_eq!(row.throughput_ratio, exactly(0.5));
        assert_eq!(row.cpu, Spread { median: 3_000.0, min: 2_000.0, max: 4_000.0 });
        assert_eq!(comparison.cpu_ratio(Peer::Bare, Peer::Narrowboat), Some(exactly(0.5)));
    }
}

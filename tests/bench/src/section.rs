//! One load on several servers in turn, round by round, and what was wished of it.

use serde::Serialize;

use crate::client::Load;
use crate::measurement::{BenchMetric, Measurement};
use crate::peer::Peer;
use crate::spread::Spread;

/// One load on several servers.
#[derive(Serialize)]
pub(crate) struct BenchSection {
    /// For people.
    pub(crate) title: String,
    /// The load.
    pub(crate) load: Load,
    /// A server each; the first is what the others are held against.
    pub(crate) rows: Vec<BenchRow>,
    /// What was wished, and what came of it.
    pub(crate) goals: Vec<GoalResult>,
}

/// One server's rounds.
#[derive(Serialize)]
pub(crate) struct BenchRow {
    /// Which server.
    pub(crate) peer: Peer,
    /// Each figure, and its ratio to the first server's.
    pub(crate) figures: Vec<(BenchMetric, Spread, Spread)>,
    /// What they are made of.
    pub(crate) rounds: Vec<Measurement>,
}

/// A bound for a figure of one server, held against another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Whose.
    pub(crate) peer: Peer,
    /// Which figure: the processor time and a delay at most so many times the other's, a rate at least.
    pub(crate) figure: BenchMetric,
    /// The other.
    pub(crate) to: Peer,
    /// How many times.
    pub(crate) times: f64,
}

/// A goal and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct GoalResult {
    /// For people.
    pub(crate) text: String,
    /// What was found.
    pub(crate) found: Spread,
    /// Whether the median is within the bound.
    pub(crate) met: bool,
}

impl GoalResult {
    /// A figure that is not held against another's.
    pub(crate) fn at_most(what: &str, unit: &str, most: f64, found: Spread) -> Self {
        let text = format!("{what} ≤ {most} {unit}");
        Self { text, found, met: found.median <= most }
    }
}

impl BenchSection {
    /// Of the rounds of each server. `None` if one of them has none.
    pub(crate) fn new(
        title: String,
        load: Load,
        rounds: Vec<(Peer, Vec<Measurement>)>,
        goals: &[Goal],
    ) -> Option<Self> {
        let (_, base) = rounds.first()?;
        let base = base.clone();
        let judged = goals.iter().filter_map(|goal| goal.evaluate(&rounds)).collect();
        let rows = rounds.into_iter().map(|(peer, rounds)| {
            let figures = load.metrics().iter().map(|&figure| {
                let all = rounds.iter().filter_map(|round| round.metric(figure));
                Some((figure, Spread::from_rounds(all)?, ratio(&rounds, &base, figure)?))
            });
            Some(BenchRow { peer, figures: figures.collect::<Option<_>>()?, rounds })
        });
        Some(Self { title, load, rows: rows.collect::<Option<_>>()?, goals: judged })
    }
}

impl Goal {
    fn evaluate(&self, rounds: &[(Peer, Vec<Measurement>)]) -> Option<GoalResult> {
        let of = |peer| Some(&rounds.iter().find(|(other, _)| *other == peer)?.1);
        let found = ratio(of(self.peer)?, of(self.to)?, self.figure)?;
        let Self { peer, figure, to, times } = self;
        let sign = if figure.is_higher_better() { '≥' } else { '≤' };
        let text = format!("{peer}: {} {sign} {times} × {to}", figure.title());
        let met =
            if figure.is_higher_better() { found.median >= *times } else { found.median <= *times };
        Some(GoalResult { text, found, met })
    }
}

/// Of each round's own ratio, so that what slows down all servers in a round does not show.
fn ratio(rounds: &[Measurement], to: &[Measurement], figure: BenchMetric) -> Option<Spread> {
    let pairs = rounds.iter().zip(to);
    Spread::from_rounds(
        pairs.filter_map(|(own, to)| Some(own.metric(figure)? / to.metric(figure)?)),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::EchoLoad;
    use crate::cpu::CpuTime;

    fn measured(messages: u64) -> Measurement {
        let cpu = CpuTime { user: Duration::from_millis(600), system: Duration::from_millis(400) };
        Measurement { messages, elapsed: Duration::from_secs(2), cpu, latency: None }
    }

    #[test]
    fn ratios_are_taken_round_by_round_and_goals_held_against_their_median() {
        let load = Load::Echo(EchoLoad { connections: 1, payload: 1, in_flight: 1 });
        let bare = vec![measured(1_000), measured(500)];
        let other = vec![measured(500), measured(250)];
        let rounds = vec![(Peer::Bare, bare), (Peer::Ws, other)];
        let goal = |figure, times| Goal { peer: Peer::Ws, figure, to: Peer::Bare, times };
        let goals = [goal(BenchMetric::Cpu, 1.9), goal(BenchMetric::Rate, 0.4)];
        let section = BenchSection::new("echo".to_owned(), load, rounds, &goals).unwrap();
        let exactly = |all| Spread { median: all, min: all, max: all };
        let (figure, own, ratio) = section.rows[1].figures[0];
        assert_eq!((figure, own.median, ratio), (BenchMetric::Cpu, 3_000.0, exactly(2.0)));
        assert_eq!(section.rows[1].figures[1].2, exactly(0.5));
        assert_eq!(section.goals.iter().map(|goal| goal.met).collect::<Vec<_>>(), [false, true]);
    }
}

//! One load on several servers, measured in rounds, with its goals.

use serde::Serialize;

use crate::client::Load;
use crate::measurement::{BenchMetric, Measurement};
use crate::peer::Peer;
use crate::spread::Spread;

/// The results of one load on several servers.
#[derive(Serialize)]
pub(crate) struct BenchSection {
    /// The title in the report.
    pub(crate) title: String,
    /// The load.
    pub(crate) load: Load,
    /// The servers. The first is the baseline of the ratios.
    pub(crate) rows: Vec<BenchRow>,
    /// The goals and their results.
    pub(crate) goals: Vec<GoalResult>,
}

/// The results of one server.
#[derive(Serialize)]
pub(crate) struct BenchRow {
    /// The server.
    pub(crate) peer: Peer,
    /// Each metric, with its ratio to the metric of the first server.
    pub(crate) figures: Vec<(BenchMetric, Spread, Spread)>,
    /// The measurements of the rounds.
    pub(crate) rounds: Vec<Measurement>,
}

/// A bound for the ratio of one server's metric to another's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// The server.
    pub(crate) peer: Peer,
    /// The metric. CPU time and latency have an upper bound, a rate has a lower bound.
    pub(crate) figure: BenchMetric,
    /// The server to compare with.
    pub(crate) to: Peer,
    /// The bound of the ratio.
    pub(crate) times: f64,
}

/// A goal and its result.
#[derive(Debug, Serialize)]
pub(crate) struct GoalResult {
    /// The title in the report.
    pub(crate) text: String,
    /// The measured value.
    pub(crate) found: Spread,
    /// Whether the median is within the bound.
    pub(crate) met: bool,
}

impl GoalResult {
    /// Evaluates a goal with a fixed bound.
    pub(crate) fn at_most(what: &str, unit: &str, most: f64, found: Spread) -> Self {
        let text = format!("{what} ≤ {most} {unit}");
        Self { text, found, met: found.median <= most }
    }
}

impl BenchSection {
    /// Creates a section from the rounds of each server. Returns `None` if a server has no rounds.
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

/// Uses the ratio of each round, so a slowdown of all servers in a round cancels out.
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

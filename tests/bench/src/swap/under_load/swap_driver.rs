//! Swaps the plugin, and observes the host and the clients meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::clients::SwapClients;
use super::super::clock::ClockTime;
use super::super::component_file::ComponentFile;
use super::super::delivery_tracker::RoundTripSample;
use super::super::host_log::{HostLog, HostLogEvent};
use super::super::probe;
use super::super::round_trips::RoundTripQuantiles;
use super::super::version::{TestVersion, VersionBuilder, VersionKind};
use super::checks::{SwapLogEvents, check_swap, is_final};
use super::{
    BaselineMeasurement, ChurnMeasurement, SwapCourseArgs, SwapMeasurement, UnderLoadResult,
};
use crate::cpu::CpuTime;
use crate::memory;
use crate::output;

/// The duration of the load before the measurement.
const WARM_UP: Duration = Duration::from_secs(4);

/// The duration of the measurement without swaps.
const BASELINE_DURATION: Duration = Duration::from_secs(10);

/// The pause between two reads of the log.
const LOG_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The time limit for a verdict.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(90);

/// The time limit for the last messages.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The time between two changes of a file that keeps changing.
const CHURN_INTERVAL: Duration = Duration::from_millis(100);

/// The number of warnings that are stored.
const MAX_LOG_WARNINGS: usize = 20;

/// Every kind of version, in the order of a round.
const SWAP_SEQUENCE: [VersionKind; 9] = [
    VersionKind::Good,
    VersionKind::Damaged,
    VersionKind::Good,
    VersionKind::FailsRestore,
    VersionKind::Good,
    VersionKind::FailsLoad,
    VersionKind::Traps,
    VersionKind::FailsSome,
    VersionKind::Good,
];

/// The driver of the swaps under open connections.
pub(super) struct SwapDriver {
    clients: Arc<SwapClients>,
    version_builder: VersionBuilder,
    file: ComponentFile,
    log: HostLog,
    pid: u32,
    rounds: usize,
    churn_duration: Duration,
    log_warnings: Vec<String>,
    memory_peak: i64,
}

impl SwapDriver {
    pub(super) fn new(
        arguments: &SwapCourseArgs,
        clients: Arc<SwapClients>,
    ) -> anyhow::Result<Self> {
        let target = &arguments.target;
        Ok(Self {
            version_builder: target.version_builder()?,
            file: ComponentFile::new(target.file.clone()),
            log: HostLog::open_at_end(&arguments.log, clients.clock)?,
            pid: target.pid,
            rounds: arguments.rounds,
            churn_duration: Duration::from_secs(arguments.churn),
            log_warnings: Vec::new(),
            memory_peak: 0,
            clients,
        })
    }

    /// Runs all parts of the measurement in order.
    pub(super) async fn run(mut self, opening: f64) -> anyhow::Result<UnderLoadResult> {
        output::print_progress(&format!("all open after {opening:.1} s"));
        tokio::time::sleep(WARM_UP).await;
        let quiet = self.measure_baseline().await?;
        let memory_before = memory::resident_bytes(self.pid)?;
        let (mut swaps, mut moving, mut disturbed) = (Vec::new(), Vec::new(), Vec::new());
        for kind in SWAP_SEQUENCE.repeat(self.rounds) {
            let (swap, windows) = self.measure_swap(kind).await?;
            output::print_progress(&format!(
                "{kind:?}: {} after {:.0} ms",
                swap.verdict, swap.decided
            ));
            if let (VersionKind::Good, Some((written, published, ended))) = (kind, windows) {
                moving.push((published, ended));
                disturbed.push((written, ended));
            }
            swaps.push(swap);
        }
        let churn =
            if self.churn_duration.is_zero() { None } else { Some(self.measure_churn().await?) };
        let missing = self.drain_messages().await;
        let ledger = self.clients.lock_tracker();
        let during = |windows: &[(ClockTime, ClockTime)]| {
            let inside = |from: ClockTime, to: ClockTime| {
                let on_way = move |trip: &&RoundTripSample| {
                    trip.sent_at <= to && trip.sent_at + trip.elapsed >= from
                };
                ledger.round_trips.iter().filter(on_way).map(|trip| trip.elapsed)
            };
            RoundTripQuantiles::from_durations(
                windows.iter().flat_map(|(from, to)| inside(*from, *to)),
            )
            .excess_over(&quiet.trips)
        };
        let (pause, disturbance) = (during(&moving), during(&disturbed));
        let sent = ledger.clients.iter().map(|page| page.sent_count + page.group_sent_count).sum();
        let mut violations = ledger.violations.clone();
        if missing > 0 {
            violations.push(format!("{missing} messages are missing"));
        }
        Ok(UnderLoadResult {
            connections: ledger.clients.len(),
            opening,
            quiet,
            swaps,
            pause,
            disturbance,
            churn,
            memory_before,
            memory_peak: self.memory_peak,
            sent,
            received: ledger.received_count(),
            violated: ledger.violation_count + missing,
            violations,
            complaints: self.log_warnings,
        })
    }

    async fn measure_baseline(&mut self) -> anyhow::Result<BaselineMeasurement> {
        let own = std::process::id();
        let totals = || {
            let ledger = self.clients.lock_tracker();
            let sent: u64 =
                ledger.clients.iter().map(|page| page.sent_count + page.group_sent_count).sum();
            (sent, ledger.received_count())
        };
        let (from, host, client, (sent, received)) = (
            self.clients.clock.now(),
            CpuTime::of_process(self.pid)?,
            CpuTime::of_process(own)?,
            totals(),
        );
        tokio::time::sleep(BASELINE_DURATION).await;
        let (to, host, client, (sent_now, received_now)) = (
            self.clients.clock.now(),
            CpuTime::of_process(self.pid)? - host,
            CpuTime::of_process(own)? - client,
            totals(),
        );
        let elapsed = (to - from).as_secs_f64();
        let quiet = BaselineMeasurement {
            sent: (sent_now - sent) as f64 / elapsed,
            received: (received_now - received) as f64 / elapsed,
            host_cores: host.total().as_secs_f64() / elapsed,
            client_cores: client.total().as_secs_f64() / elapsed,
            trips: RoundTripQuantiles::between(&self.clients.lock_tracker().round_trips, from, to),
        };
        output::print_progress(&format!("quiet: {quiet:?}"));
        Ok(quiet)
    }

    /// Changes the file once and returns the result. If consumers moved, it also returns the moments of the change, of
    /// the switch to the new version, and of the last move.
    async fn measure_swap(
        &mut self,
        kind: VersionKind,
    ) -> anyhow::Result<(SwapMeasurement, Option<(ClockTime, ClockTime, ClockTime)>)> {
        let made = self.version_builder.build(kind);
        memory::reset_peak(self.pid)?;
        {
            let mut ledger = self.clients.lock_tracker();
            ledger.is_rollback_allowed = kind == VersionKind::Traps;
            ledger.lost_events = 0;
        }
        let written = self.clients.clock.now();
        self.file.replace(&made.bytes)?;
        let probe = (kind == VersionKind::Good).then(|| self.spawn_probe(&made));
        let (ended, window) = self.wait_for_outcome(kind).await?;
        let decided = self.clients.clock.now();
        let answered = match probe {
            Some(probe) => Some(probe.await?? - written),
            None => None,
        };
        self.wait_for_answers(decided).await;
        let mut ledger = self.clients.lock_tracker();
        check_swap(&mut ledger, kind, &made, &ended);
        let (prepared, moved_in) = match ended.live_event {
            Some(HostLogEvent::Live { prepared, moved_in, .. }) => (Some(prepared), Some(moved_in)),
            _ => (None, None),
        };
        let (from, to) = window.unwrap_or((written, decided));
        let memory = memory::peak_resident_bytes(self.pid)?;
        self.memory_peak = self.memory_peak.max(memory);
        let undone = (kind == VersionKind::Traps).then_some(ended.lost_events);
        let swap = SwapMeasurement {
            kind,
            verdict: describe_outcome(&ended),
            answered: answered.map(millis),
            decided: millis(decided - written),
            prepared: prepared.map(millis),
            moved: moved_in.map(millis),
            trips: RoundTripQuantiles::between(&ledger.round_trips, from, to),
            undone,
            undone_by_count: undone.map(|_| ledger.lost_events),
            memory,
        };
        Ok((swap, window.map(|(from, to)| (written, from, to))))
    }

    /// Opens connections until one gets the version, and returns the moment.
    fn spawn_probe(
        &self,
        made: &TestVersion,
    ) -> tokio::task::JoinHandle<anyhow::Result<ClockTime>> {
        let (clients, name) = (Arc::clone(&self.clients), made.name.clone());
        tokio::spawn(async move {
            probe::wait_for_version(clients.server, &clients.path, &name).await?;
            Ok(clients.clock.now())
        })
    }

    /// Reads the log until it reports the outcome of a change, or until the time limit. Also returns the time in which
    /// consumers moved.
    async fn wait_for_outcome(
        &mut self,
        kind: VersionKind,
    ) -> anyhow::Result<(SwapLogEvents, Option<(ClockTime, ClockTime)>)> {
        let deadline = self.clients.clock.now() + OUTCOME_TIMEOUT;
        let (mut ended, mut window) = (SwapLogEvents::default(), None);
        while self.clients.clock.now() < deadline {
            for line in self.log.read_new_lines()? {
                match &line.event {
                    HostLogEvent::Live { moved_in, .. } => {
                        window = Some((line.logged_at.saturating_sub(*moved_in), line.logged_at));
                        ended.live_event = Some(line.event.clone());
                    }
                    HostLogEvent::InstanceRolledBack { undone }
                    | HostLogEvent::VersionRolledBack { undone } => {
                        ended.lost_events += undone;
                    }
                    HostLogEvent::Warning(warning) => self.record_warning(warning),
                    HostLogEvent::Rejected(_) => {}
                }
                if is_final(kind, &line.event) {
                    ended.final_event = Some(line.event);
                }
            }
            if ended.final_event.is_some() {
                break;
            }
            tokio::time::sleep(LOG_POLL_INTERVAL).await;
        }
        Ok((ended, window))
    }

    /// Stores a warning, unless the guest was told to trap and reports it.
    fn record_warning(&mut self, warning: &str) {
        if !warning.contains("was told to trap") && self.log_warnings.len() < MAX_LOG_WARNINGS {
            self.log_warnings.push(warning.to_owned());
        }
    }

    /// Waits until every client got a reply to a message that it sent after a moment.
    async fn wait_for_answers(&self, since: ClockTime) {
        let deadline = since + DRAIN_TIMEOUT;
        while !self.clients.lock_tracker().all_answered_since(since) {
            if self.clients.clock.now() > deadline {
                self.clients
                    .lock_tracker()
                    .record_violation(|| "a client gets no more replies".to_owned());
                return;
            }
            tokio::time::sleep(LOG_POLL_INTERVAL * 20).await;
        }
    }

    async fn measure_churn(&mut self) -> anyhow::Result<ChurnMeasurement> {
        output::print_progress("a file that changes ten times a second");
        self.clients.lock_tracker().is_rollback_allowed = false;
        memory::reset_peak(self.pid)?;
        let from = self.clients.clock.now();
        let mut beat = tokio::time::interval(CHURN_INTERVAL);
        let (mut changes, mut live) = (0, 0);
        let mut last = self.version_builder.build(VersionKind::Good);
        while self.clients.clock.now() - from < self.churn_duration {
            beat.tick().await;
            last = self.version_builder.build(VersionKind::Good);
            self.file.replace(&last.bytes)?;
            changes += 1;
            live += self.count_live_versions()?;
        }
        let changed = self.clients.clock.now();
        let caught_up = self.spawn_probe(&last).await?? - changed;
        tokio::time::sleep(WARM_UP).await;
        live += self.count_live_versions()?;
        let to = self.clients.clock.now();
        self.wait_for_answers(to).await;
        let mut ledger = self.clients.lock_tracker();
        let (on_it, clients) =
            (ledger.client_count_on_version(&last.name), ledger.clients.len() as u64);
        if on_it != clients {
            ledger.record_violation(|| {
                format!("{on_it} clients are on the last version, not {clients}")
            });
        }
        self.memory_peak = self.memory_peak.max(memory::peak_resident_bytes(self.pid)?);
        let trips = RoundTripQuantiles::between(&ledger.round_trips, from, changed);
        Ok(ChurnMeasurement { changes, live, caught_up: millis(caught_up), trips })
    }

    fn count_live_versions(&mut self) -> anyhow::Result<u64> {
        let mut live = 0;
        for line in self.log.read_new_lines()? {
            match line.event {
                HostLogEvent::Live { .. } => live += 1,
                HostLogEvent::Warning(warning) | HostLogEvent::Rejected(warning) => {
                    self.record_warning(&warning);
                }
                HostLogEvent::InstanceRolledBack { .. }
                | HostLogEvent::VersionRolledBack { .. } => {}
            }
        }
        Ok(live)
    }

    /// Stops sending, waits until no more messages arrive, and counts the missing ones.
    async fn drain_messages(&self) -> u64 {
        self.clients.is_stopped.store(true, Ordering::Relaxed);
        let deadline = self.clients.clock.now() + DRAIN_TIMEOUT;
        // Messages that are being sent at this moment still count.
        tokio::time::sleep(LOG_POLL_INTERVAL * 200).await;
        loop {
            let missing = self.clients.lock_tracker().missing_count();
            if missing == 0 || self.clients.clock.now() > deadline {
                return missing;
            }
            tokio::time::sleep(LOG_POLL_INTERVAL * 20).await;
        }
    }
}

fn describe_outcome(ended: &SwapLogEvents) -> String {
    match &ended.final_event {
        Some(HostLogEvent::Live { moved, stay: 0, .. }) => format!("live, {moved} moved"),
        Some(HostLogEvent::Live { moved, stay, .. }) => format!("live, {moved} moved, {stay} stay"),
        Some(HostLogEvent::Rejected(why)) => format!("refused: {why}"),
        Some(HostLogEvent::VersionRolledBack { .. }) => "rolled back".to_owned(),
        Some(HostLogEvent::InstanceRolledBack { .. } | HostLogEvent::Warning(_)) | None => {
            "no verdict".to_owned()
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

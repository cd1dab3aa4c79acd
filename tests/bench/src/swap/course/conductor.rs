//! Who swaps, and watches host and clients meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::clients::Clients;
use super::super::clock::Moment;
use super::super::file::Watched;
use super::super::hostlog::{HostLog, Told};
use super::super::ledger::Trip;
use super::super::pause::Trips;
use super::super::probe;
use super::super::version::{Kind, Made, Maker};
use super::checks::{Ended, check, is_last};
use super::{Arguments, Churn, Course, Quiet, Swap};
use crate::cpu::CpuTime;
use crate::memory;
use crate::tell;

/// How long the load runs before anything is measured.
const WARM_UP: Duration = Duration::from_secs(4);

/// How long it is watched without swaps.
const QUIET: Duration = Duration::from_secs(10);

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(1);

/// How long a verdict may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the last messages may take.
const DRAIN: Duration = Duration::from_secs(20);

/// Between two changes of a file that changes all the time.
const BEAT: Duration = Duration::from_millis(100);

/// Complaints that are kept.
const MAX_COMPLAINTS: usize = 20;

/// Every kind of version, gone through in this order.
const ROUND: [Kind; 9] = [
    Kind::Good,
    Kind::Damaged,
    Kind::Good,
    Kind::FailsRestore,
    Kind::Good,
    Kind::FailsLoad,
    Kind::Traps,
    Kind::FailsSome,
    Kind::Good,
];

/// Swaps under open connections.
pub(super) struct Conductor {
    clients: Arc<Clients>,
    maker: Maker,
    file: Watched,
    log: HostLog,
    pid: u32,
    rounds: usize,
    churn: Duration,
    complaints: Vec<String>,
    memory_peak: i64,
}

impl Conductor {
    pub(super) fn new(arguments: &Arguments, clients: Arc<Clients>) -> anyhow::Result<Self> {
        let target = &arguments.target;
        Ok(Self {
            maker: target.maker()?,
            file: Watched::new(target.file.clone()),
            log: HostLog::follow(&arguments.log, clients.clock)?,
            pid: target.pid,
            rounds: arguments.rounds,
            churn: Duration::from_secs(arguments.churn),
            complaints: Vec::new(),
            memory_peak: 0,
            clients,
        })
    }

    /// Everything in turn.
    pub(super) async fn conduct(mut self, opening: f64) -> anyhow::Result<Course> {
        tell::progress(&format!("all open after {opening:.1} s"));
        tokio::time::sleep(WARM_UP).await;
        let quiet = self.quiet().await?;
        let memory_before = memory::resident(self.pid)?;
        let (mut swaps, mut moving, mut disturbed) = (Vec::new(), Vec::new(), Vec::new());
        for kind in ROUND.repeat(self.rounds) {
            let (swap, windows) = self.swap(kind).await?;
            tell::progress(&format!("{kind:?}: {} after {:.0} ms", swap.verdict, swap.decided));
            if let (Kind::Good, Some((written, published, ended))) = (kind, windows) {
                moving.push((published, ended));
                disturbed.push((written, ended));
            }
            swaps.push(swap);
        }
        let churn = if self.churn.is_zero() { None } else { Some(self.churn().await?) };
        let missing = self.drain().await;
        let ledger = self.clients.ledger();
        let during = |windows: &[(Moment, Moment)]| {
            let inside = |from: Moment, to: Moment| {
                let on_way = move |trip: &&Trip| trip.sent <= to && trip.sent + trip.took >= from;
                ledger.trips.iter().filter(on_way).map(|trip| trip.took)
            };
            Trips::of(windows.iter().flat_map(|(from, to)| inside(*from, *to))).beyond(&quiet.trips)
        };
        let (pause, disturbance) = (during(&moving), during(&disturbed));
        let sent = ledger.pages.iter().map(|page| page.sent + page.sent_to_group).sum();
        let mut violations = ledger.violations.clone();
        if missing > 0 {
            violations.push(format!("{missing} messages did not come"));
        }
        Ok(Course {
            connections: ledger.pages.len(),
            opening,
            quiet,
            swaps,
            pause,
            disturbance,
            churn,
            memory_before,
            memory_peak: self.memory_peak,
            sent,
            received: ledger.received(),
            violated: ledger.violated + missing,
            violations,
            complaints: self.complaints,
        })
    }

    async fn quiet(&mut self) -> anyhow::Result<Quiet> {
        let own = std::process::id();
        let totals = || {
            let ledger = self.clients.ledger();
            let sent: u64 = ledger.pages.iter().map(|page| page.sent + page.sent_to_group).sum();
            (sent, ledger.received())
        };
        let (from, host, client, (sent, received)) =
            (self.clients.clock.now(), CpuTime::of(self.pid)?, CpuTime::of(own)?, totals());
        tokio::time::sleep(QUIET).await;
        let (to, host, client, (sent_now, received_now)) = (
            self.clients.clock.now(),
            CpuTime::of(self.pid)? - host,
            CpuTime::of(own)? - client,
            totals(),
        );
        let elapsed = (to - from).as_secs_f64();
        let quiet = Quiet {
            sent: (sent_now - sent) as f64 / elapsed,
            received: (received_now - received) as f64 / elapsed,
            host_cores: host.total().as_secs_f64() / elapsed,
            client_cores: client.total().as_secs_f64() / elapsed,
            trips: Trips::between(&self.clients.ledger().trips, from, to),
        };
        tell::progress(&format!("quiet: {quiet:?}"));
        Ok(quiet)
    }

    /// Changes the file once. With what came of it come the moments of the change, the publishing
    /// and the last move, if consumers moved.
    async fn swap(
        &mut self,
        kind: Kind,
    ) -> anyhow::Result<(Swap, Option<(Moment, Moment, Moment)>)> {
        let made = self.maker.make(kind);
        memory::forget_peak(self.pid)?;
        {
            let mut ledger = self.clients.ledger();
            ledger.may_rewind = kind == Kind::Traps;
            ledger.undone = 0;
        }
        let written = self.clients.clock.now();
        self.file.replace(&made.bytes)?;
        let probe = (kind == Kind::Good).then(|| self.probe(&made));
        let (ended, window) = self.await_end(kind).await?;
        let decided = self.clients.clock.now();
        let answered = match probe {
            Some(probe) => Some(probe.await?? - written),
            None => None,
        };
        self.await_news(decided).await;
        let mut ledger = self.clients.ledger();
        check(&mut ledger, kind, &made, &ended);
        let (prepared, moved_in) = match ended.live {
            Some(Told::Live { prepared, moved_in, .. }) => (Some(prepared), Some(moved_in)),
            _ => (None, None),
        };
        let (from, to) = window.unwrap_or((written, decided));
        let memory = memory::peak(self.pid)?;
        self.memory_peak = self.memory_peak.max(memory);
        let undone = (kind == Kind::Traps).then_some(ended.undone);
        let swap = Swap {
            kind,
            verdict: verdict(&ended),
            answered: answered.map(millis),
            decided: millis(decided - written),
            prepared: prepared.map(millis),
            moved: moved_in.map(millis),
            trips: Trips::between(&ledger.trips, from, to),
            undone,
            undone_by_count: undone.map(|_| ledger.undone),
            memory,
        };
        Ok((swap, window.map(|(from, to)| (written, from, to))))
    }

    /// Opens connections until one gets the version, and tells when.
    fn probe(&self, made: &Made) -> tokio::task::JoinHandle<anyhow::Result<Moment>> {
        let (clients, name) = (Arc::clone(&self.clients), made.name.clone());
        tokio::spawn(async move {
            probe::until(clients.server, &clients.path, &name).await?;
            Ok(clients.clock.now())
        })
    }

    /// Reads the log until it has the last word on a change, or has none for too long. Gives the
    /// time in which consumers moved too.
    async fn await_end(&mut self, kind: Kind) -> anyhow::Result<(Ended, Option<(Moment, Moment)>)> {
        let deadline = self.clients.clock.now() + PATIENCE;
        let (mut ended, mut window) = (Ended::default(), None);
        while self.clients.clock.now() < deadline {
            for line in self.log.read()? {
                match &line.told {
                    Told::Live { moved_in, .. } => {
                        window = Some((line.at.saturating_sub(*moved_in), line.at));
                        ended.live = Some(line.told.clone());
                    }
                    Told::WentBack { undone } | Told::TakenBack { undone } => {
                        ended.undone += undone;
                    }
                    Told::Complaint(complaint) => self.complain(complaint),
                    Told::Refused(_) => {}
                }
                if is_last(kind, &line.told) {
                    ended.last = Some(line.told);
                }
            }
            if ended.last.is_some() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok((ended, window))
    }

    /// Keeps a complaint, unless it is the guest's word for what it was told to do.
    fn complain(&mut self, complaint: &str) {
        if !complaint.contains("was told to trap") && self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(complaint.to_owned());
        }
    }

    /// Waits until every client has heard of something it sent after a moment.
    async fn await_news(&self, since: Moment) {
        let deadline = since + DRAIN;
        while !self.clients.ledger().all_heard_since(since) {
            if self.clients.clock.now() > deadline {
                self.clients.ledger().violate(|| "a client hears nothing any more".to_owned());
                return;
            }
            tokio::time::sleep(LOOK * 20).await;
        }
    }

    async fn churn(&mut self) -> anyhow::Result<Churn> {
        tell::progress("a file that changes ten times a second");
        self.clients.ledger().may_rewind = false;
        memory::forget_peak(self.pid)?;
        let from = self.clients.clock.now();
        let mut beat = tokio::time::interval(BEAT);
        let (mut changes, mut live) = (0, 0);
        let mut last = self.maker.make(Kind::Good);
        while self.clients.clock.now() - from < self.churn {
            beat.tick().await;
            last = self.maker.make(Kind::Good);
            self.file.replace(&last.bytes)?;
            changes += 1;
            live += self.count_live()?;
        }
        let changed = self.clients.clock.now();
        let caught_up = self.probe(&last).await?? - changed;
        tokio::time::sleep(WARM_UP).await;
        live += self.count_live()?;
        let to = self.clients.clock.now();
        self.await_news(to).await;
        let mut ledger = self.clients.ledger();
        let (on_it, clients) = (ledger.on_version(&last.name), ledger.pages.len() as u64);
        if on_it != clients {
            ledger.violate(|| format!("{on_it} clients are on the last version, not {clients}"));
        }
        self.memory_peak = self.memory_peak.max(memory::peak(self.pid)?);
        let trips = Trips::between(&ledger.trips, from, changed);
        Ok(Churn { changes, live, caught_up: millis(caught_up), trips })
    }

    fn count_live(&mut self) -> anyhow::Result<u64> {
        let mut live = 0;
        for line in self.log.read()? {
            match line.told {
                Told::Live { .. } => live += 1,
                Told::Complaint(complaint) | Told::Refused(complaint) => self.complain(&complaint),
                Told::WentBack { .. } | Told::TakenBack { .. } => {}
            }
        }
        Ok(live)
    }

    /// Stops sending, and counts what has not come when nothing comes any more.
    async fn drain(&self) -> u64 {
        self.clients.stopped.store(true, Ordering::Relaxed);
        let deadline = self.clients.clock.now() + DRAIN;
        // A message that is being sent as this is said is still counted.
        tokio::time::sleep(LOOK * 200).await;
        loop {
            let missing = self.clients.ledger().missing();
            if missing == 0 || self.clients.clock.now() > deadline {
                return missing;
            }
            tokio::time::sleep(LOOK * 20).await;
        }
    }
}

fn verdict(ended: &Ended) -> String {
    match &ended.last {
        Some(Told::Live { moved, stay: 0, .. }) => format!("live, {moved} moved"),
        Some(Told::Live { moved, stay, .. }) => format!("live, {moved} moved, {stay} stay"),
        Some(Told::Refused(why)) => format!("refused: {why}"),
        Some(Told::TakenBack { .. }) => "taken back".to_owned(),
        Some(Told::WentBack { .. } | Told::Complaint(_)) | None => "no verdict".to_owned(),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

//! Several hosts with one store, with simulated clocks.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod test_store;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use narrowboat_config::{CronConfig, CronSchedule, CronZone};
use narrowboat_core::name::Tenant;
use narrowboat_schedule::{
    LastRun, RunOutcome, ScheduleIdentity, ScheduleStatus, ScheduledRun, Scheduler, StartRun,
    WallClock,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use test_store::TestStore;

/// Runs a test on a runtime whose clock jumps from timer to timer.
pub(crate) fn run_test(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

/// Runs a test of hosts with one schedule, which begin at a time. `skews` has the seconds by which the clock of each is
/// ahead.
pub(crate) fn with_hosts(
    skews: &[i64],
    time: &str,
    config: CronConfig,
    test: impl AsyncFnOnce(Cluster),
) {
    run_test(async {
        let mut cluster = Cluster::starting_at(time, config);
        skews.iter().for_each(|skew| cluster.start_host(*skew));
        test(cluster).await;
    });
}

/// A schedule in UTC whose runs are repeated.
pub(crate) fn at_least_once(expression: &str) -> CronConfig {
    CronConfig { at_least_once: true, ..utc(expression) }
}

/// A schedule in UTC that makes up for the last missed run.
pub(crate) fn catch_up(expression: &str) -> CronConfig {
    CronConfig { catch_up: true, ..utc(expression) }
}

/// A schedule in UTC.
pub(crate) fn utc(expression: &str) -> CronConfig {
    in_zone(expression, "UTC")
}

/// A schedule in the time zone of Berlin.
pub(crate) fn berlin(expression: &str) -> CronConfig {
    in_zone(expression, "Europe/Berlin")
}

fn in_zone(expression: &str, zone: &str) -> CronConfig {
    let schedule = CronSchedule::parse(expression, CronZone::find(zone).unwrap()).unwrap();
    CronConfig { schedule, at_least_once: false, catch_up: false }
}

/// Several hosts with one schedule and one store.
pub(crate) struct Cluster {
    config: CronConfig,
    /// The channel of the schedule.
    channel: String,
    /// The true time.
    clock: WallClock,
    pub(crate) store: Arc<TestStore>,
    hosts: Vec<TestHost>,
    log: Arc<Mutex<RunLog>>,
}

struct TestHost {
    clock: WallClock,
    status: Arc<ScheduleStatus>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The runs of the workers of all hosts.
#[derive(Default)]
struct RunLog {
    started: Vec<ScheduledRun>,
    outcomes: VecDeque<RunOutcome>,
    run_time: Duration,
    running: usize,
    most_at_a_time: usize,
}

impl Cluster {
    pub(crate) fn starting_at(time: &str, config: CronConfig) -> Self {
        Self::of_channel("reports", time, config, Arc::default())
    }

    /// Hosts with the schedule of a channel, in a store with further schedules.
    pub(crate) fn of_channel(
        channel: &str,
        time: &str,
        config: CronConfig,
        store: Arc<TestStore>,
    ) -> Self {
        let time: jiff::Timestamp = time.parse().unwrap();
        let seconds = u64::try_from(time.as_second()).unwrap();
        Self {
            config,
            channel: channel.to_owned(),
            clock: WallClock::simulated(Duration::from_secs(seconds)),
            store,
            hosts: Vec::new(),
            log: Arc::default(),
        }
    }

    /// Starts a host whose clock is ahead by seconds.
    pub(crate) fn start_host(&mut self, skew: i64) {
        let clock = WallClock::simulated(self.clock.now());
        clock.step(skew);
        let identity = ScheduleIdentity {
            tenant: Tenant::default_tenant(),
            plugin: "reports".to_owned(),
            channel: self.channel.parse().unwrap(),
        };
        let (status, stop) = (Arc::<ScheduleStatus>::default(), watch::Sender::new(false));
        let (config, store) = (self.config.clone(), Arc::clone(&self.store));
        let scheduler = Scheduler::new(config, identity, clock.clone(), store, Arc::clone(&status));
        let log = Arc::clone(&self.log);
        let stopping = stop.subscribe();
        let task = tokio::spawn(async move {
            let start: &StartRun<'_> = &|run| Box::pin(run_worker(Arc::clone(&log), run));
            scheduler.run(start, stopping).await;
        });
        self.hosts.push(TestHost { clock, status, stop, task });
    }

    /// Ends a host at once.
    pub(crate) fn kill_host(&mut self, host: usize) {
        self.hosts[host].task.abort();
        // The run of the host ends with it.
        self.log.lock().unwrap().running = 0;
    }

    /// Stops a host, and waits until it has ended.
    pub(crate) async fn stop_host(&mut self, host: usize) {
        self.hosts[host].stop.send_replace(true);
        (&mut self.hosts[host].task).await.unwrap();
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn clock(&self, host: usize) -> &WallClock {
        &self.hosts[host].clock
    }

    /// The outcomes of the next runs; later ones succeed.
    pub(crate) fn outcomes(&self, outcomes: &[RunOutcome]) {
        self.log.lock().unwrap().outcomes.extend(outcomes);
    }

    /// The time that each run takes.
    pub(crate) fn run_time(&self, time: Duration) {
        self.log.lock().unwrap().run_time = time;
    }

    /// The runs that workers have begun.
    pub(crate) fn started(&self) -> Vec<ScheduledRun> {
        self.log.lock().unwrap().started.clone()
    }

    /// The nominal times of the runs that workers have begun.
    pub(crate) fn runs(&self) -> Vec<String> {
        let format = |run: ScheduledRun| self.config.schedule.format_time(run.nominal);
        self.started().into_iter().map(format).collect()
    }

    /// The most runs at one moment.
    pub(crate) fn most_at_a_time(&self) -> usize {
        self.log.lock().unwrap().most_at_a_time
    }

    pub(crate) fn last_run(&self, host: usize) -> Option<LastRun> {
        self.hosts[host].status.last_run()
    }

    pub(crate) fn missed(&self) -> u64 {
        self.hosts.iter().map(|host| host.status.counters.missed()).sum()
    }

    pub(crate) fn abandoned(&self) -> u64 {
        let runs = self.hosts.iter().flat_map(|host| host.status.counters.runs());
        runs.filter(|(result, _)| *result == "abandoned").map(|(_, count)| count).sum()
    }

    pub(crate) fn store_errors(&self) -> u64 {
        self.hosts.iter().map(|host| host.status.counters.store_errors()).sum()
    }
}

async fn run_worker(log: Arc<Mutex<RunLog>>, run: ScheduledRun) -> RunOutcome {
    let run_time = {
        let mut log = log.lock().unwrap();
        log.started.push(run);
        log.running += 1;
        log.most_at_a_time = log.most_at_a_time.max(log.running);
        log.run_time
    };
    tokio::time::sleep(run_time).await;
    let mut log = log.lock().unwrap();
    log.running -= 1;
    log.outcomes.pop_front().unwrap_or(RunOutcome::Succeeded)
}

//! Runs of a schedule on several hosts with one store, with simulated clocks.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use narrowboat_schedule::{RunOutcome, RunState, START_WINDOW};
use support::{Cluster, at_least_once, berlin, catch_up, run_test, utc, with_hosts};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[test]
fn three_hosts_with_skewed_clocks_run_each_time_once_while_clocks_are_put_forward() {
    with_hosts(&[0, 120, -120], "2026-03-27T12:00:00Z", berlin("30 2 * * *"), async |cluster| {
        cluster.pass(DAY * 4).await;
        let expected = [
            "2026-03-28T02:30:00+01:00",
            // The hour from two to three is left out.
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:30:00+02:00",
            "2026-03-31T02:30:00+02:00",
        ];
        assert_eq!(cluster.runs(), expected);
        assert_eq!(cluster.missed(), 0);
    });
}

#[test]
fn three_hosts_with_skewed_clocks_run_each_time_once_while_clocks_are_put_back() {
    run_test(async {
        let mut cluster = Cluster::starting_at("2026-10-24T20:00:00Z", berlin("30 2 * * *"));
        let mut hourly = Cluster::starting_at("2026-10-24T23:00:00Z", berlin("30 * * * *"));
        for skew in [0, 200, -200] {
            cluster.start_host(skew);
            hourly.start_host(skew);
        }
        cluster.pass(DAY * 2).await;
        assert_eq!(cluster.runs(), ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
        let first = [
            "2026-10-25T01:30:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:30:00+01:00",
        ];
        assert_eq!(hourly.runs()[..4], first);
        assert_eq!((hourly.runs().len(), hourly.missed()), (48, 0));
    });
}

#[test]
fn five_thousand_schedules_of_two_hosts_run_each_time_once() {
    run_test(async {
        let store = Arc::default();
        let mut clusters: Vec<_> = (0..5_000)
            .map(|at| {
                let (channel, config) = (format!("reports-{at}"), utc("* * * * *"));
                Cluster::of_channel(&channel, "2026-01-01T07:59:30Z", config, Arc::clone(&store))
            })
            .collect();
        for cluster in &mut clusters {
            cluster.start_host(0);
            cluster.start_host(1);
        }
        clusters[0].pass(2 * MINUTE).await;
        let expected = ["2026-01-01T08:00:00+00:00", "2026-01-01T08:01:00+00:00"];
        for cluster in &clusters {
            assert_eq!((cluster.runs(), cluster.missed()), (expected.map(str::to_owned).into(), 0));
        }
    });
}

#[test]
fn a_run_starts_at_its_time_with_its_time() {
    with_hosts(&[0], "2026-01-01T07:59:30Z", utc("0 8 * * *"), async |cluster| {
        cluster.pass(29).await;
        assert!(cluster.runs().is_empty());
        cluster.pass(2).await;
        assert_eq!(cluster.runs(), ["2026-01-01T08:00:00+00:00"]);
        let last = cluster.last_run(0).unwrap();
        assert_eq!((last.attempt, last.state), (1, RunState::Succeeded));
    });
}

#[test]
fn a_time_runs_once_although_the_clock_is_put_back_and_forward() {
    with_hosts(&[0], "2026-01-01T00:00:10Z", utc("0 * * * *"), async |cluster| {
        cluster.pass(2 * HOUR).await;
        cluster.clock(0).step(-2 * 3600);
        cluster.pass(2 * HOUR).await;
        assert_eq!(cluster.runs().len(), 2);
        cluster.clock(0).step(3 * 3600);
        cluster.pass(30 * MINUTE).await;
        // Two of the three times that the clock has left out, and the third is 10 s old.
        assert_eq!(cluster.runs()[2..], ["2026-01-01T05:00:00+00:00"]);
        assert_eq!(cluster.missed(), 2);
    });
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_the_schedule() {
    with_hosts(&[0], "2026-01-01T12:00:00Z", utc("0 8 * * *"), async |cluster| {
        cluster.clock(0).step(10 * 365 * 86_400);
        cluster.pass(5 * MINUTE).await;
        cluster.clock(0).step(-10 * 365 * 86_400);
        cluster.pass(2 * DAY).await;
        assert_eq!(cluster.runs(), ["2026-01-02T08:00:00+00:00", "2026-01-03T08:00:00+00:00"]);
    });
}

#[test]
fn a_run_that_no_host_started_in_time_is_missed_and_counted_once() {
    with_hosts(&[0], "2026-01-01T07:00:00Z", utc("0 8 * * *"), async |mut cluster| {
        cluster.pass(MINUTE).await;
        cluster.kill_host(0);
        cluster.pass(2 * DAY + 2 * HOUR).await;
        cluster.start_host(0);
        cluster.start_host(0);
        cluster.pass(HOUR).await;
        assert!(cluster.runs().is_empty());
        assert_eq!(cluster.missed(), 3);
    });
}

#[test]
fn a_host_that_is_back_within_the_window_starts_the_run() {
    with_hosts(&[0], "2026-01-01T07:59:00Z", utc("0 8 * * *"), async |mut cluster| {
        cluster.pass(30).await;
        cluster.kill_host(0);
        cluster.pass(30 + START_WINDOW.unsigned_abs() - 10).await;
        cluster.start_host(0);
        cluster.pass(5).await;
        assert_eq!((cluster.runs().len(), cluster.missed()), (1, 0));
    });
}

#[test]
fn with_catch_up_the_last_missed_run_is_made_up_for() {
    with_hosts(&[0], "2026-01-01T07:00:00Z", catch_up("0 8 * * *"), async |mut cluster| {
        cluster.pass(MINUTE).await;
        cluster.kill_host(0);
        cluster.pass(2 * DAY + 2 * HOUR).await;
        cluster.start_host(0);
        cluster.start_host(5);
        cluster.pass(HOUR).await;
        assert_eq!(cluster.runs(), ["2026-01-03T08:00:00+00:00"]);
        assert!(cluster.started()[0].is_late);
        assert_eq!(cluster.missed(), 2);
    });
}

#[test]
fn a_new_schedule_starts_no_run_of_the_past() {
    with_hosts(&[0], "2026-01-01T08:01:00Z", catch_up("0 8 * * *"), async |cluster| {
        cluster.pass(HOUR).await;
        assert!(cluster.runs().is_empty());
        assert_eq!(cluster.missed(), 0);
    });
}

#[test]
fn while_the_store_is_away_nothing_runs_and_a_run_starts_when_it_is_back_in_time() {
    with_hosts(&[0], "2026-01-01T07:59:00Z", utc("0 8 * * *"), async |cluster| {
        cluster.pass(30).await;
        cluster.store.set_away(true);
        cluster.pass(4 * MINUTE).await;
        assert!(cluster.runs().is_empty());
        cluster.store.set_away(false);
        cluster.pass(10).await;
        assert_eq!(cluster.runs(), ["2026-01-01T08:00:00+00:00"]);
        cluster.store.set_away(true);
        cluster.pass(DAY + 10 * MINUTE).await;
        cluster.store.set_away(false);
        cluster.pass(MINUTE).await;
        assert_eq!((cluster.runs().len(), cluster.missed()), (1, 1));
        assert!(cluster.store_errors() > 0);
    });
}

#[test]
fn a_claim_without_an_answer_runs_once() {
    with_hosts(&[0, 1], "2026-01-01T07:59:00Z", utc("0 8 * * *"), async |cluster| {
        cluster.pass(30).await;
        cluster.store.lose_next_answers(1);
        cluster.pass(MINUTE).await;
        assert_eq!((cluster.runs().len(), cluster.missed()), (1, 0));
    });
}

#[test]
fn a_run_whose_end_the_store_did_not_take_runs_once_and_its_end_is_recorded_later() {
    with_hosts(&[0, -1], "2026-01-01T07:59:50Z", utc("* 8 * * *"), async |cluster| {
        cluster.run_time(Duration::from_secs(20));
        cluster.pass(15).await;
        cluster.store.set_away(true);
        cluster.pass(30).await;
        cluster.store.set_away(false);
        cluster.pass(10).await;
        assert_eq!(cluster.runs(), ["2026-01-01T08:00:00+00:00"]);
        assert_eq!(cluster.last_run(0).unwrap().state, RunState::Succeeded);
        cluster.pass(HOUR).await;
        let runs = cluster.runs();
        let mut distinct = runs.clone();
        distinct.dedup();
        assert_eq!((runs.len(), runs), (60, distinct));
    });
}

#[test]
fn a_failed_run_is_not_repeated() {
    with_hosts(&[0, 0], "2026-01-01T07:59:00Z", utc("0 8 * * *"), async |cluster| {
        cluster.outcomes(&[RunOutcome::Failed]);
        cluster.pass(HOUR).await;
        assert_eq!(cluster.runs().len(), 1);
        assert_eq!(cluster.last_run(0).unwrap().state, RunState::Failed);
        assert_eq!(cluster.last_run(1).unwrap().state, RunState::Failed);
    });
}

#[test]
fn at_least_once_repeats_a_failed_run_until_it_succeeds() {
    with_hosts(&[0, 0, 0], "2026-01-01T07:59:00Z", at_least_once("0 8 * * *"), async |cluster| {
        cluster.outcomes(&[RunOutcome::Failed, RunOutcome::Failed]);
        cluster.pass(HOUR).await;
        let attempts: Vec<_> = cluster.started().iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, [1, 2, 3]);
        assert_eq!(cluster.last_run(2).unwrap().state, RunState::Succeeded);
    });
}

#[test]
fn at_least_once_gives_up_after_five_attempts() {
    with_hosts(&[0], "2026-01-01T07:59:00Z", at_least_once("0 8 * * *"), async |cluster| {
        cluster.outcomes(&[RunOutcome::Failed; 100]);
        cluster.pass(HOUR).await;
        assert_eq!(cluster.started().len(), 5);
        assert_eq!(cluster.abandoned(), 1);
        assert_eq!(cluster.last_run(0).unwrap().state, RunState::Failed);
    });
}

#[test]
fn at_least_once_another_host_repeats_the_run_of_one_that_died() {
    with_hosts(&[0], "2026-01-01T07:59:50Z", at_least_once("0 8 * * *"), async |mut cluster| {
        cluster.run_time(Duration::from_secs(20));
        cluster.pass(15).await;
        assert_eq!(cluster.started().len(), 1);
        cluster.kill_host(0);
        // Its clock is ten minutes ahead, and it waits for the lease all the same.
        cluster.start_host(600);
        cluster.pass(20).await;
        assert_eq!(cluster.started().len(), 1);
        cluster.pass(MINUTE).await;
        let attempts: Vec<_> = cluster.started().iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, [1, 2]);
    });
}

#[test]
fn at_least_once_a_long_run_is_not_taken_over_while_its_host_lives() {
    with_hosts(
        &[0, 30, -30],
        "2026-01-01T07:59:50Z",
        at_least_once("*/2 * * * *"),
        async |cluster| {
            cluster.run_time(Duration::from_secs(100));
            cluster.pass(20 * MINUTE).await;
            let runs = cluster.runs();
            let mut distinct = runs.clone();
            distinct.dedup();
            assert_eq!(runs, distinct);
            assert_eq!(cluster.most_at_a_time(), 1);
        },
    );
}

#[test]
fn without_repeats_the_run_of_a_host_that_died_is_lost_and_the_next_one_runs() {
    with_hosts(&[0, -1], "2026-01-01T07:59:50Z", utc("0 * * * *"), async |mut cluster| {
        cluster.run_time(Duration::from_secs(20));
        cluster.pass(15).await;
        cluster.kill_host(0);
        cluster.pass(HOUR + MINUTE).await;
        assert_eq!(cluster.runs(), ["2026-01-01T08:00:00+00:00", "2026-01-01T09:00:00+00:00"]);
    });
}

#[test]
fn a_host_that_stops_waits_for_its_run_and_records_the_end() {
    with_hosts(
        &[0, -1],
        "2026-01-01T07:59:50Z",
        at_least_once("0 8 * * *"),
        async |mut cluster| {
            cluster.run_time(Duration::from_secs(20));
            cluster.pass(15).await;
            cluster.stop_host(0).await;
            cluster.pass(HOUR).await;
            assert_eq!(cluster.started().len(), 1);
            assert_eq!(cluster.last_run(1).unwrap().state, RunState::Succeeded);
        },
    );
}

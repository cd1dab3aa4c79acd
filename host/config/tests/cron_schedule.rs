//! The times of schedules: fields, months, leap days, and clocks that are put forward and back.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use jiff::Timestamp;
use narrowboat_config::{CronSchedule, CronZone};
use support::{ECHO, assert_refused, default_tenant, parse};

fn schedule(expression: &str, zone: &str) -> CronSchedule {
    CronSchedule::parse(expression, CronZone::find(zone).unwrap()).unwrap()
}

fn unix(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

/// The first times after a time, in the time zone.
fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let next = |time: &i64| schedule.next_after(*time);
    let times = std::iter::successors(schedule.next_after(unix(after)), next).take(count);
    times.map(|time| schedule.format_time(time)).collect()
}

/// Asserts the first times after a time.
#[track_caller]
fn assert_times(expression: &str, zone: &str, after: &str, expected: &[&str]) {
    assert_eq!(times(expression, zone, after, expected.len()), expected, "{expression} {zone}");
}

#[test]
fn a_time_of_day_follows_the_clock_of_its_zone() {
    let winter_and_summer =
        ["2026-03-28T08:00:00+01:00", "2026-03-29T08:00:00+02:00", "2026-03-30T08:00:00+02:00"];
    assert_times("0 8 * * *", "Europe/Berlin", "2026-03-27T08:00:00Z", &winter_and_summer);
}

#[test]
fn a_fixed_time_in_a_gap_runs_once_at_the_end_of_the_gap() {
    let expected = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
    assert_times("30 2 * * *", "Europe/Berlin", "2026-03-28T10:00:00Z", &expected);
    let both = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"];
    assert_times("0,30 2 * * *", "Europe/Berlin", "2026-03-28T10:00:00Z", &both);
}

#[test]
fn a_fixed_time_in_a_repeated_hour_runs_once_at_its_first_occurrence() {
    let expected = ["2026-10-25T02:30:00+02:00", "2026-10-25T14:30:00+01:00"];
    assert_times("30 2,14 * * *", "Europe/Berlin", "2026-10-24T20:00:00Z", &expected);
}

#[test]
fn a_wildcard_runs_at_each_moment_that_matches() {
    let spring = ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"];
    assert_times("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", &spring);
    let autumn = [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ];
    assert_times("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", &autumn);
    let full_hours = ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"];
    assert_times("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", &full_hours);
}

#[test]
fn a_wildcard_of_one_hour_does_not_run_on_the_day_without_that_hour() {
    let expected = ["2026-03-30T02:00:00+02:00", "2026-03-30T02:30:00+02:00"];
    assert_times("*/30 2 * * *", "Europe/Berlin", "2026-03-28T10:00:00Z", &expected);
}

#[test]
fn changes_of_half_an_hour_and_of_a_whole_day_are_known() {
    let half = ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"];
    assert_times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T10:00:00Z", &half);
    // Samoa left out 30 December 2011.
    let day =
        ["2011-12-29T08:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T08:00:00+14:00"];
    assert_times("0 8 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", &day);
}

#[test]
fn day_of_month_and_day_of_week_are_alternatives() {
    let expected =
        ["2026-02-13", "2026-02-16", "2026-02-23", "2026-03-02", "2026-03-09", "2026-03-13"];
    let expected = expected.map(|day| format!("{day}T00:00:00+00:00"));
    assert_eq!(times("0 0 13 * 1", "UTC", "2026-02-10T00:00:00Z", 6), expected);
}

#[test]
fn months_without_the_day_are_left_out() {
    let expected = ["2026-01-31T00:00:00+00:00", "2026-03-31T00:00:00+00:00"];
    assert_times("0 0 31 * *", "UTC", "2026-01-01T00:00:00Z", &expected);
    let leap = ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"];
    assert_times("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &leap);
    let last = ["2026-02-28T12:00:00+00:00", "2026-03-31T12:00:00+00:00"];
    assert_times("0 12 L * *", "UTC", "2026-02-01T00:00:00Z", &last);
}

#[test]
fn names_stand_for_expressions() {
    for (name, expression) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 JAN *"),
        ("@annually", "0 0 1 1 *"),
    ] {
        let of = |text| times(text, "Asia/Tokyo", "2026-05-05T05:05:05Z", 4);
        assert_eq!(of(name), of(expression), "{name}");
    }
}

#[test]
fn the_latest_time_of_an_interval_is_found() {
    let daily = schedule("0 8 * * *", "Europe/Berlin");
    let (start, end) = (unix("2024-01-01T00:00:00Z"), unix("2026-11-30T06:59:59Z"));
    let latest = daily.latest_between(start, end).unwrap();
    assert_eq!(daily.format_time(latest), "2026-11-29T08:00:00+01:00");
    assert_eq!(daily.latest_between(start, latest), Some(latest));
    assert_eq!(daily.latest_between(latest, end), None);
    assert_eq!(daily.latest_between(end, start), None);
    assert_eq!(daily.count_between(latest - 86_400 * 3, latest, 1000), 2);
    assert_eq!(daily.count_between(start, latest, 1000), 1000);
}

/// A configuration with a worker that has these keys, whose lines begin with the sixth.
fn worker(keys: &str) -> String {
    format!("{ECHO}[[workers]]\nchannel = \"jobs\"\nplugin = \"echo\"\n{keys}")
}

#[test]
fn a_worker_has_a_schedule() {
    let text = "cron = \"0  8 * * 1-5\"\ntimezone = \"europe/berlin\"\nat_least_once = true\n";
    let config = parse(&worker(text)).unwrap();
    let cron = default_tenant(&config).workers[0].cron.clone().unwrap();
    assert_eq!(cron.schedule.expression(), "0 8 * * 1-5");
    assert_eq!(cron.schedule.zone_name(), "Europe/Berlin");
    assert!(cron.at_least_once && !cron.catch_up);
    let utc = parse(&worker("cron = \"@daily\"\n")).unwrap();
    let utc = default_tenant(&utc).workers[0].cron.clone().unwrap();
    assert_eq!(utc.schedule.zone_name(), "UTC");
}

#[test]
fn an_error_names_the_field() {
    for (cron, words) in [
        ("0 25 * * *", &["workers.cron", "field 2 (hour)", "\"25\"", "0..=23"][..]),
        ("0 8 * * FUNDAY", &["field 5 (day of week)", "\"FUNDAY\""]),
        ("*/0 * * * *", &["field 1 (minute)", "step"]),
        ("0 0 0 * *", &["field 3 (day of month)"]),
        ("0 0 8 * * *", &["has 6 fields; write five"]),
        ("0 8 * * * Europe/Berlin", &["has 6 fields; write five"]),
        ("", &["has 0 fields"]),
        ("@never", &["there is no name", "@daily"]),
        ("@reboot", &["there is no name"]),
        ("0 0 30 2 *", &["never runs"]),
        ("0 0 31 4,6 *", &["never runs"]),
    ] {
        assert_refused(&worker(&format!("cron = {cron:?}\n")), 6, words);
    }
}

#[test]
fn keys_of_a_schedule_need_one_another() {
    let both = worker("every = \"10s\"\ncron = \"@daily\"\n");
    assert_refused(&both, 7, &["workers.cron", "either `every` or `cron`"]);
    for key in ["timezone = \"Asia/Tokyo\"", "at_least_once = true", "catch_up = true"] {
        assert_refused(&worker(&format!("{key}\n")), 6, &["add `cron`"]);
    }
    let zone = worker("cron = \"@daily\"\ntimezone = \"Europe/Berlyn\"\n");
    assert_refused(&zone, 7, &["workers.timezone", "did you mean \"Europe/Berlin\"?"]);
    let nowhere = worker("cron = \"@daily\"\ntimezone = \"Nowhere\"\n");
    assert_refused(&nowhere, 7, &["there is no time zone \"Nowhere\""]);
}

//! The times at which a schedule of cron runs.

use std::fmt;

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// The five fields of an expression, in their order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

/// The name of the time zone of a schedule that names none.
pub(super) const DEFAULT_ZONE: &str = "UTC";

/// The names that stand for an expression.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A time before a leap day, from which each expression that ever matches does so within the four years of a search.
const SEARCH_START: i64 = 1_703_980_800;

/// The largest number of periods that a search covers. The offset from UTC is constant in each of them.
const MAX_SEGMENTS: usize = 64;

/// The most local times in one repeated hour or gap.
const MAX_LOCAL_TIMES: usize = 2 * 24 * 60;

/// An expression of cron in a time zone. Its times are Unix times in whole seconds.
///
/// The database of time zones is part of the program, so that all hosts of a version agree on the times.
#[derive(Clone)]
pub struct CronSchedule {
    expression: String,
    zone_name: String,
    zone: TimeZone,
    /// The expression in UTC, where no local time is missing or repeated.
    local_times: Crontab,
    /// Whether neither the minute nor the hour begins with `*`.
    has_fixed_times: bool,
}

impl CronSchedule {
    /// Parses an expression of five fields, or a name such as `@daily`.
    ///
    /// # Errors
    /// The problem, with the field.
    pub fn parse(expression: &str, zone: CronZone) -> Result<Self, String> {
        let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        let fields = expand_nickname(&expression)?;
        let words: Vec<_> = fields.split(' ').filter(|word| !word.is_empty()).collect();
        if words.len() != FIELDS.len() {
            return Err(format!(
                "has {} fields; write five: {}, for example \"0 8 * * 1-5\"",
                words.len(),
                FIELDS.join(", ")
            ));
        }
        for (index, word) in words.iter().enumerate() {
            check_field(index, word)?;
        }
        let schedule = Self {
            local_times: parse_fields(fields).map_err(|error| error.to_string())?,
            has_fixed_times: !words.iter().take(2).any(|word| word.starts_with('*')),
            expression,
            zone_name: zone.name,
            zone: zone.zone,
        };
        match schedule.next_after(SEARCH_START) {
            Some(_) => Ok(schedule),
            None => Err("never runs: no month has such a day".to_owned()),
        }
    }

    /// The expression, with one space between two fields.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the time zone.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// The first time after a time. `None` if there is none within four years.
    pub fn next_after(&self, after: i64) -> Option<i64> {
        let after = Timestamp::from_second(after).ok()?;
        let next = match self.has_fixed_times {
            true => self.next_fixed(after),
            false => self.next_wildcard(after),
        };
        next.map(Timestamp::as_second)
    }

    /// The last time after `after` that is not after `until`.
    pub fn latest_between(&self, after: i64, until: i64) -> Option<i64> {
        let is_due = |time: i64| self.next_after(time).is_some_and(|next| next <= until);
        if !is_due(after) {
            return None;
        }
        // `is_due` is true up to the second before the time that is looked for, and false from it on.
        let (mut low, mut high) = (after, until);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_due(middle) { low = middle } else { high = middle }
        }
        self.next_after(low)
    }

    /// The number of times after `after` and before `before`, at most `most`.
    pub fn count_between(&self, after: i64, before: i64, most: usize) -> usize {
        let times = std::iter::successors(self.next_after(after), |time| self.next_after(*time));
        times.take(most).take_while(|time| *time < before).count()
    }

    /// A time in the time zone, as RFC 3339.
    pub fn format_time(&self, time: i64) -> String {
        let Ok(time) = Timestamp::from_second(time) else { return String::new() };
        let offset = self.zone.to_offset(time);
        time.display_with_offset(offset).to_string()
    }

    /// The next time of an expression with fixed times: each local time once, at its first occurrence. A local time that
    /// does not exist is the end of its gap.
    fn next_fixed(&self, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.zone.to_datetime(after);
        for _ in 0..MAX_LOCAL_TIMES {
            local = self.next_local_time(local)?;
            let time = match self.zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => to_timestamp(local, offset)?,
                AmbiguousOffset::Fold { before, .. } => to_timestamp(local, before)?,
                // With the later offset the local time is before the transition that skips it.
                AmbiguousOffset::Gap { after, .. } => {
                    let before_gap = to_timestamp(local, after)?;
                    self.zone.following(before_gap).next()?.timestamp()
                }
            };
            if time > after {
                return Some(time);
            }
        }
        None
    }

    /// The next time of an expression with a wildcard: each moment at which the local clock shows a time that matches.
    fn next_wildcard(&self, after: Timestamp) -> Option<Timestamp> {
        let mut start = after;
        for _ in 0..MAX_SEGMENTS {
            let offset = self.zone.to_offset(start);
            let end = self.zone.following(start).next().map(|transition| transition.timestamp());
            let next = self.next_local_time(offset.to_datetime(start));
            let time = next.and_then(|local| to_timestamp(local, offset));
            match (time, end) {
                (Some(time), None) => return Some(time),
                (Some(time), Some(end)) if time < end => return Some(time),
                (_, Some(end)) => {
                    // The transition itself may be a time of the schedule, and a search begins after its start.
                    let offset = self.zone.to_offset(end);
                    let before = offset.to_datetime(end).checked_sub(jiff::Span::new().seconds(1));
                    let first = self.next_local_time(before.ok()?);
                    if first.and_then(|local| to_timestamp(local, offset)) == Some(end) {
                        return Some(end);
                    }
                    start = end;
                }
                (None, None) => return None,
            }
        }
        None
    }

    /// The next local time that the expression matches.
    fn next_local_time(&self, after: DateTime) -> Option<DateTime> {
        let after = to_timestamp(after, Offset::UTC)?;
        self.local_times.find_next(after).ok().map(|next| next.datetime())
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronSchedule({} {})", self.expression, self.zone_name)
    }
}

impl PartialEq for CronSchedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.expression, &self.zone_name) == (&other.expression, &other.zone_name)
    }
}

impl Eq for CronSchedule {}

/// A time zone of the IANA database.
#[derive(Debug, Clone)]
pub struct CronZone {
    name: String,
    zone: TimeZone,
}

impl CronZone {
    /// Finds a time zone by its name.
    ///
    /// # Errors
    /// The problem, with a similar name if there is one.
    pub fn find(name: &str) -> Result<Self, String> {
        let zone = TimeZone::get(name).map_err(|_| unknown_zone_message(name))?;
        let canonical = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name: canonical, zone })
    }
}

impl Default for CronZone {
    fn default() -> Self {
        Self { name: DEFAULT_ZONE.to_owned(), zone: TimeZone::UTC }
    }
}

fn unknown_zone_message(name: &str) -> String {
    let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let hint = match super::closest_match(name, names.iter().map(String::as_str)) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None => "write a name of the IANA database, such as \"Europe/Berlin\"".to_owned(),
    };
    format!("there is no time zone {name:?}; {hint}")
}

fn expand_nickname(expression: &str) -> Result<&str, String> {
    if !expression.starts_with('@') {
        return Ok(expression);
    }
    let lower = expression.to_ascii_lowercase();
    let known = NICKNAMES.iter().find(|(name, _)| *name == lower);
    known.map(|(_, fields)| *fields).ok_or_else(|| {
        let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        format!(
            "there is no name {expression:?}; write five fields, or one of {}",
            names.join(", ")
        )
    })
}

/// Checks one field with the others at `*`, so that the error can name it.
fn check_field(index: usize, word: &str) -> Result<(), String> {
    let mut words = ["*"; FIELDS.len()];
    words[index] = word;
    parse_fields(&words.join(" ")).map(drop).map_err(|error| {
        let text = error.to_string();
        // The error shows the expression, and then a caret with the reason.
        let reason = text.rsplit_once("^ ").map_or(&*text, |(_, reason)| reason);
        format!("field {} ({}), {word:?}: {reason}", index + 1, FIELDS[index])
    })
}

fn parse_fields(fields: &str) -> Result<Crontab, cronexpr::Error> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(fields, options)
}

fn to_timestamp(local: DateTime, offset: Offset) -> Option<Timestamp> {
    offset.to_timestamp(local).ok()
}

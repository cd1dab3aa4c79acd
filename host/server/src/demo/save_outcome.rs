//! The outcome of a save in the editor of the demo page.

use std::time::Duration;

use serde::Serialize;

use narrowboat_core::capabilities::format_missing;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::manifest::{self, ManifestError};
use narrowboat_deploy::packaging::{BuildError, ReadBuildError};
use narrowboat_deploy::rollout::{DeployError, DeployOutcome, DeployReport};
use narrowboat_runtime::{LoadError, RuntimeError, SourceProblem};

/// The outcome of a save, as the page gets it.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub(super) enum SaveOutcome {
    /// The version is live.
    Live {
        version: String,
        /// Consumers that moved with their state.
        moved: u64,
        /// Consumers that did not: they restarted, were closed or keep the old version.
        not_moved: u64,
        /// Why they did not move; empty if all did.
        reasons: String,
        /// Milliseconds from the queue to the publication.
        prepare_ms: f64,
        /// Milliseconds from the publication to the move of the last consumer.
        move_ms: f64,
    },
    /// The version was live already.
    Unchanged { version: String },
    /// The version was refused, and the live version stays.
    Refused {
        message: String,
        /// The places of the problems; empty if the error has none.
        problems: Vec<ProblemPlace>,
    },
    /// A later change of the folder is deployed instead.
    Superseded,
    /// The host loads the plugin again, which closes its connections: the manifest has changed what a version cannot.
    Reloading,
    /// The outcome is not known yet. The log will have it.
    Working,
}

/// A problem and its place in the source.
#[derive(Debug, Serialize)]
pub(super) struct ProblemPlace {
    path: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
}

impl From<DeployOutcome> for SaveOutcome {
    fn from(outcome: DeployOutcome) -> Self {
        match outcome {
            DeployOutcome::Live(report) => report.into(),
            DeployOutcome::Unchanged(version) => Self::Unchanged { version: version.short_hex() },
            DeployOutcome::Refused(error) => {
                let message = sanitize_log_line(&error.to_string());
                let problems = source_problems(&error).iter().map(ProblemPlace::from).collect();
                Self::Refused { message, problems }
            }
            DeployOutcome::Pending { extra_capabilities, .. } => {
                let extra = format_missing(&extra_capabilities.descriptions());
                let message =
                    format!("it requests more capabilities and waits for an approval: {extra}");
                Self::Refused { message, problems: Vec::new() }
            }
            DeployOutcome::Superseded => Self::Superseded,
        }
    }
}

impl From<DeployReport> for SaveOutcome {
    fn from(report: DeployReport) -> Self {
        let stats = report.stats;
        Self::Live {
            version: report.version.short_hex(),
            moved: stats.moved,
            not_moved: stats.restarted + stats.closed + stats.kept_old,
            reasons: report.failure_reasons,
            prepare_ms: milliseconds(report.prepare_duration),
            move_ms: milliseconds(report.move_duration),
        }
    }
}

impl From<ReadBuildError> for SaveOutcome {
    fn from(error: ReadBuildError) -> Self {
        let problems = match &error {
            // The host installs the packages meanwhile.
            ReadBuildError::Folder(BuildError::Packages(_)) => return Self::Working,
            ReadBuildError::Folder(BuildError::Manifest { source, .. }) => vec![source.into()],
            _ => Vec::new(),
        };
        Self::Refused { message: sanitize_log_line(&error.to_string()), problems }
    }
}

impl From<&SourceProblem> for ProblemPlace {
    fn from(problem: &SourceProblem) -> Self {
        let SourceProblem { path, line, column, message, .. } = problem.clone();
        Self { path, line, column, message }
    }
}

impl From<&ManifestError> for ProblemPlace {
    fn from(error: &ManifestError) -> Self {
        let text = error.to_string();
        Self {
            path: Some(manifest::FILE_NAME.to_owned()),
            line: number_after(&text, "line "),
            column: number_after(&text, "column "),
            // The lines before it show the place.
            message: sanitize_log_line(text.lines().last().unwrap_or_default()),
        }
    }
}

/// The problems in the source, if the error has them.
fn source_problems(error: &DeployError) -> &[SourceProblem] {
    match error {
        DeployError::Load(load) => match &**load {
            LoadError::Source { source: RuntimeError::Source(problems), .. } => problems.as_slice(),
            _ => &[],
        },
        _ => &[],
    }
}

/// The number after a word in a text.
fn number_after(text: &str, word: &str) -> Option<u32> {
    let (_, rest) = text.split_once(word)?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

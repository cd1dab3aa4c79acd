//! The figures of source plugins in each language, each with its aim. Narrowboat is measured alone.

mod consumer_moves;
mod echo_calls;
mod first_connects;
mod idle_connections;
mod many_tenants;
mod open_connection;
pub(crate) mod runtime_images;
mod rust_saves;
mod save_to_live;
mod shared_component;
mod sizes;
mod source_figure;
mod source_folder;
mod source_host;
mod source_language;
mod source_report;
mod starts;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::file_limit::raise_file_limit;
use crate::output;
use crate::peer::BenchFiles;
pub(crate) use source_figure::SourceFigure;
use source_host::SourceHosts;
use source_language::{JAVASCRIPT, PYTHON, SourceLanguage};
pub(crate) use source_report::SourceReport;

/// The options of the role.
#[derive(Args)]
pub(crate) struct SourceArgs {
    /// Measure only this language
    #[arg(long, value_enum)]
    language: Option<MeasuredLanguage>,
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<SourcePart>,
    /// Number of rounds of each figure that is measured several times
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The JSON file for the results
    #[arg(long, default_value = "target/bench-source.json")]
    json: PathBuf,
    #[command(flatten)]
    site: BenchFiles,
}

/// A language of source plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MeasuredLanguage {
    /// Python
    Python,
    /// JavaScript
    Javascript,
}

impl MeasuredLanguage {
    fn details(self) -> &'static SourceLanguage {
        match self {
            Self::Python => &PYTHON,
            Self::Javascript => &JAVASCRIPT,
        }
    }
}

/// A part of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SourcePart {
    /// The compilation of the runtime with an empty cache
    Compile,
    /// The sizes of the runtime, of its code and of a program
    Sizes,
    /// Guest calls without a socket
    Calls,
    /// The first connections of instances
    Connects,
    /// Memory of idle connections
    Idle,
    /// Moves of the consumers of a shared instance
    Moves,
    /// A thousand tenants with sources of their own
    Tenants,
    /// A thousand tenants with one component in Rust, for comparison
    SharedComponent,
    /// Warm start with ten plugins
    Start,
    /// From the saved source to the first reply of the new code
    Saves,
    /// The same for a crate in Rust, for comparison
    RustSaves,
}

/// Measures, prints the report, and writes it as JSON.
pub(crate) fn run(arguments: &SourceArgs) -> anyhow::Result<()> {
    let SourceArgs { language, only, rounds, json, site } = arguments;
    let mut figures = Vec::new();
    // After a failure, still report the results so far.
    let measured = measure_languages(site, *rounds, *language, only, &mut figures);
    let report = SourceReport::new(figures);
    output::print_report(&report);
    let bytes = serde_json::to_vec_pretty(&report)?;
    std::fs::write(json, bytes).with_context(|| json.display().to_string())?;
    measured
}

/// Measures all parts.
pub(crate) fn measure(site: &BenchFiles, rounds: usize) -> anyhow::Result<SourceReport> {
    let mut figures = Vec::new();
    measure_languages(site, rounds, None, &[], &mut figures)?;
    Ok(SourceReport::new(figures))
}

fn measure_languages(
    site: &BenchFiles,
    rounds: usize,
    language: Option<MeasuredLanguage>,
    only: &[SourcePart],
    figures: &mut Vec<SourceFigure>,
) -> anyhow::Result<()> {
    for measured in MeasuredLanguage::value_variants() {
        if language.is_none_or(|language| language == *measured) {
            measure_parts(site, measured.details(), rounds, only, figures)?;
        }
    }
    Ok(())
}

fn measure_parts(
    site: &BenchFiles,
    language: &'static SourceLanguage,
    rounds: usize,
    only: &[SourcePart],
    figures: &mut Vec<SourceFigure>,
) -> anyhow::Result<()> {
    raise_file_limit();
    let hosts = SourceHosts::new(site, language)?;
    // The compilation fills the cache, so it comes first.
    for part in SourcePart::value_variants() {
        if only.is_empty() || only.contains(part) {
            output::print_progress(&format!("plugins in {}: {part:?}", language.title));
            let measured = part.measure(&hosts, rounds).with_context(|| format!("{part:?}"))?;
            figures.extend(measured.into_iter().map(|figure| figure.of(language.title)));
        }
    }
    Ok(())
}

impl SourcePart {
    fn measure(self, hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
        match self {
            Self::Compile => starts::measure_compilation(hosts),
            Self::Sizes => sizes::measure(hosts),
            Self::Calls => echo_calls::measure(hosts, rounds),
            Self::Connects => first_connects::measure(hosts),
            Self::Idle => idle_connections::measure(hosts),
            Self::Moves => consumer_moves::measure(hosts, rounds),
            Self::Tenants => many_tenants::measure(hosts),
            Self::SharedComponent => shared_component::measure(hosts, rounds),
            Self::Start => starts::measure_warm_start(hosts, rounds),
            Self::Saves => save_to_live::measure(hosts, rounds),
            Self::RustSaves => rust_saves::measure(hosts, rounds),
        }
    }
}

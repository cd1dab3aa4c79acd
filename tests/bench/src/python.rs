//! The figures of plugins in Python, each with its aim. Narrowboat is measured alone.

mod consumer_moves;
mod echo_calls;
mod first_connects;
mod idle_connections;
mod many_tenants;
mod open_connection;
mod python_figure;
mod python_host;
mod python_report;
pub(crate) mod runtime_image;
mod rust_saves;
mod save_to_live;
mod sizes;
mod source_folder;
mod starts;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::file_limit::raise_file_limit;
use crate::output;
use crate::peer::BenchFiles;
pub(crate) use python_figure::PythonFigure;
use python_host::PythonHosts;
pub(crate) use python_report::PythonReport;

/// The options of the role.
#[derive(Args)]
pub(crate) struct PythonArgs {
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<PythonPart>,
    /// Number of rounds of each figure that is measured several times
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The JSON file for the results
    #[arg(long, default_value = "target/bench-python.json")]
    json: PathBuf,
    #[command(flatten)]
    site: BenchFiles,
}

/// A part of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PythonPart {
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
    /// Warm start with ten plugins
    Start,
    /// From the saved source to the first reply of the new code
    Saves,
}

/// Measures, prints the report, and writes it as JSON.
pub(crate) fn run(arguments: &PythonArgs) -> anyhow::Result<()> {
    let PythonArgs { only, rounds, json, site } = arguments;
    let mut figures = Vec::new();
    // After a failure, still report the results so far.
    let measured = measure_parts(site, *rounds, only, &mut figures);
    let report = PythonReport::new(figures);
    output::print_report(&report);
    let bytes = serde_json::to_vec_pretty(&report)?;
    std::fs::write(json, bytes).with_context(|| json.display().to_string())?;
    measured
}

/// Measures all parts.
pub(crate) fn measure(site: &BenchFiles, rounds: usize) -> anyhow::Result<PythonReport> {
    let mut figures = Vec::new();
    measure_parts(site, rounds, &[], &mut figures)?;
    Ok(PythonReport::new(figures))
}

fn measure_parts(
    site: &BenchFiles,
    rounds: usize,
    only: &[PythonPart],
    figures: &mut Vec<PythonFigure>,
) -> anyhow::Result<()> {
    raise_file_limit();
    let hosts = PythonHosts::new(site)?;
    // The compilation fills the cache, so it comes first.
    for part in PythonPart::value_variants() {
        if only.is_empty() || only.contains(part) {
            output::print_progress(&format!("plugins in Python: {part:?}"));
            figures.extend(part.measure(&hosts, rounds).with_context(|| format!("{part:?}"))?);
        }
    }
    Ok(())
}

impl PythonPart {
    fn measure(self, hosts: &PythonHosts<'_>, rounds: usize) -> anyhow::Result<Vec<PythonFigure>> {
        match self {
            Self::Compile => starts::measure_compilation(hosts),
            Self::Sizes => sizes::measure(hosts),
            Self::Calls => echo_calls::measure(hosts, rounds),
            Self::Connects => first_connects::measure(hosts),
            Self::Idle => idle_connections::measure(hosts),
            Self::Moves => consumer_moves::measure(hosts, rounds),
            Self::Tenants => many_tenants::measure(hosts),
            Self::Start => starts::measure_warm_start(hosts, rounds),
            Self::Saves => {
                Ok([save_to_live::measure(hosts, rounds)?, rust_saves::measure(hosts, rounds)?]
                    .concat())
            }
        }
    }
}

//! Starts of a host with source plugins: with an empty cache, and with a filled one.

use std::time::Instant;

use super::source_figure::SourceFigure;
use super::source_host::{SourceHost, SourceHosts};
use crate::cpu::CpuTime;
use crate::memory::peak_resident_bytes;

/// The number of plugins of a warm start.
const PLUGINS: usize = 10;

/// The rounds of a start that compiles the runtime.
const COMPILATIONS: usize = 2;

/// A start of a host.
struct MeasuredStart {
    /// The time until the host listens, in milliseconds.
    elapsed: f64,
    /// The processor time of all threads until then, in seconds.
    cpu: f64,
    /// The peak of the resident memory, in MiB.
    peak: f64,
}

/// Measures starts that compile the runtime.
pub(super) fn measure_compilation(hosts: &SourceHosts<'_>) -> anyhow::Result<Vec<SourceFigure>> {
    let mut host = hosts.set_up("compile", "")?;
    host.add_plugin("echo", hosts.language().echo, "")?;
    let mut starts = Vec::new();
    for _ in 0..COMPILATIONS {
        hosts.empty_cache()?;
        starts.push(measure_start(&host)?);
    }
    let seconds = starts.iter().map(|start| start.elapsed / 1e3);
    let cpu = starts.iter().map(|start| start.cpu);
    let peak = starts.iter().map(|start| start.peak);
    Ok(vec![
        SourceFigure::best(
            "a start with an empty cache, which compiles the runtime",
            "s",
            seconds,
        )?
        .at_most(hosts.language().aims.compilation),
        SourceFigure::median("its CPU time on all cores", "s", cpu)?,
        SourceFigure::median("its peak of resident memory", "MiB", peak)?,
    ])
}

/// Measures starts with ten plugins whose code is in the cache.
pub(super) fn measure_warm_start(
    hosts: &SourceHosts<'_>,
    rounds: usize,
) -> anyhow::Result<Vec<SourceFigure>> {
    let language = hosts.language();
    let mut host = hosts.set_up("start", "")?;
    for number in 0..PLUGINS {
        // Each plugin has bytes of its own.
        let module = format!("{}\n{} {number}\n", language.echo, language.comment);
        host.add_plugin(&format!("echo{number}"), &module, "")?;
    }
    // Compiles, and keeps the code.
    measure_start(&host)?;
    let starts = (0..rounds).map(|_| measure_start(&host)).collect::<anyhow::Result<Vec<_>>>()?;
    let title = format!("a warm start with {PLUGINS} plugins, until it listens");
    let elapsed = starts.iter().map(|start| start.elapsed);
    Ok(vec![
        SourceFigure::best(title, "ms", elapsed)?.at_most(300.0),
        SourceFigure::median("its CPU time", "ms", starts.iter().map(|start| start.cpu * 1e3))?,
    ])
}

fn measure_start(host: &SourceHost<'_>) -> anyhow::Result<MeasuredStart> {
    let began = Instant::now();
    let server = host.start("serve")?;
    let elapsed = began.elapsed().as_secs_f64() * 1e3;
    Ok(MeasuredStart {
        elapsed,
        cpu: CpuTime::of_process(server.pid())?.total().as_secs_f64(),
        peak: peak_resident_bytes(server.pid())? as f64 / f64::from(1 << 20),
    })
}

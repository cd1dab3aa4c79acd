//! Figures of Narrowboat alone, each held against a bound of its own.

use std::time::Instant;

use anyhow::Context;

use crate::call::CallTimes;
use crate::peer::BenchFiles;
use crate::process::{self, ServerProcess};
use crate::section::GoalResult;
use crate::spread::Spread;
use crate::swap;

/// Swaps that the moves of connections are told from.
const SWAP_ROUNDS: usize = 1;

/// The payload of a guest call, in bytes.
const PAYLOAD: usize = 64;

/// Calls into the echo plugin without a socket.
pub(crate) fn measure_calls(site: &BenchFiles, rounds: usize) -> anyhow::Result<Vec<GoalResult>> {
    let mut role = process::role_command("call")?;
    role.arg("--component").arg(site.component_path("echo"));
    role.arg("--payload").arg(PAYLOAD.to_string()).arg("--rounds").arg(rounds.to_string());
    let CallTimes { call, instance, .. } = process::run_client(role)?;
    let spread = |times| Spread::from_rounds(times).context("no rounds");
    Ok(vec![
        GoalResult::at_most("a guest call, a frame of 64 B in and out", "µs", 1.0, spread(call)?),
        GoalResult::at_most("an instance made and dropped", "µs", 10.0, spread(instance)?),
    ])
}

/// From the start of `serve` to its listening, with three plugins that were compiled before.
pub(crate) fn measure_warm_start(site: &BenchFiles, rounds: usize) -> anyhow::Result<GoalResult> {
    let folder = site.create_folder("warm-start")?;
    let mut text = "listen = \"127.0.0.1:0\"\n".to_owned();
    for plugin in ["echo", "broadcast", "group"] {
        let component = std::path::absolute(site.component_path(plugin))?.display().to_string();
        text += &format!(
            "[plugins.{plugin}]\ncomponent = {component:?}\ngrants = \"all\"\n\
             [[routes]]\npath = \"/{plugin}/\"\nplugin = \"{plugin}\"\n"
        );
    }
    let cache = std::path::absolute(folder.join("cache"))?.display().to_string();
    text += &format!("[cache]\nfolder = {cache:?}\n");
    let config = folder.join("narrowboat.toml");
    std::fs::write(&config, text).with_context(|| config.display().to_string())?;
    let start = || {
        let mut command = std::process::Command::new(site.narrowboat_path()?);
        command.arg("serve").arg("--config").arg(&config);
        let began = Instant::now();
        ServerProcess::start(command, &folder.join("log"))?;
        anyhow::Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    // Compiles, and keeps the code.
    start()?;
    let times = (0..rounds).map(|_| start()).collect::<anyhow::Result<Vec<_>>>()?;
    let found = Spread::from_rounds(times).context("no rounds")?;
    Ok(GoalResult::at_most("warm start of serve with three plugins", "ms", 50.0, found))
}

/// The effect of swaps on connections, and the time until new code is live.
pub(crate) fn measure_swaps(
    site: &BenchFiles,
    connections: usize,
) -> anyhow::Result<Vec<GoalResult>> {
    let mut found = Vec::new();
    for outcome in swap::measure(site, connections, SWAP_ROUNDS)? {
        let (isolation, all) = (outcome.isolation.title(), connections);
        let exactly = |value| Spread::from_rounds([value]).context("no rounds");
        let pause = exactly(outcome.course.pause.p99)?;
        let lost = exactly(outcome.course.violated as f64)?;
        let live = Spread::from_rounds(outcome.idle).context("no swaps")?;
        found.extend([
            GoalResult::at_most(
                &format!("swap at {all} connections, {isolation}: p99 of the pause"),
                "ms",
                20.0,
                pause,
            ),
            GoalResult::at_most(
                &format!("messages lost, doubled or out of order then, {isolation}"),
                "",
                0.0,
                lost,
            ),
            GoalResult::at_most(
                &format!("file written to first answer by new code, {isolation}"),
                "ms",
                150.0,
                live,
            ),
        ]);
    }
    Ok(found)
}

//! The effect of a misbehaving tenant on another tenant of the same host.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::client::Load;
use crate::measurement::BenchMetric;
use crate::output;
use crate::peer::BenchFiles;
use crate::process::{self, ServerProcess};
use crate::section::GoalResult;
use crate::spread::Spread;

/// The load of the measured tenant: echoes at a fixed rate.
const ECHO_LOAD: Load = Load::Paced { connections: 10, payload: 64, rate: 1_000 };

/// The number of clients of the misbehaving tenant.
const MISBEHAVING_CLIENT_COUNT: usize = 8;

/// The misbehaviors: description, and the command that the clients send. Without a command they only connect and
/// disconnect.
const MISBEHAVIORS: [(&str, Option<&str>); 6] = [
    ("loops", Some("loop")),
    ("floods its clients", Some("flood 1000 100")),
    ("floods a group", Some("group-flood 1000")),
    ("floods the log", Some("log-flood 1000")),
    ("takes all memory", Some("allocate")),
    ("has clients that come and go", None),
];

/// The process of the misbehaving clients. Dropping it kills the process.
struct MisbehavingClients(Child);

impl Drop for MisbehavingClients {
    fn drop(&mut self) {
        // Killing fails if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl MisbehavingClients {
    /// Starts the clients at the lowest priority, because the measurement is about the host's treatment of them, not
    /// about the CPU time that the clients use.
    fn start(server: &ServerProcess, word: Option<&str>) -> anyhow::Result<Self> {
        let mut command = std::process::Command::new("nice");
        command.args(["-n", "19"]).arg(process::current_program()?).arg("rude");
        command.arg("--server").arg(server.address().to_string());
        command.args([
            "--path",
            "/rude/misbehave/",
            "--clients",
            &MISBEHAVING_CLIENT_COUNT.to_string(),
        ]);
        if let Some(word) = word {
            command.args(["--word", word]);
        }
        Ok(Self(command.spawn().context("cannot start `nice`")?))
    }
}

/// Measures the 99th percentile of a tenant's echo latency beside each misbehavior, and compares it with the quiet host
/// of the same round.
pub(crate) fn measure(
    site: &BenchFiles,
    rounds: usize,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<Vec<GoalResult>> {
    let mut quiet = Vec::new();
    let mut beside = MISBEHAVIORS.map(|_| Vec::new());
    for round in 0..rounds {
        output::print_progress(&format!(
            "a tenant beside one that misbehaves: round {} of {rounds}",
            round + 1
        ));
        quiet.push(measure_p99(site, None, warm_up, time)?);
        for ((_, word), found) in MISBEHAVIORS.iter().zip(&mut beside) {
            found.push(measure_p99(site, Some(*word), warm_up, time)?);
        }
    }
    let before = Spread::from_rounds(quiet).context("no rounds")?;
    // The goal.
    let most = (before.median * 1.5).max(before.median + 2_000.0);
    let mut judged =
        vec![GoalResult::at_most("a tenant's echo alone on the host, p99", "µs", most, before)];
    for ((way, _), found) in MISBEHAVIORS.iter().zip(beside) {
        let found = Spread::from_rounds(found).context("no rounds")?;
        judged.push(GoalResult::at_most(&format!("beside one that {way}, p99"), "µs", most, found));
    }
    Ok(judged)
}

/// Measures one round. `rude` is set if the other tenant misbehaves, and has the command of its clients.
fn measure_p99(
    site: &BenchFiles,
    rude: Option<Option<&str>>,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<f64> {
    let folder = site.create_folder("fairness")?;
    let component = |plugin: &str| {
        std::path::absolute(site.component_path(plugin)).map(|file| file.display().to_string())
    };
    let tenant = |name: &str, plugin: &str| -> anyhow::Result<String> {
        let component = component(plugin)?;
        Ok(format!(
            "[tenants.{name}]\npath = \"/{name}\"\n\
             [tenants.{name}.plugins.{plugin}]\ncomponent = {component:?}\nisolation = \"connection\"\ngrants = \"all\"\n\
             [[tenants.{name}.routes]]\npath = \"/{plugin}/\"\nplugin = \"{plugin}\"\n"
        ))
    };
    let text = "listen = \"127.0.0.1:0\"\n".to_owned()
        + &tenant("rude", "misbehave")?
        + &tenant("civil", "echo")?;
    let config = folder.join("narrowboat.toml");
    std::fs::write(&config, text).with_context(|| config.display().to_string())?;
    let mut command = std::process::Command::new(site.narrowboat_path()?);
    command.arg("serve").arg("--config").arg(&config).env("NARROWBOAT_LOG", "warn");
    let server = ServerProcess::start(command, &folder.join("log"))?;
    // A plugin that is not served could not misbehave.
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    ensure!(!log.contains("is not served"), "{log}");
    let _rude = rude.map(|word| MisbehavingClients::start(&server, word)).transpose()?;
    let measured = ECHO_LOAD.measure(&server, "/civil/echo/", warm_up, time)?;
    measured.metric(BenchMetric::P99).context("no times were taken")
}

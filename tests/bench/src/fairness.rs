//! What a tenant notices of another on the same host that misbehaves.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::client::Load;
use crate::measured::Figure;
use crate::peer::Site;
use crate::process::{self, Server};
use crate::section::Judged;
use crate::spread::Spread;
use crate::tell;

/// Echoes of the tenant that is looked at.
const ECHOES: Load = Load::Paced { connections: 10, payload: 64, rate: 1_000 };

/// Clients of the other.
const CLIENTS: usize = 8;

/// Each way to misbehave: what it is called, and what its clients say; nothing where they come and go.
const WAYS: [(&str, Option<&str>); 6] = [
    ("loops", Some("loop")),
    ("floods its clients", Some("flood 1000 100")),
    ("floods a group", Some("group-flood 1000")),
    ("floods the log", Some("log-flood 1000")),
    ("takes all memory", Some("allocate")),
    ("has clients that come and go", None),
];

/// Clients that misbehave, killed when this is dropped.
struct Rude(Child);

impl Drop for Rude {
    fn drop(&mut self) {
        // It fails where they are gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Rude {
    /// At the lowest priority: what is looked at is what the host does with them, and not what they take of the
    /// machine.
    fn start(server: &Server, word: Option<&str>) -> anyhow::Result<Self> {
        let mut command = std::process::Command::new("nice");
        command.args(["-n", "19"]).arg(process::this_program()?).arg("rude");
        command.arg("--server").arg(server.address().to_string());
        command.args(["--path", "/rude/misbehave/", "--clients", &CLIENTS.to_string()]);
        if let Some(word) = word {
            command.args(["--word", word]);
        }
        Ok(Self(command.spawn().context("cannot start `nice`")?))
    }
}

/// The 99th percentile of a tenant's echoes in each way of the other, held against the quiet one of the same round.
pub(crate) fn measure(
    site: &Site,
    rounds: usize,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<Vec<Judged>> {
    let mut quiet = Vec::new();
    let mut beside = WAYS.map(|_| Vec::new());
    for round in 0..rounds {
        tell::progress(&format!(
            "a tenant beside one that misbehaves: round {} of {rounds}",
            round + 1
        ));
        quiet.push(p99(site, None, warm_up, time)?);
        for ((_, word), found) in WAYS.iter().zip(&mut beside) {
            found.push(p99(site, Some(*word), warm_up, time)?);
        }
    }
    let before = Spread::of(quiet).context("no rounds")?;
    // The bound that is wished for.
    let most = (before.median * 1.5).max(before.median + 2_000.0);
    let mut judged =
        vec![Judged::at_most("a tenant's echo alone on the host, p99", "µs", most, before)];
    for ((way, _), found) in WAYS.iter().zip(beside) {
        let found = Spread::of(found).context("no rounds")?;
        judged.push(Judged::at_most(&format!("beside one that {way}, p99"), "µs", most, found));
    }
    Ok(judged)
}

/// `rude` is whether the other misbehaves, and then what its clients say.
fn p99(
    site: &Site,
    rude: Option<Option<&str>>,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<f64> {
    let folder = site.folder("fairness")?;
    let component = |plugin: &str| {
        std::path::absolute(site.component(plugin)).map(|file| file.display().to_string())
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
    let mut command = std::process::Command::new(site.narrowboat()?);
    command.arg("serve").arg("--config").arg(&config).env("NARROWBOAT_LOG", "warn");
    let server = Server::start(command, &folder.join("log"))?;
    // A plugin that is not served would make a quiet neighbour.
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    ensure!(!log.contains("is not served"), "{log}");
    let _rude = rude.map(|word| Rude::start(&server, word)).transpose()?;
    let measured = ECHOES.measure(&server, "/civil/echo/", warm_up, time)?;
    measured.figure(Figure::P99).context("no times were taken")
}

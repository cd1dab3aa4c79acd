//! `narrowboat deploy`, `rollback`, `approve` and `versions`

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::arguments::{ApproveArgs, ChangeArgs, DeployArgs, PluginArgs, RollbackArgs};
use super::client::{Client, print_json};
use super::output::{note, print_line};
use super::table::{self, short};
use super::{Failure, TAKEN_BACK};
use narrowboat_config::signature::{Signature, Unsigned};
use narrowboat_core::capabilities::on_top;
use narrowboat_server::api::{Approve, Deployed, Rollback, Version, Versions};

/// The rest between two looks at a version that is watched.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn deploy(arguments: &DeployArgs) -> Result<(), Failure> {
    let DeployArgs { plugin, file, force, change } = arguments;
    let component = std::fs::read(file).with_context(|| file.display().to_string());
    let component = component.map_err(Failure::usage)?;
    let signature = signature_of(file)?;
    let (client, name) = Client::of_plugin(&change.host, plugin)?;
    let signed = if signature.is_some() { " and its signature" } else { "" };
    let size = table::bytes(component.len() as u64);
    note(format_args!("uploading {size}{signed} to {plugin}"));
    let query = if *force { "?force=true" } else { "" };
    let path = format!("/v1/plugins/{}/versions{query}", encoded(name));
    let deployed: Deployed = client.upload(&path, &component, signature.as_ref())?;
    finish(&client, &deployed, change)
}

/// The signature beside a component, if there is one.
fn signature_of(file: &Path) -> Result<Option<Signature>, Failure> {
    match Signature::beside(file) {
        Ok(signature) => Ok(Some(signature)),
        Err(Unsigned::Missing(_)) => Ok(None),
        Err(error) => Err(Failure::usage(error)),
    }
}

pub(super) fn rollback(arguments: &RollbackArgs) -> Result<(), Failure> {
    let RollbackArgs { plugin, version, change } = arguments;
    let (client, plugin) = Client::of_plugin(&change.host, plugin)?;
    let path = format!("/v1/plugins/{}/rollback", encoded(plugin));
    let deployed: Deployed = client.post(&path, &Rollback { version: version.clone() })?;
    finish(&client, &deployed, change)
}

pub(super) fn approve(arguments: &ApproveArgs) -> Result<(), Failure> {
    let ApproveArgs { plugin, version, change } = arguments;
    let (client, plugin) = Client::of_plugin(&change.host, plugin)?;
    let path = format!("/v1/plugins/{}/approve", encoded(plugin));
    let deployed: Deployed = client.post(&path, &Approve { version: version.clone() })?;
    finish(&client, &deployed, change)
}

fn finish(client: &Client, deployed: &Deployed, change: &ChangeArgs) -> Result<(), Failure> {
    if change.json {
        print_json(deployed)?;
    } else {
        print_line(words(deployed))?;
    }
    if change.wait { watch(client, deployed) } else { Ok(()) }
}

fn words(deployed: &Deployed) -> String {
    let Deployed { plugin, version, previous, moved, restarted, closed, stayed, .. } = deployed;
    let version = short(version);
    let Some(previous) = previous else {
        return format!("{plugin} has version {version} already");
    };
    let mut words = format!(
        "{plugin} has version {version} after {}, prepared in {} ms; {moved} consumers moved in {} ms",
        short(previous),
        deployed.prepared_ms,
        deployed.moved_ms
    );
    let others =
        [(restarted, "restarted without state"), (closed, "closed"), (stayed, "stay on the old")];
    for (count, what) in others.into_iter().filter(|(count, _)| **count > 0) {
        words += &format!(", {count} {what}");
    }
    words
}

/// Waits until a version can no longer be taken back for its faults, or has been.
fn watch(client: &Client, deployed: &Deployed) -> Result<(), Failure> {
    let path = format!("/v1/plugins/{}/versions", encoded(&deployed.plugin));
    let mut told = false;
    loop {
        let versions: Versions = client.get(&path)?;
        let mut known = versions.versions.iter();
        let Some(version) = known.find(|version| version.version == deployed.version) else {
            return Err(Failure::at_run_time(anyhow!("the version is not known any more")));
        };
        match &*version.state {
            "live" if !versions.on_trial => {
                note("it has stood its trial");
                return Ok(());
            }
            "live" => {}
            "rolled-back" => {
                let reason = version.reason.as_deref().unwrap_or("its faults");
                let error = anyhow!("version {} was taken back: {reason}", short(&version.version));
                return Err(Failure::with_code(TAKEN_BACK, error));
            }
            _ => {
                let error = anyhow!("another version took its place before it had stood its trial");
                return Err(Failure::at_run_time(error));
            }
        }
        if !told {
            note("watching it for faults; ctrl-c leaves it as it is");
            told = true;
        }
        std::thread::sleep(LOOK);
    }
}

pub(super) fn versions(arguments: &PluginArgs) -> Result<(), Failure> {
    let (client, plugin) = Client::of_plugin(&arguments.host, &arguments.plugin)?;
    let path = format!("/v1/plugins/{}/versions", encoded(plugin));
    let answer: Versions = client.get(&path)?;
    if arguments.json {
        return print_json(&answer);
    }
    let rows: Vec<_> = answer
        .versions
        .iter()
        .map(|version| {
            let state = match (&*version.state, answer.on_trial) {
                ("live", true) => "live, on trial".to_owned(),
                (state, _) => state.to_owned(),
            };
            let reason = reason(version);
            let size = table::bytes(version.size);
            [short(&version.version), state, version.at.clone(), version.by.clone(), size, reason]
        })
        .collect();
    table::print(["VERSION", "STATE", "OFFERED", "BY", "SIZE", "REASON"], &rows)
}

/// Why a version is what it is.
fn reason(version: &Version) -> String {
    match (&version.reason, &version.approved_by) {
        (Some(reason), _) => reason.clone(),
        (None, Some(by)) => format!("approved by {by}: {}", on_top(&version.asks_more)),
        (None, None) => String::new(),
    }
}

/// A name as a part of a path.
pub(super) fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

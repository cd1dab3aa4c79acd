//! `narrowboat deploy`, `rollback`, `approve` and `versions`

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::arguments::{ApproveArgs, DeployArgs, RollbackArgs, RolloutArgs, VersionsArgs};
use super::client::{AdminClient, print_json};
use super::output::{eprint_line, print_line};
use super::table::{self, short_version};
use super::{CliError, EXIT_ROLLED_BACK};
use narrowboat_config::signature::{MissingSignature, Signature};
use narrowboat_core::capabilities::format_missing;
use narrowboat_server::api::{
    ApproveRequest, DeployResponse, RollbackRequest, VersionInfo, VersionList,
};

/// The rest between two looks at a version that is watched.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn deploy(arguments: &DeployArgs) -> Result<(), CliError> {
    let DeployArgs { plugin, file, force, rollout: change } = arguments;
    let component = std::fs::read(file).with_context(|| file.display().to_string());
    let component = component.map_err(CliError::usage)?;
    let signature = read_signature(file)?;
    let (client, name) = AdminClient::for_plugin(&change.host, plugin)?;
    let signed = if signature.is_some() { " and its signature" } else { "" };
    let size = table::format_bytes(component.len() as u64);
    eprint_line(format_args!("uploading {size}{signed} to {plugin}"));
    let query = if *force { "?force=true" } else { "" };
    let path = format!("/v1/plugins/{}/versions{query}", encode_path_segment(name));
    let deployed: DeployResponse = client.upload(&path, &component, signature.as_ref())?;
    report_deploy(&client, &deployed, change)
}

/// The signature beside a component, if there is one.
fn read_signature(file: &Path) -> Result<Option<Signature>, CliError> {
    match Signature::read_beside(file) {
        Ok(signature) => Ok(Some(signature)),
        Err(MissingSignature::FileNotFound(_)) => Ok(None),
        Err(error) => Err(CliError::usage(error)),
    }
}

pub(super) fn rollback(arguments: &RollbackArgs) -> Result<(), CliError> {
    let RollbackArgs { plugin, version, rollout: change } = arguments;
    let (client, plugin) = AdminClient::for_plugin(&change.host, plugin)?;
    let path = format!("/v1/plugins/{}/rollback", encode_path_segment(plugin));
    let deployed: DeployResponse =
        client.post(&path, &RollbackRequest { version: version.clone() })?;
    report_deploy(&client, &deployed, change)
}

pub(super) fn approve(arguments: &ApproveArgs) -> Result<(), CliError> {
    let ApproveArgs { plugin, version, rollout: change } = arguments;
    let (client, plugin) = AdminClient::for_plugin(&change.host, plugin)?;
    let path = format!("/v1/plugins/{}/approve", encode_path_segment(plugin));
    let deployed: DeployResponse =
        client.post(&path, &ApproveRequest { version: version.clone() })?;
    report_deploy(&client, &deployed, change)
}

fn report_deploy(
    client: &AdminClient,
    deployed: &DeployResponse,
    change: &RolloutArgs,
) -> Result<(), CliError> {
    if change.json {
        print_json(deployed)?;
    } else {
        print_line(describe_deploy(deployed))?;
    }
    if change.wait { wait_for_trial(client, deployed) } else { Ok(()) }
}

fn describe_deploy(deployed: &DeployResponse) -> String {
    let DeployResponse {
        plugin, version, previous, migrated, restarted, closed, remaining, ..
    } = deployed;
    let version = short_version(version);
    let Some(previous) = previous else {
        return format!("{plugin} has version {version} already");
    };
    let mut words = format!(
        "{plugin} has version {version} after {}, prepared in {} ms; {migrated} consumers moved in {} ms",
        short_version(previous),
        deployed.prepare_ms,
        deployed.migrate_ms
    );
    let others = [
        (restarted, "restarted without state"),
        (closed, "closed"),
        (remaining, "stay on the old"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| **count > 0) {
        words += &format!(", {count} {what}");
    }
    words
}

/// Waits until a version can no longer be rolled back for its faults, or has been.
fn wait_for_trial(client: &AdminClient, deployed: &DeployResponse) -> Result<(), CliError> {
    let path = format!("/v1/plugins/{}/versions", encode_path_segment(&deployed.plugin));
    let mut told = false;
    loop {
        let versions: VersionList = client.get(&path)?;
        let mut known = versions.versions.iter();
        let Some(version) = known.find(|version| version.version == deployed.version) else {
            return Err(CliError::runtime(anyhow!("the version is not known any more")));
        };
        match &*version.state {
            "live" if !versions.in_rollback_window => {
                eprint_line("it has passed its rollback window");
                return Ok(());
            }
            "live" => {}
            "rolled-back" => {
                let reason = version.reason.as_deref().unwrap_or("its faults");
                let error = anyhow!(
                    "version {} was rolled back: {reason}",
                    short_version(&version.version)
                );
                return Err(CliError::with_code(EXIT_ROLLED_BACK, error));
            }
            _ => {
                let error = anyhow!(
                    "another version took its place before it had passed its rollback window"
                );
                return Err(CliError::runtime(error));
            }
        }
        if !told {
            eprint_line("watching it for faults; ctrl-c leaves it as it is");
            told = true;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

pub(super) fn versions(arguments: &VersionsArgs) -> Result<(), CliError> {
    let (client, plugin) = AdminClient::for_plugin(&arguments.host, &arguments.plugin)?;
    let path = format!("/v1/plugins/{}/versions", encode_path_segment(plugin));
    let answer: VersionList = client.get(&path)?;
    if arguments.json {
        return print_json(&answer);
    }
    let rows: Vec<_> = answer
        .versions
        .iter()
        .map(|version| {
            let state = match (&*version.state, answer.in_rollback_window) {
                ("live", true) => "live, on trial".to_owned(),
                (state, _) => state.to_owned(),
            };
            let reason = describe_reason(version);
            let size = table::format_bytes(version.size);
            [
                short_version(&version.version),
                state,
                version.deployed_at.clone(),
                version.deployed_by.clone(),
                size,
                reason,
            ]
        })
        .collect();
    table::print(["VERSION", "STATE", "DEPLOYED", "BY", "SIZE", "REASON"], &rows)
}

/// Why a version is what it is.
fn describe_reason(version: &VersionInfo) -> String {
    match (&version.reason, &version.approved_by) {
        (Some(reason), _) => reason.clone(),
        (None, Some(by)) => {
            format!("approved by {by}: {}", format_missing(&version.extra_capabilities))
        }
        (None, None) => String::new(),
    }
}

/// A name as a part of a path.
pub(super) fn encode_path_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

//! `narrowboat deploy`, `rollback`, `approve` and `versions`

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::arguments::{ApproveArgs, DeployArgs, RollbackArgs, RolloutArgs, VersionsArgs};
use super::cli_error::CliError;
use super::cli_exit_code::CliExitCode;
use super::client::{AdminClient, encode_path_segment};
use super::output::{eprint_line, print_json, print_line};
use super::plugin::build_error;
use super::table::{self, short_version};
use narrowboat_config::Limits;
use narrowboat_config::signature::{MissingSignature, Signature};
use narrowboat_core::capabilities::format_missing;
use narrowboat_deploy::packaging::{MissingPackages, PackedSource};
use narrowboat_server::api::{
    ApproveRequest, DeployResponse, RollbackRequest, VersionInfo, VersionList,
};

/// The time between two requests for the state of a version in its rollback window.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn deploy(arguments: &DeployArgs) -> Result<(), CliError> {
    let DeployArgs { plugin, file, force, rollout } = arguments;
    let plugin = &plugin.plugin;
    let bytes = read_plugin(file)?;
    let signature = read_signature(file)?;
    let (client, name) = AdminClient::for_plugin(&rollout.query.host, plugin)?;
    let signed = if signature.is_some() { " and its signature" } else { "" };
    let size = table::format_bytes(bytes.len() as u64);
    eprint_line(format_args!("uploading {size}{signed} to {plugin}"));
    let query = if *force { "?force=true" } else { "" };
    let path = format!("/v1/plugins/{}/versions{query}", encode_path_segment(name));
    let deployed: DeployResponse = client.upload(&path, &bytes, signature.as_ref())?;
    report_deploy(&client, &deployed, rollout)
}

/// Reads a component or a source bundle, or packs the folder of a source plugin.
fn read_plugin(path: &Path) -> Result<Vec<u8>, CliError> {
    if path.is_dir() {
        let limit = Limits::default().max_component;
        let packed = PackedSource::from_folder(path, limit, MissingPackages::Install);
        return Ok(packed.map_err(build_error)?.bytes);
    }
    std::fs::read(path).with_context(|| path.display().to_string()).map_err(CliError::usage)
}

/// Reads the signature beside a file, if there is one.
fn read_signature(file: &Path) -> Result<Option<Signature>, CliError> {
    match Signature::read_beside(file) {
        Ok(signature) => Ok(Some(signature)),
        Err(MissingSignature::FileNotFound(_)) => Ok(None),
        Err(error) => Err(CliError::usage(error)),
    }
}

pub(super) fn rollback(arguments: &RollbackArgs) -> Result<(), CliError> {
    let RollbackArgs { plugin, version, rollout } = arguments;
    let (client, plugin) = AdminClient::for_plugin(&rollout.query.host, &plugin.plugin)?;
    let path = format!("/v1/plugins/{}/rollback", encode_path_segment(plugin));
    let deployed: DeployResponse =
        client.post(&path, &RollbackRequest { version: version.clone() })?;
    report_deploy(&client, &deployed, rollout)
}

pub(super) fn approve(arguments: &ApproveArgs) -> Result<(), CliError> {
    let ApproveArgs { plugin, version, rollout } = arguments;
    let (client, plugin) = AdminClient::for_plugin(&rollout.query.host, &plugin.plugin)?;
    let path = format!("/v1/plugins/{}/approve", encode_path_segment(plugin));
    let deployed: DeployResponse =
        client.post(&path, &ApproveRequest { version: version.clone() })?;
    report_deploy(&client, &deployed, rollout)
}

fn report_deploy(
    client: &AdminClient,
    deployed: &DeployResponse,
    rollout: &RolloutArgs,
) -> Result<(), CliError> {
    if rollout.query.json {
        print_json(deployed)?;
    } else {
        print_line(describe_deploy(deployed))?;
    }
    if rollout.wait { wait_for_window_end(client, deployed) } else { Ok(()) }
}

fn describe_deploy(deployed: &DeployResponse) -> String {
    let DeployResponse {
        plugin, version, previous, migrated, restarted, closed, remaining, ..
    } = deployed;
    let version = short_version(version);
    let Some(previous) = previous else {
        return format!("{plugin} has version {version} already");
    };
    let mut text = format!(
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
        text += &format!(", {count} {what}");
    }
    text
}

/// Waits for the end of a version's rollback window.
///
/// # Errors
/// When the version is rolled back, or another version becomes live.
fn wait_for_window_end(client: &AdminClient, deployed: &DeployResponse) -> Result<(), CliError> {
    let path = format!("/v1/plugins/{}/versions", encode_path_segment(&deployed.plugin));
    let mut has_printed = false;
    loop {
        let versions: VersionList = client.get(&path)?;
        let mut known = versions.versions.iter();
        let Some(version) = known.find(|version| version.version == deployed.version) else {
            return Err(CliError::runtime(anyhow!("the host does not list the version any more")));
        };
        match &*version.state {
            "live" if !versions.in_rollback_window => {
                eprint_line("the version has passed its rollback window");
                return Ok(());
            }
            "live" => {}
            "rolled-back" => {
                let reason = version.reason.as_deref().unwrap_or("its faults");
                let error = anyhow!(
                    "version {} was rolled back: {reason}",
                    short_version(&version.version)
                );
                return Err(CliError::with_code(CliExitCode::RolledBack, error));
            }
            _ => {
                let error = anyhow!(
                    "another version became live before this one had passed its rollback window"
                );
                return Err(CliError::runtime(error));
            }
        }
        if !has_printed {
            eprint_line(
                "waiting for the end of the rollback window; ctrl-c leaves the version live",
            );
            has_printed = true;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

pub(super) fn versions(arguments: &VersionsArgs) -> Result<(), CliError> {
    let (client, plugin) =
        AdminClient::for_plugin(&arguments.query.host, &arguments.plugin.plugin)?;
    let path = format!("/v1/plugins/{}/versions", encode_path_segment(plugin));
    let response: VersionList = client.get(&path)?;
    if arguments.query.json {
        return print_json(&response);
    }
    let rows: Vec<_> = response
        .versions
        .iter()
        .map(|version| {
            let state = match (&*version.state, response.in_rollback_window) {
                ("live", true) => "live, in rollback window".to_owned(),
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

/// Returns the reason of a version's state.
fn describe_reason(version: &VersionInfo) -> String {
    match (&version.reason, &version.approved_by) {
        (Some(reason), _) => reason.clone(),
        (None, Some(by)) => {
            format!("approved by {by}: {}", format_missing(&version.extra_capabilities))
        }
        (None, None) => String::new(),
    }
}

//! `narrowboat send`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use super::arguments::SendArgs;
use super::cli_error::CliError;
use super::client::AdminClient;
use super::output::{FLUSH_TIMEOUT, print_line};
use super::serve::run_on_runtime;
use super::telemetry::Telemetry;
use narrowboat_channels::{ChannelLayer, Recipient};
use narrowboat_config::{Config, LayerBackend, LayerConfig, closest_match};
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use narrowboat_server::api::{PublishRequest, PublishResponse};
use narrowboat_server::background_writer::BackgroundWriter;
use narrowboat_server::open_layer;

/// The longest time for the connection to Redis and the send.
const REDIS_TIMEOUT: Duration = Duration::from_secs(10);

/// The receiver of a message.
enum SendTarget {
    Group(GroupName),
    Channel(ChannelName),
}

pub(super) fn run(arguments: &SendArgs) -> Result<(), CliError> {
    let stderr = BackgroundWriter::stderr().map_err(CliError::runtime)?;
    let telemetry = Telemetry::start("warn", None, stderr.clone()).map_err(CliError::runtime)?;
    let result = send_message(arguments);
    drop(telemetry);
    stderr.flush_within(FLUSH_TIMEOUT);
    result
}

fn send_message(arguments: &SendArgs) -> Result<(), CliError> {
    let entries =
        parse_entries(&arguments.kind, arguments.json.as_deref()).map_err(CliError::usage)?;
    if arguments.host.admin.is_some() {
        return send_through_host(arguments, entries);
    }
    let file = &arguments.host.config;
    let config = Config::read(file).map_err(CliError::usage)?;
    let tenant = parse_tenant(arguments).map_err(CliError::usage)?;
    let layer = find_layer(&config, &tenant, &arguments.layer, file).map_err(CliError::usage)?;
    if matches!(layer.backend, LayerBackend::Memory) {
        if config.admin.is_none() {
            return Err(CliError::usage(memory_layer_error(&arguments.layer, file)));
        }
        return send_through_host(arguments, entries);
    }
    let to = parse_target(arguments).map_err(CliError::usage)?;
    let message = Message::from_json(&entries).context("--type and --json");
    let message = message.map_err(CliError::usage)?;
    run_on_runtime(async {
        let layer = open_layer(&arguments.layer, layer, &config.limits);
        layer.start(&Handle::current());
        let sent =
            tokio::time::timeout(REDIS_TIMEOUT, send_to_layer(&layer, &tenant, &to, message));
        let sent = sent.await.unwrap_or_else(|_| {
            Err(anyhow!("Redis did not take the message within {} s", REDIS_TIMEOUT.as_secs()))
        });
        print_receivers(arguments, sent.map_err(CliError::runtime)?)
    })
}

fn parse_tenant(arguments: &SendArgs) -> anyhow::Result<Tenant> {
    match &arguments.host.tenant {
        Some(name) => name.parse().context("--tenant"),
        None => Ok(Tenant::default_tenant()),
    }
}

fn find_layer<'a>(
    config: &'a Config,
    tenant: &Tenant,
    name: &str,
    file: &Path,
) -> anyhow::Result<&'a LayerConfig> {
    let file = file.display();
    let Some(layers) = config.tenants.get(tenant).map(|tenant| &tenant.layers) else {
        bail!("{file} has no tenant {tenant}");
    };
    let Some(layer) = layers.get(name) else {
        let known = layers.keys().map(String::as_str);
        match closest_match(name, known) {
            Some(meant) => bail!("{file} has no layer {name:?}; did you mean {meant:?}?"),
            None => bail!("{file} has no layer {name:?}"),
        }
    };
    Ok(layer)
}

fn memory_layer_error(layer: &str, file: &Path) -> anyhow::Error {
    let file = file.display();
    anyhow!(
        "{file}: layer {layer:?} is in the memory of the host, and can only be reached through the host's [admin], which \
         is not configured"
    )
}

/// Prints the number of receivers. It is not an error if there are none: an empty group accepts every message.
fn print_receivers(arguments: &SendArgs, receivers: Option<u64>) -> Result<(), CliError> {
    let to = match (&arguments.group, &arguments.channel) {
        (Some(group), _) => format!("group {group}"),
        (None, channel) => format!("channel {}", channel.as_deref().unwrap_or_default()),
    };
    match receivers {
        None => print_line(format_args!("sent to {to}")),
        Some(1) => print_line(format_args!("sent to {to}: 1 receiver")),
        Some(count) => print_line(format_args!("sent to {to}: {count} receivers")),
    }
}

/// Sends the message through the running host.
fn send_through_host(arguments: &SendArgs, message: Map<String, Value>) -> Result<(), CliError> {
    let publish = PublishRequest {
        group: arguments.group.clone(),
        channel: arguments.channel.clone(),
        layer: Some(arguments.layer.clone()),
        message,
    };
    let published: PublishResponse =
        AdminClient::new(&arguments.host)?.post("/v1/publish", &publish)?;
    print_receivers(arguments, published.receivers)
}

fn parse_target(arguments: &SendArgs) -> anyhow::Result<SendTarget> {
    match (&arguments.group, &arguments.channel) {
        (Some(group), _) => Ok(SendTarget::Group(group.parse().context("--group")?)),
        (None, Some(channel)) => Ok(SendTarget::Channel(channel.parse().context("--channel")?)),
        (None, None) => bail!("no receiver; give --group NAME or --channel NAME"),
    }
}

/// Returns the entries of a message: its type, and the entries of a JSON object.
fn parse_entries(kind: &str, json: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let mut entries = Map::new();
    entries.insert("type".to_owned(), Value::String(kind.to_owned()));
    if let Some(json) = json {
        let Value::Object(others) = serde_json::from_str(json).context("--json")? else {
            bail!("--json: expected an object such as {{\"text\": \"hello\"}}");
        };
        if others.get("type").is_some_and(|other| *other != entries["type"]) {
            bail!("--json has another \"type\" than --type {kind:?}");
        }
        entries.extend(others);
    }
    Ok(entries)
}

async fn send_to_layer(
    layer: &Arc<dyn ChannelLayer>,
    tenant: &Tenant,
    to: &SendTarget,
    message: Message,
) -> anyhow::Result<Option<u64>> {
    let receivers = match to {
        SendTarget::Channel(channel) => {
            let receivers = layer.receiver_count(tenant, Recipient::Channel(channel)).await?;
            layer.send(tenant, channel, message.clone()).await?;
            receivers
        }
        SendTarget::Group(group) => {
            let receivers = layer.receiver_count(tenant, Recipient::Group(group)).await?;
            layer.group_send(tenant, group, message.clone()).await?;
            receivers
        }
    };
    // Sends are in order, so once a later message has come back, the first one has been sent too.
    let mut mailbox = layer.new_channel(tenant).await?;
    let own = mailbox.channel().clone();
    loop {
        layer.send(tenant, &own, message.clone()).await?;
        let back = tokio::time::timeout(Duration::from_millis(200), mailbox.recv());
        if back.await.is_ok() {
            return Ok(receivers);
        }
    }
}

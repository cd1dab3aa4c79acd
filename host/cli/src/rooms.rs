//! `narrowboat rooms`

use serde_json::json;

use super::arguments::RoomsArgs;
use super::cli_error::CliError;
use super::client::{AdminClient, encode_path_segment};
use super::output::{print_json, print_line};
use super::table::{self, format_duration, short_version, tenant_label};
use narrowboat_server::api::{RoomList, SleepingRoomInfo, SleepingRoomList};

pub(super) fn run(arguments: &RoomsArgs) -> Result<(), CliError> {
    let host = &arguments.query.host;
    let Some(plugin) = &arguments.plugin else {
        return list_awake(&AdminClient::new(host)?, None, arguments);
    };
    let (client, plugin) = AdminClient::for_plugin(host, plugin)?;
    let end = |room: &str, verb: &str| {
        let (plugin, room) = (encode_path_segment(plugin), encode_path_segment(room));
        client.post_without_reply(&format!("/v1/plugins/{plugin}/rooms/{room}/{verb}"), &json!({}))
    };
    match (&arguments.close, &arguments.reset) {
        (Some(room), _) => end(room, "close"),
        (None, Some(room)) => end(room, "reset"),
        (None, None) if arguments.sleeping => list_sleeping(&client, plugin, arguments),
        (None, None) => list_awake(&client, Some(plugin), arguments),
    }
}

fn list_awake(
    client: &AdminClient,
    plugin: Option<&str>,
    arguments: &RoomsArgs,
) -> Result<(), CliError> {
    let mut path = format!("/v1/rooms?limit={}", arguments.limit);
    if let Some(plugin) = plugin {
        path += &format!("&plugin={}", encode_path_segment(plugin));
    }
    let response: RoomList = client.get(&path)?;
    if arguments.query.json {
        return print_json(&response);
    }
    let rows = response.rooms.iter().map(|room| {
        [
            room.room.clone(),
            tenant_label(&room.tenant, &room.plugin),
            room.visitors.to_string(),
            table::format_bytes(room.memory_bytes),
            table::format_bytes(room.state_bytes),
            format_duration(room.age_seconds),
            room.alarm.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    table::print(["ROOM", "PLUGIN", "VISITORS", "MEMORY", "STATE", "AGE", "ALARM"], &rows)?;
    match response.total.saturating_sub(rows.len() as u64) {
        0 => Ok(()),
        more => print_line(format_args!("and {more} more; --limit shows them")),
    }
}

fn list_sleeping(
    client: &AdminClient,
    plugin: &str,
    arguments: &RoomsArgs,
) -> Result<(), CliError> {
    let plugin = encode_path_segment(plugin);
    let mut path = format!("/v1/plugins/{plugin}/rooms/sleeping?limit={}", arguments.limit);
    if let Some(cursor) = &arguments.cursor {
        path += &format!("&cursor={}", encode_path_segment(cursor));
    }
    let page: SleepingRoomList = client.get(&path)?;
    if arguments.query.json {
        return print_json(&page);
    }
    let rows: Vec<_> = page.rooms.iter().map(sleeping_row).collect();
    table::print(["ROOM", "STATE", "SAVED", "VERSION", "ALARM"], &rows)?;
    match &page.cursor {
        None => Ok(()),
        Some(cursor) => print_line(format_args!("there are more; go on with --cursor={cursor:?}")),
    }
}

fn sleeping_row(room: &SleepingRoomInfo) -> [String; 5] {
    let unreadable = || "unreadable".to_owned();
    let none = || "-".to_owned();
    [
        room.room.clone(),
        room.state_bytes.map_or_else(unreadable, table::format_bytes),
        room.saved_at.clone().unwrap_or_else(none),
        room.version.as_deref().map_or_else(none, short_version),
        room.alarm.clone().unwrap_or_else(none),
    ]
}

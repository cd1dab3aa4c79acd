//! The SDK for guests, which the program carries, so that a new plugin needs no clone of the repository.

/// The manifest of the workspace, whose dependencies the manifest of the SDK inherits.
const WORKSPACE_MANIFEST: &str = include_str!("../../../../Cargo.toml");

/// The manifest of the SDK in the workspace.
const SDK_MANIFEST: &str = include_str!("../../../../guest-sdk/Cargo.toml");

macro_rules! sdk_files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../../guest-sdk/", $path))),)*]
    };
}

/// The source files of the SDK, with their paths in its folder.
const SOURCES: &[(&str, &str)] = sdk_files![
    "src/allocator.rs",
    "src/bindings.rs",
    "src/bindings/grantable.rs",
    "src/bindings/requester.rs",
    "src/bindings/full_consumer.rs",
    "src/bindings/worker_consumer.rs",
    "src/channel_layer.rs",
    "src/client_error.rs",
    "src/clock.rs",
    "src/close_frame.rs",
    "src/config.rs",
    "src/connection.rs",
    "src/consumer.rs",
    "src/consumer_adapter.rs",
    "src/consumer_component.rs",
    "src/error.rs",
    "src/everyone.rs",
    "src/frame.rs",
    "src/handshake.rs",
    "src/http.rs",
    "src/http/error_code.rs",
    "src/http/wasi.rs",
    "src/imports.rs",
    "src/keyvalue.rs",
    "src/keyvalue/comparison.rs",
    "src/keyvalue/keys.rs",
    "src/keyvalue/keyvalue_error.rs",
    "src/keyvalue/native.rs",
    "src/keyvalue/time_to_live.rs",
    "src/keyvalue/update.rs",
    "src/keyvalue/wasi.rs",
    "src/lib.rs",
    "src/log.rs",
    "src/message.rs",
    "src/message/decode_error.rs",
    "src/message/raw_value.rs",
    "src/message/tests.rs",
    "src/panic.rs",
    "src/prelude.rs",
    "src/random.rs",
    "src/room.rs",
    "src/scope.rs",
    "src/snapshot.rs",
    "src/testing.rs",
    "src/testing/backend.rs",
    "src/testing/channel.rs",
    "src/testing/channel_event.rs",
    "src/testing/communicator.rs",
    "src/testing/connect_request.rs",
    "src/testing/event_queue.rs",
    "src/testing/failure.rs",
    "src/testing/fake_server.rs",
    "src/testing/handshake.rs",
    "src/testing/host.rs",
    "src/testing/host_builder.rs",
    "src/testing/key_value_bucket.rs",
    "src/testing/log_line.rs",
    "src/testing/native.rs",
    "src/testing/native/config_rules.rs",
    "src/testing/native/consumer_instance.rs",
    "src/testing/native/current_instance.rs",
    "src/testing/native/effect.rs",
    "src/testing/native/effect_applier.rs",
    "src/testing/native/event_loop.rs",
    "src/testing/native/fake_http.rs",
    "src/testing/native/host_state.rs",
    "src/testing/native/imports.rs",
    "src/testing/native/imports/channel_layer.rs",
    "src/testing/native/imports/clock.rs",
    "src/testing/native/imports/config.rs",
    "src/testing/native/imports/connections.rs",
    "src/testing/native/imports/http.rs",
    "src/testing/native/imports/instance.rs",
    "src/testing/native/imports/keyvalue.rs",
    "src/testing/native/imports/log.rs",
    "src/testing/native/instance_thread.rs",
    "src/testing/native/key_value_store.rs",
    "src/testing/native/layer_names.rs",
    "src/testing/native/migration.rs",
    "src/testing/native/native_connection.rs",
    "src/testing/native/native_host.rs",
    "src/testing/native/native_layer.rs",
    "src/testing/native/native_room.rs",
    "src/testing/native/operations.rs",
    "src/testing/native/panic_location.rs",
    "src/testing/native/plugin_code.rs",
    "src/testing/native/scope_of_request.rs",
    "src/testing/native/stored_values.rs",
    "src/testing/native/timer_queue.rs",
    "src/testing/native/worker_instance.rs",
    "src/testing/received.rs",
    "src/testing/remote.rs",
    "src/testing/remote/operation.rs",
    "src/testing/remote/remote_host.rs",
    "src/testing/remote/reply.rs",
    "src/testing/remote/wire_bytes.rs",
    "src/testing/swap_report.rs",
    "src/timer.rs",
    "src/worker.rs",
    "src/worker_adapter.rs",
];

/// Returns the files of the SDK as a crate of its own, with their paths in its folder.
pub(super) fn files() -> Vec<(String, String)> {
    let manifest = ("Cargo.toml".to_owned(), standalone_manifest());
    let sources = SOURCES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    std::iter::once(manifest).chain(sources).collect()
}

/// Returns the manifest of the SDK without the parts that only the workspace has: inherited values become those of the
/// workspace, and the tables of tests and lints are left out.
fn standalone_manifest() -> String {
    let mut manifest = String::new();
    let mut is_kept = true;
    for line in SDK_MANIFEST.lines() {
        if line.starts_with('[') {
            is_kept = !matches!(line, "[dev-dependencies]" | "[lints]");
        }
        if is_kept {
            manifest += &resolve_inherited(line);
            manifest.push('\n');
        }
    }
    manifest.trim_end().to_owned() + "\n"
}

/// Replaces a value that is inherited from the workspace.
fn resolve_inherited(line: &str) -> String {
    if let Some(key) = line.strip_suffix(".workspace = true") {
        return format!("{key} = {}", workspace_value(key));
    }
    match line.split_once(" = { workspace = true, ") {
        Some((key, rest)) => {
            let value = workspace_value(key);
            match value.strip_prefix("{ ").and_then(|value| value.strip_suffix(" }")) {
                Some(fields) => format!("{key} = {{ {fields}, {rest}"),
                None => format!("{key} = {{ version = {value}, {rest}"),
            }
        }
        None => line.to_owned(),
    }
}

/// Returns the value of a key in the tables `[workspace.package]` and `[workspace.dependencies]`, as TOML.
fn workspace_value(key: &str) -> &'static str {
    let values = WORKSPACE_MANIFEST.lines().filter_map(|line| line.split_once(" = "));
    let value = values.into_iter().find(|(own, _)| *own == key).map(|(_, value)| value);
    value.unwrap_or_default()
}

/// The paths of all files below a folder, for tests that compare them with what the program carries.
#[cfg(test)]
pub(super) fn source_paths(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { source_paths(&path) } else { vec![path] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_program_carries_every_source_of_the_sdk() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk"));
        let present: BTreeSet<_> = source_paths(&root.join("src"))
            .into_iter()
            .map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
            .collect();
        let carried = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(present, carried);
    }

    #[test]
    fn the_manifest_inherits_nothing() {
        let manifest = standalone_manifest();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(!manifest.contains("= \n"), "{manifest}");
        assert!(manifest.contains("\nedition = \"2024\"\n"), "{manifest}");
        assert!(manifest.contains("\ndlmalloc = { version = "), "{manifest}");
    }
}

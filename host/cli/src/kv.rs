//! `narrowboat kv`

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::arguments::{EntryArgs, KvCommand, QueryArgs};
use super::cli_error::CliError;
use super::client::{AdminClient, encode_path_segment};
use super::output::{output_error, print_json, print_line};
use super::table;
use narrowboat_config::{Config, KeyvalueBackend};
use narrowboat_core::atomic_file::{AtomicFile, Durability};
use narrowboat_keyvalue::{MAX_BATCH_BYTES, StoreOpenError, restore_backup};
use narrowboat_server::api::{
    KeyvalueCompactResponse, KeyvalueKeyInfo, KeyvalueKeyList, TTL_HEADER,
};

/// Only the owner may read a backup and a value in a file.
const FILE_MODE: u32 = 0o600;

pub(super) fn run(command: &KvCommand) -> Result<(), CliError> {
    match command {
        KvCommand::Get { entry, file, query } => get(entry, file.as_deref(), query),
        KvCommand::Set { entry, value, file, ttl, host } => {
            let value = match (value, file) {
                (Some(value), _) => value.clone().into_bytes(),
                (None, Some(file)) => read_value(file)?,
                (None, None) => Vec::new(),
            };
            let mut path = entry_path(entry);
            if let Some(ttl) = ttl {
                path += &format!("&ttl={}", encode_path_segment(ttl));
            }
            AdminClient::new(host)?.put(&path, &value)
        }
        KvCommand::Delete { entry, host } => AdminClient::new(host)?.delete(&entry_path(entry)),
        KvCommand::List { bucket, prefix, cursor, limit, query } => {
            let mut path = format!(
                "/v1/keyvalue/keys?bucket={}&prefix={}&limit={limit}",
                encode_path_segment(bucket),
                encode_path_segment(prefix)
            );
            if let Some(cursor) = cursor {
                path += &format!("&cursor={}", encode_path_segment(cursor));
            }
            let page: KeyvalueKeyList = AdminClient::new(&query.host)?.get(&path)?;
            if query.json { print_json(&page) } else { print_keys(&page) }
        }
        KvCommand::Backup { file, host } => {
            let response = AdminClient::new(host)?.get_response("/v1/keyvalue/backup")?;
            let len = write_file(file, &mut response.into_body().into_reader())?;
            print_line(format_args!("{}: {}", file.display(), table::format_bytes(len)))
        }
        KvCommand::Restore { file, replace, config } => restore(file, *replace, config),
        KvCommand::Compact { query } => compact(query),
    }
}

fn entry_path(entry: &EntryArgs) -> String {
    let (bucket, key) = (encode_path_segment(&entry.bucket), encode_path_segment(&entry.key));
    format!("/v1/keyvalue/entry?bucket={bucket}&key={key}")
}

fn get(entry: &EntryArgs, file: Option<&Path>, query: &QueryArgs) -> Result<(), CliError> {
    let response = AdminClient::new(&query.host)?.get_response(&entry_path(entry))?;
    let ttl = response.headers().get(TTL_HEADER).and_then(|ttl| ttl.to_str().ok()?.parse().ok());
    let mut body = response.into_body().into_reader();
    if let Some(file) = file {
        return write_file(file, &mut body).map(drop);
    }
    let mut value = Vec::new();
    body.read_to_end(&mut value).map_err(CliError::runtime)?;
    if query.json {
        let ttl_ms: Option<u64> = ttl;
        return print_json(&json!({
            "bucket": entry.bucket,
            "key": entry.key,
            "bytes": value.len(),
            "ttl_ms": ttl_ms,
            "text": std::str::from_utf8(&value).ok(),
            "base64": STANDARD.encode(&value),
        }));
    }
    // The bytes as they are, so that they can go through a pipe.
    let mut out = io::stdout().lock();
    out.write_all(&value).and_then(|()| out.flush()).map_err(output_error)
}

/// Reads a value from a file, or from standard input for `-`.
fn read_value(file: &Path) -> Result<Vec<u8>, CliError> {
    let unreadable = |error| CliError::usage(anyhow!("{}: {error}", file.display()));
    let mut source: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(unreadable)?),
    };
    let mut value = Vec::new();
    let most = MAX_BATCH_BYTES as u64;
    source.by_ref().take(most + 1).read_to_end(&mut value).map_err(unreadable)?;
    if value.len() as u64 > most {
        let problem = format!("{}: a value has at most {most} bytes", file.display());
        return Err(CliError::usage(anyhow!(problem)));
    }
    Ok(value)
}

/// Writes a file, which has all bytes or is not there.
fn write_file(path: &Path, source: &mut impl Read) -> Result<u64, CliError> {
    let failed = |error: io::Error| CliError::runtime(anyhow!("{}: {error}", path.display()));
    let Some(name) = path.file_name() else {
        return Err(CliError::usage(anyhow!("{} is not a name of a file", path.display())));
    };
    // The new file takes the name, so a device, a pipe or a link of this name would be gone.
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let problem = format!("{} exists and is not a regular file", path.display());
        return Err(CliError::usage(anyhow!(problem)));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = AtomicFile::create(folder, FILE_MODE).map_err(failed)?;
    let len = io::copy(source, &mut file).map_err(failed)?;
    file.replace(name, Durability::Synced).map_err(failed)?;
    Ok(len)
}

fn print_keys(page: &KeyvalueKeyList) -> Result<(), CliError> {
    let ttl = |key: &KeyvalueKeyInfo| match key.ttl_ms {
        None => "-".to_owned(),
        Some(millis) => table::format_duration(millis.div_ceil(1_000)),
    };
    let rows: Vec<_> = page.keys.iter().map(|key| [key.key.clone(), ttl(key)]).collect();
    table::print(["KEY", "TTL"], &rows)?;
    match &page.cursor {
        None => Ok(()),
        Some(cursor) => {
            print_line(format_args!("there are more; go on with --cursor={}", shell_word(cursor)))
        }
    }
}

/// Returns a text as one word of a shell's command line, without characters that a terminal does not show.
fn shell_word(text: &str) -> String {
    let is_shown = |c: char| matches!(c, '\'' | '"' | '\\') || c.escape_debug().len() == 1;
    match text.chars().all(is_shown) {
        true => format!("'{}'", text.replace('\'', r"'\''")),
        // The form for all bytes that bash, ksh and zsh have
        false => {
            let bytes: String = text.bytes().map(|byte| format!(r"\x{byte:02x}")).collect();
            format!("$'{bytes}'")
        }
    }
}

fn restore(file: &Path, may_replace: bool, config: &Path) -> Result<(), CliError> {
    let settings = Config::read(config).map_err(CliError::usage)?;
    let KeyvalueBackend::File { folder } = settings.keyvalue.backend else {
        let problem = format!(
            "{}: [keyvalue] backend is not \"file\", and only a store in a file is restored",
            config.display()
        );
        return Err(CliError::usage(anyhow!(problem)));
    };
    let len = restore_backup(&folder, file, may_replace).map_err(|error| match error {
        StoreOpenError::System { .. } => CliError::runtime(error),
        error => CliError::usage(error),
    })?;
    print_line(format_args!("{}: {}", folder.display(), table::format_bytes(len)))
}

fn compact(query: &QueryArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&query.host)?;
    let response: KeyvalueCompactResponse = client.post("/v1/keyvalue/compact", &json!({}))?;
    if query.json {
        return print_json(&response);
    }
    let KeyvalueCompactResponse { bytes_before, bytes_after } = response;
    let (before, after) = (table::format_bytes(bytes_before), table::format_bytes(bytes_after));
    print_line(format_args!("{before} before, {after} now"))
}

//! The table of a plugin as the file has it, and its checks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Table};

use super::{
    FailedMovePolicy, OverflowPolicy, PluginConfig, PluginSource, RollbackPolicy, SettingsConfig,
};
use crate::error::{ConfigError, Locator, SourceLocation};
use crate::grants::Grants;
use crate::layer::DEFAULT_LAYER;
use crate::limits::Limits;
use crate::quota::Quota;
use narrowboat_core::manifest::{Isolation, is_valid_plugin_name};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::units::DurationSetting;

/// The largest value of `instances`; a larger one is probably a typing error.
const MAX_INSTANCES: usize = 1_000;

/// How long a guest may postpone its move to another version, if the file does not say it.
const DEFAULT_MOVE_WAIT: DurationSetting = DurationSetting::from_secs(5);

/// The largest value of `move_wait`.
const MAX_MOVE_WAIT: DurationSetting = DurationSetting::from_secs(600);

/// `[plugins.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPlugin {
    component: Option<Spanned<PathBuf>>,
    source: Option<Spanned<PathBuf>>,
    #[serde(rename = "crate")]
    crate_dir: Option<Spanned<PathBuf>>,
    sha256: Option<Spanned<Vec<Sha256Digest>>>,
    grants: Option<Spanned<Grants>>,
    isolation: Option<Spanned<Isolation>>,
    instances: Option<Spanned<usize>>,
    #[serde(default)]
    overflow: OverflowPolicy,
    limits: Option<Spanned<Quota>>,
    on_failed_move: Option<Spanned<FailedMovePolicy>>,
    move_wait: Option<Spanned<DurationSetting>>,
    #[serde(default)]
    rollback: RollbackPolicy,
    layer: Option<Spanned<String>>,
    config: Option<Spanned<Table>>,
}

/// Checks the tables of all plugins. Paths are relative to `folder`.
pub(crate) fn check_all(
    raw: BTreeMap<String, Box<Spanned<RawPlugin>>>,
    limits: &Limits,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<BTreeMap<String, Box<PluginConfig>>, ConfigError> {
    raw.into_iter()
        .map(|(name, raw)| {
            let table = PluginTable { key: format!("plugins.{name}"), span: raw.span(), location };
            let plugin = (*raw).into_inner().check(&name, &table, limits, folder)?;
            // Boxed, because a map of one plugin has room for eleven.
            Ok((name, Box::new(plugin)))
        })
        .collect()
}

/// The place of a plugin's table in the file.
struct PluginTable<'a> {
    /// `plugins.NAME`.
    key: String,
    span: Range<usize>,
    location: &'a Locator<'a>,
}

impl PluginTable<'_> {
    /// An error of the whole table.
    fn invalid(&self, problem: &str) -> ConfigError {
        self.location.invalid(self.span.clone(), &self.key, problem)
    }

    /// The place of a key, or an unused place if the file does not set it.
    fn locate<T>(&self, key: Option<&Spanned<T>>) -> SourceLocation {
        self.location.locate(key.map_or(0..0, Spanned::span))
    }

    /// The place of a key, or of the table if the file does not set it.
    fn locate_or_table<T>(&self, key: Option<&Spanned<T>>) -> SourceLocation {
        self.location.locate(key.map_or_else(|| self.span.clone(), Spanned::span))
    }
}

impl RawPlugin {
    fn check(
        self,
        name: &str,
        table: &PluginTable<'_>,
        limits: &Limits,
        folder: &Path,
    ) -> Result<PluginConfig, ConfigError> {
        if !is_valid_plugin_name(name) {
            let problem =
                "the name of a plugin must have 1 to 64 characters of a-z, 0-9, `-` and `_`";
            return Err(table.invalid(problem));
        }
        let paths = SourcePaths {
            component: self.component,
            source: self.source,
            crate_dir: self.crate_dir,
        };
        let (source, source_location) = paths.check(table, folder)?;
        let instances_key = format!("{}.instances", table.key);
        let instances = check_instances(self.instances, &instances_key, table.location)?;
        if instances > 1
            && self.isolation.as_ref().map(Spanned::get_ref) == Some(&Isolation::Connection)
        {
            let problem = "`instances` needs isolation = \"shared\"; remove one of the two keys";
            return Err(table.invalid(problem));
        }
        let settings = self
            .config
            .map(|raw| SettingsConfig::check(&raw, &table.key, folder, table.location))
            .transpose()?;
        Ok(PluginConfig {
            source,
            source_location,
            pins_location: table.locate(self.sha256.as_ref()),
            pins: self.sha256.map(Spanned::into_inner),
            grants_location: table.locate_or_table(self.grants.as_ref()),
            grants: self.grants.map(Spanned::into_inner).unwrap_or_default(),
            isolation_location: table.locate_or_table(self.isolation.as_ref()),
            isolation: self.isolation.map(Spanned::into_inner),
            instances,
            overflow: self.overflow,
            limits: check_limits(self.limits, limits, table)?,
            settings: settings.unwrap_or_default(),
            uses: Vec::new(),
            on_failed_move_location: table.locate(self.on_failed_move.as_ref()),
            on_failed_move: self.on_failed_move.map(Spanned::into_inner),
            move_wait: check_move_wait(self.move_wait, table)?,
            rollback: self.rollback,
            layer_location: table.locate(self.layer.as_ref()),
            layer: self.layer.map_or_else(|| DEFAULT_LAYER.to_owned(), Spanned::into_inner),
        })
    }
}

/// The keys of which a plugin has one.
struct SourcePaths {
    component: Option<Spanned<PathBuf>>,
    source: Option<Spanned<PathBuf>>,
    crate_dir: Option<Spanned<PathBuf>>,
}

impl SourcePaths {
    /// Checks that one key is set, and returns it with its place. The path is relative to `folder`.
    fn check(
        self,
        table: &PluginTable<'_>,
        folder: &Path,
    ) -> Result<(PluginSource, SourceLocation), ConfigError> {
        let sources = [
            ("component", self.component, PluginSource::Component as fn(_) -> _),
            ("source", self.source, PluginSource::Source),
            ("crate", self.crate_dir, PluginSource::Crate),
        ];
        let mut set = sources.into_iter().filter_map(|(key, path, of)| Some((key, path?, of)));
        let Some((key, path, of)) = set.next() else {
            let problem =
                "needs `component = \"FILE\"`, `source = \"FOLDER\"` or `crate = \"FOLDER\"`";
            return Err(table.invalid(problem));
        };
        if let Some((other, place, _)) = set.next() {
            let problem = format!("has both `{key}` and `{other}`; keep one");
            return Err(table.location.invalid(place.span(), &table.key, problem));
        }
        let location = table.locate(Some(&path));
        Ok((of(folder.join(path.into_inner())), location))
    }
}

/// Checks how long a guest may postpone a move.
fn check_move_wait(
    wait: Option<Spanned<DurationSetting>>,
    table: &PluginTable<'_>,
) -> Result<DurationSetting, ConfigError> {
    match wait {
        None => Ok(DEFAULT_MOVE_WAIT),
        Some(wait) if *wait.get_ref() <= MAX_MOVE_WAIT => Ok(wait.into_inner()),
        Some(wait) => {
            let problem = format!("must be at most {MAX_MOVE_WAIT}: a deploy waits for it");
            Err(table.location.invalid(wait.span(), &format!("{}.move_wait", table.key), problem))
        }
    }
}

/// Checks the limits of a plugin against those of the host.
fn check_limits(
    raw: Option<Spanned<Quota>>,
    limits: &Limits,
    table: &PluginTable<'_>,
) -> Result<Quota, ConfigError> {
    let key = format!("{}.limits", table.key);
    let span = raw.as_ref().map_or(0..0, Spanned::span);
    let quota = Quota::check(raw, limits, &key, table.location)?;
    let tenant_limits = [
        ("groups", quota.groups.is_some(), "groups belong to the layers of a tenant"),
        ("keyvalue", quota.keyvalue.is_some(), "buckets belong to a tenant"),
    ];
    let Some((name, _, reason)) = tenant_limits.into_iter().find(|(_, is_set, _)| *is_set) else {
        return Ok(quota);
    };
    let problem = format!("is a tenant's limit, since {reason}; set it in [tenants.NAME.limits]");
    let place = table.location.find_key(span, name);
    Err(table.location.invalid(place, &format!("{key}.{name}"), problem))
}

/// Checks a number of instances; it is 1 if the file does not set it.
pub(crate) fn check_instances(
    instances: Option<Spanned<usize>>,
    key: &str,
    location: &Locator<'_>,
) -> Result<usize, ConfigError> {
    match instances {
        None => Ok(1),
        Some(count) if (1..=MAX_INSTANCES).contains(count.get_ref()) => Ok(count.into_inner()),
        Some(count) => {
            Err(location.invalid(count.span(), key, format!("must be 1 to {MAX_INSTANCES}")))
        }
    }
}

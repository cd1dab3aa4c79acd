//! How a plugin runs, as its configuration and the manifest of its component agree.

use std::path::Path;

use narrowboat_config::{ConfigError, FailedMovePolicy, PluginConfig, PluginUse};
use narrowboat_core::component::Role;
use narrowboat_core::manifest::{ExecutionMode, Isolation, Manifest};
use narrowboat_schedule::WallClock;

/// The execution mode of a plugin: guests whose imports may wait always run on guest threads.
///
/// The host of a test has one thread, which must not wait for a guest that waits. So all calls run on guest threads there.
pub(super) fn execution_mode(manifest: &Manifest, clock: &WallClock) -> ExecutionMode {
    match manifest.capabilities.may_wait_on_io() || clock.is_simulated() {
        true => ExecutionMode::Thread,
        false => manifest.execution,
    }
}

/// The smaller of the operator's limit and the limit that the manifest requests, if it requests one.
pub(super) fn min_limit<T: Ord>(operator: T, plugin: Option<T>) -> T {
    plugin.into_iter().fold(operator, Ord::min)
}

/// Checks that a plugin has the roles for which routes and workers use it.
pub(super) fn check_uses(
    name: &str,
    config: &PluginConfig,
    file: &Path,
    roles: &[Role],
) -> Result<(), ConfigError> {
    for PluginUse { role, key, location } in &config.uses {
        if !roles.contains(role) {
            let (expected, found, hint) = match role {
                Role::Consumer => ("consumer of connections", "worker", "use it with [[workers]]"),
                Role::Worker => ("worker", "consumer of connections", "use it with [[routes]]"),
            };
            let problem = format!(
                "plugin {name:?} is not a {expected}: {} has only a {found}; {hint}",
                file.display(),
            );
            return Err(location.invalid(key, problem));
        }
    }
    Ok(())
}

/// The configured policy for a consumer that cannot move. A consumer of a shared instance cannot stay behind alone.
pub(super) fn resolve_failed_move(
    name: &str,
    config: &PluginConfig,
    isolation: Isolation,
) -> Result<Option<FailedMovePolicy>, ConfigError> {
    match (config.on_failed_move, isolation) {
        (Some(FailedMovePolicy::KeepOld), Isolation::Shared) => {
            let problem = "\"keep-old\" needs one instance for each connection; the consumers of a \
                           shared instance move together, or none of them moves unless this is \
                           \"restart\" or \"close\"";
            let key = format!("plugins.{name}.on_failed_move");
            Err(config.on_failed_move_location.invalid(&key, problem))
        }
        (policy, _) => Ok(policy),
    }
}

/// The isolation of a plugin. The operator may only narrow the manifest's: an instance for each connection is narrower
/// than a shared instance.
///
/// # Errors
/// The problem with the operator's setting.
pub(super) fn resolve_isolation(
    config: &PluginConfig,
    manifest: &Manifest,
    has_manifest: bool,
) -> Result<Isolation, String> {
    let isolation = match (config.isolation, manifest.isolation) {
        (Some(Isolation::Shared), _) if !has_manifest => {
            return Err("is \"shared\", but the component has no manifest, so that it runs with one \
                        instance for each connection; put `isolation = \"shared\"` into plugin.toml, \
                        which `narrowboat plugin build` adds to the component"
                .to_owned());
        }
        (Some(Isolation::Shared), Isolation::Connection) => {
            return Err("is \"shared\", but the plugin's manifest asks for one instance for each \
                        connection; a configuration may only narrow a manifest, so put \
                        `isolation = \"shared\"` into plugin.toml"
                .to_owned());
        }
        (Some(Isolation::Room), Isolation::Connection | Isolation::Shared) => {
            return Err("is \"room\", but the plugin's manifest has no rooms; a configuration may only \
                        narrow a manifest, so put `isolation = \"room\"` and `room` into plugin.toml"
                .to_owned());
        }
        (Some(wanted @ (Isolation::Connection | Isolation::Shared)), Isolation::Room) => {
            return Err(format!(
                "is {:?}, but the plugin's manifest asks for an instance for each room, on whose state the plugin \
                 relies; remove `isolation`",
                wanted.key()
            ));
        }
        (Some(wanted), _) => wanted,
        (None, manifest) => manifest,
    };
    let instance_of = match isolation {
        Isolation::Shared => return Ok(isolation),
        Isolation::Connection => "connection",
        Isolation::Room => "room",
    };
    if config.instances > 1 {
        return Err(format!(
            "instances is set, but the plugin runs one instance for each {instance_of}; remove `instances`"
        ));
    }
    Ok(isolation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_config::Config;
    use narrowboat_core::name::Tenant;

    fn isolation_problem(manifest: &Manifest, has_manifest: bool) -> String {
        let text = "[plugins.echo]\ncomponent = \"echo.wasm\"\nisolation = \"shared\"\n";
        let config = Config::parse(text, Path::new("narrowboat.toml")).unwrap();
        let plugin = &config.tenants[&Tenant::default_tenant()].plugins["echo"];
        resolve_isolation(plugin, manifest, has_manifest).unwrap_err()
    }

    #[test]
    fn a_shared_instance_needs_a_manifest_that_says_so() {
        let manifest = Manifest::parse(b"name = \"echo\"").unwrap();
        let without = isolation_problem(&manifest, false);
        assert!(without.contains("has no manifest"), "{without}");
        assert!(without.contains("plugin.toml") && without.contains("narrowboat plugin build"));
        assert!(!without.contains("manifest asks for"), "{without}");
        assert!(isolation_problem(&manifest, true).contains("may only narrow a manifest"));
    }
}

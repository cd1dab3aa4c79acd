//! Secrets and certificates that change while the host runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Host;
use crate::auth::ApiTokens;
use crate::file_problems::FileKind;
use crate::tls::TenantNames;
use narrowboat_config::AdminConfig;
use narrowboat_runtime::run_on_dedicated_thread;

impl Host {
    /// Serves the certificates of the tenants of the current configuration.
    pub(super) async fn set_tenant_certificates(&self) {
        if let Some(tls) = self.tls.clone() {
            let tenants = TenantNames::of_config(&self.config());
            // Without a thread, the log already has that.
            let problems = run_on_dedicated_thread(move || tls.set_tenants(tenants)).await;
            self.file_problems.set(FileKind::Certificates, problems.unwrap_or_default());
        }
    }

    /// Gives plugins the new values of their secrets. Waits until a reload that is under way has ended, because it gives them
    /// settings too.
    pub(crate) async fn apply_secrets(&self) {
        let _permit = self.reload_lock.acquire().await;
        for runtime in self.tenants.all().values() {
            runtime.apply_settings();
            for layer in runtime.moved_layers() {
                tracing::warn!(
                    layer,
                    "the URL of its Redis names another server; reload the configuration to connect to it"
                );
            }
        }
    }

    /// Reads the certificates again. Blocks on the disk.
    pub(crate) fn reload_certificates(&self) {
        let problems = self.tls.iter().flat_map(|tls| tls.reload()).collect();
        self.file_problems.set(FileKind::Certificates, problems);
        self.log_exposed_files();
    }

    /// Reads the keys of users again. Blocks on the disk.
    pub(crate) fn reload_user_keys(&self) {
        let problems = self.authenticator.iter().filter_map(|users| users.reload()).collect();
        self.file_problems.set(FileKind::UserKeys, problems);
        self.log_exposed_files();
    }

    /// Logs the files of secrets that other users can read: a rotation may give a file other permissions. Blocks on the
    /// disk.
    pub(crate) fn log_exposed_files(&self) {
        for warning in self.config().exposed_files() {
            tracing::warn!(warning, "other users can read a secret");
        }
    }

    /// The secrets, tokens, keys and certificates that cannot be used any more, without their values.
    pub(crate) fn secret_problems(&self) -> Vec<String> {
        let secrets = self.config().secrets.problems();
        let secrets = secrets.iter().map(ToString::to_string);
        secrets.chain(self.file_problems.all()).collect()
    }

    /// The files of all tokens.
    pub(crate) fn token_files(&self) -> Vec<PathBuf> {
        let config = self.config();
        let admin = config.admin.iter().filter(|_| self.operator_tokens.is_enabled());
        let of_operator = admin.flat_map(AdminConfig::token_files).map(Path::to_owned);
        let tenants = self.tenants.all();
        let of_tenants = tenants.values().flat_map(|runtime| runtime.token_files());
        of_operator.chain(of_tenants.map(Path::to_owned)).collect()
    }

    /// Reads all tokens again. Tokens whose files cannot be used stay as they were. Waits until a reload that is under way has
    /// ended, because it reads the tokens too.
    pub(crate) async fn reload_tokens(self: &Arc<Self>) {
        let _permit = self.reload_lock.acquire().await;
        let host = Arc::clone(self);
        let read = run_on_dedicated_thread(move || {
            let config = host.config();
            let admin = config.admin.as_ref().filter(|_| host.operator_tokens.is_enabled());
            let of_operator =
                admin.map(|admin| Ok(host.operator_tokens.replace(ApiTokens::read(admin)?)));
            let tenants = host.tenants.all();
            let of_tenants = tenants.values().map(|runtime| runtime.reload_tokens());
            let (mut has_changed, mut errors) = (false, Vec::new());
            for result in of_operator.into_iter().chain(of_tenants) {
                match result {
                    Ok(differs) => has_changed |= differs,
                    Err(error) => errors.push(error),
                }
            }
            (has_changed, errors)
        });
        match read.await {
            Some((has_changed, errors)) => {
                if has_changed {
                    tracing::info!("tokens reloaded");
                }
                for error in &errors {
                    tracing::warn!(%error, "cannot reload tokens; they stay as they were");
                }
                let problems = errors.iter().map(ToString::to_string).collect();
                self.file_problems.set(FileKind::Tokens, problems);
            }
            None => tracing::warn!("cannot start a thread to read tokens; a reload reads them"),
        }
    }
}

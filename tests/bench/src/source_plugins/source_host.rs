//! Hosts that serve source plugins.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::source_folder::SourceFolder;
use super::source_language::SourceLanguage;
use crate::peer::BenchFiles;
use crate::process::ServerProcess;

/// Makes the hosts of all parts, which share a cache of compiled code.
pub(super) struct SourceHosts<'a> {
    site: &'a BenchFiles,
    language: &'static SourceLanguage,
    cache: PathBuf,
}

/// A host that is set up, and not yet started.
pub(super) struct SourceHost<'a> {
    hosts: &'a SourceHosts<'a>,
    folder: PathBuf,
    config: String,
}

impl<'a> SourceHosts<'a> {
    /// Uses the cache of an earlier run, if there is one.
    pub(super) fn new(
        site: &'a BenchFiles,
        language: &'static SourceLanguage,
    ) -> anyhow::Result<Self> {
        let cache = site.folder_path(&format!("{}-cache", language.language))?;
        Ok(Self { site, language, cache })
    }

    /// The language of the plugins.
    pub(super) fn language(&self) -> &'static SourceLanguage {
        self.language
    }

    /// The files of the benchmark.
    pub(super) fn site(&self) -> &'a BenchFiles {
        self.site
    }

    /// The folder of compiled code.
    pub(super) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Removes all compiled code.
    pub(super) fn empty_cache(&self) -> anyhow::Result<()> {
        if self.cache.exists() {
            std::fs::remove_dir_all(&self.cache)
                .with_context(|| self.cache.display().to_string())?;
        }
        Ok(())
    }

    /// Sets up a host in an empty folder. `keys` are keys and tables of its configuration.
    pub(super) fn set_up(&'a self, name: &str, keys: &str) -> anyhow::Result<SourceHost<'a>> {
        let folder = std::path::absolute(
            self.site.create_folder(&format!("{}-{name}", self.language.language))?,
        )?;
        let cache = self.cache.display().to_string();
        let config = format!("listen = \"127.0.0.1:0\"\n{keys}\n[cache]\nfolder = {cache:?}\n");
        Ok(SourceHost { hosts: self, folder, config })
    }
}

impl SourceHost<'_> {
    /// The language of the plugins.
    pub(super) fn language(&self) -> &'static SourceLanguage {
        self.hosts.language
    }

    /// The folder of the host.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the log.
    pub(super) fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Adds tables to the configuration.
    pub(super) fn configure(&mut self, tables: &str) {
        self.config += tables;
    }

    /// Adds a plugin, which is served at `/NAME/`. `keys` are keys of its table.
    pub(super) fn add_plugin(
        &mut self,
        name: &str,
        module: &str,
        keys: &str,
    ) -> anyhow::Result<SourceFolder> {
        let source =
            SourceFolder::create(self.hosts.language, &self.folder.join("plugins"), name, module)?;
        self.configure(&format!(
            "[plugins.{name}]\nsource = \"plugins/{name}\"\n{keys}\n\
             [[routes]]\npath = \"/{name}/\"\nplugin = \"{name}\"\n"
        ));
        Ok(source)
    }

    /// Starts the host by `verb`, which is `serve` or `dev`, and waits until it listens.
    ///
    /// # Errors
    /// If it does not listen, or does not serve a plugin.
    pub(super) fn start(&self, verb: &str) -> anyhow::Result<ServerProcess> {
        let config = self.write_config()?;
        let mut command = Command::new(std::path::absolute(self.hosts.site.narrowboat_path()?)?);
        command.arg(verb).arg("--config").arg(&config);
        let server = ServerProcess::start(command, &self.log_file())?;
        let log = self.read_log()?;
        ensure!(!log.contains("is not served"), "{log}");
        Ok(server)
    }

    /// Writes the configuration, for a host that will start or reload it. Returns its file.
    pub(super) fn write_config(&self) -> anyhow::Result<PathBuf> {
        let file = self.folder.join("narrowboat.toml");
        std::fs::write(&file, &self.config).with_context(|| file.display().to_string())?;
        Ok(file)
    }

    /// Reads the log.
    pub(super) fn read_log(&self) -> anyhow::Result<String> {
        let file = self.log_file();
        std::fs::read_to_string(&file).with_context(|| file.display().to_string())
    }
}

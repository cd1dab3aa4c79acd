//! Secrets in the environment and in files.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use narrowboat_config::{
    Config, Endpoint, HIDDEN_SECRET, JwtKeyFile, LayerBackend, PemSource, RedisConfig, RedisHost,
    RedisServer, Secret, SecretChanges, SecretStore, TokenSecret,
};
use support::{ECHO, assert_refused, default_tenant};
use tempfile::TempDir;

/// A variable that cargo sets for tests.
const VARIABLE: &str = "CARGO_PKG_NAME";

/// The value of the variable.
const VALUE: &str = env!("CARGO_PKG_NAME");

/// A folder with a configuration and files of secrets.
struct Folder {
    folder: TempDir,
    secrets: SecretStore,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), secrets: SecretStore::reading() }
    }

    fn with(name: &str, text: &str) -> Self {
        let folder = Self::new();
        folder.write(name, text);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn parse(&self, text: &str) -> Result<Config, String> {
        let file = self.path("narrowboat.toml");
        Config::parse_with(text, &file, &self.secrets).map_err(|error| error.to_string())
    }

    /// Looks at the files until two looks agree, and returns the changes of the last look.
    fn settle(&self) -> SecretChanges {
        self.secrets.refresh();
        self.secrets.refresh()
    }

    /// A configuration whose plugin `echo` has the setting `key`.
    fn setting(&self, value: &str) -> Result<Config, String> {
        self.parse(&format!("{ECHO}[plugins.echo.config]\nkey = {value}\n"))
    }
}

/// The setting `key` of the plugin `echo`.
fn value(config: &Config) -> String {
    default_tenant(config).plugins["echo"].settings.values()["key"].clone()
}

fn redis(config: &Config) -> RedisConfig {
    match &default_tenant(config).layers["default"].backend {
        LayerBackend::Redis(redis) => redis.clone(),
        other => panic!("{other:?}"),
    }
}

fn first_server(config: &Config) -> RedisServer {
    match &redis(config).hosts[0] {
        RedisHost::Server(server) => server.clone(),
        RedisHost::Sentinel { .. } => panic!("a sentinel"),
    }
}

/// The user and the password for a new connection.
fn login(server: &RedisServer) -> (Option<String>, Option<String>) {
    let login = server.access.login(Some(&server.endpoint));
    (login.username, login.password.map(|password| password.to_string()))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_setting_comes_from_the_environment() {
    let config = Folder::new().setting(&format!("{{ env = \"{VARIABLE}\" }}")).unwrap();
    assert_eq!(value(&config), VALUE);
}

#[test]
fn a_setting_comes_from_a_file_beside_the_configuration() {
    for (text, expected) in
        [("hunter2", "hunter2"), ("hunter2\r\n", "hunter2"), ("a\nb\n\n", "a\nb\n")]
    {
        let folder = Folder::with("key.txt", text);
        assert_eq!(value(&folder.setting("{ file = \"key.txt\" }").unwrap()), expected);
    }
}

#[test]
fn a_secret_is_shown_as_a_placeholder() {
    let folder = Folder::with("key.txt", "hunter2");
    let config = folder.setting("{ file = \"key.txt\" }\nplain = 1").unwrap();
    let settings = &default_tenant(&config).plugins["echo"].settings;
    assert_eq!(settings.shown().collect::<Vec<_>>(), [("key", HIDDEN_SECRET), ("plain", "1")]);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_secret_that_is_missing_or_empty_is_an_error_at_its_line() {
    let folder = Folder::with("empty", "\n");
    folder.write("binary", "a\0b");
    folder.write("long", &"x".repeat(65_537));
    fs::create_dir(folder.path("folder")).unwrap();
    for (reference, words) in [
        ("{ env = \"NO_SUCH_VARIABLE\" }", "NO_SUCH_VARIABLE is not set"),
        ("{ file = \"missing\" }", "cannot be read"),
        ("{ file = \"empty\" }", "is empty"),
        ("{ file = \"binary\" }", "NUL"),
        ("{ file = \"long\" }", "more than 65536 bytes"),
        ("{ file = \"folder\" }", "not a regular file"),
        ("[{ env = \"HOME\" }]", "a reference to a secret in a list"),
    ] {
        let error = folder.setting(reference).unwrap_err();
        assert!(error.contains("narrowboat.toml:4:"), "{error}");
        assert!(error.contains("plugins.echo.config.key") && error.contains(words), "{error}");
    }
}

#[test]
fn a_command_that_only_reads_addresses_needs_no_secret() {
    let text = format!("{ECHO}[plugins.echo.config]\nkey = {{ env = \"NO_SUCH_VARIABLE\" }}\n");
    let config = support::parse(&text).unwrap();
    assert!(default_tenant(&config).plugins["echo"].settings.values().is_empty());
    let text = "[layer]\nbackend = \"redis\"\nhosts = [{ env = \"NO_SUCH_VARIABLE\" }]\n";
    assert!(support::parse(text).is_ok());
}

#[test]
fn a_changed_file_changes_the_secret_of_every_configuration() {
    let folder = Folder::with("key.txt", "old");
    let before = folder.setting("{ file = \"key.txt\" }").unwrap();
    folder.write("key.txt", "new\n");
    assert_eq!(folder.settle().changed.len(), 1);
    let after = folder.setting("{ file = \"key.txt\" }").unwrap();
    assert_eq!((value(&before), value(&after)), ("new".to_owned(), "new".to_owned()));
    assert!(folder.secrets.refresh().changed.is_empty());
}

#[test]
fn a_secret_that_is_written_slowly_does_not_count_before_its_end() {
    let folder = Folder::with("key.txt", "old");
    let config = folder.setting("{ file = \"key.txt\" }").unwrap();
    for part in ["", "n", "ne", "new"] {
        folder.write("key.txt", part);
        let changes = folder.secrets.refresh();
        assert!(changes.changed.is_empty() && changes.failed.is_empty(), "{changes:?}");
        assert_eq!((changes.unsettled.len(), value(&config)), (1, "old".to_owned()));
    }
    assert_eq!(folder.secrets.refresh().changed.len(), 1);
    assert_eq!(value(&config), "new");
    // A writer that comes back to the value from before has changed nothing.
    folder.write("key.txt", "other");
    folder.secrets.refresh();
    folder.write("key.txt", "new");
    let changes = folder.settle();
    assert!(changes.changed.is_empty() && changes.unsettled.is_empty(), "{changes:?}");
}

#[test]
fn a_table_that_looks_like_a_reference_is_refused_with_the_form_of_one() {
    let folder = Folder::with("key.txt", "hunter2");
    for (table, key) in [
        ("{ file = \"key.txt\", env = \"HOME\" }", "file"),
        ("{ File = \"key.txt\" }", "File"),
        ("{ ENV = \"HOME\" }", "ENV"),
        ("{ file = \"key.txt\", mode = \"text\" }", "file"),
        ("{ file = 3 }", "file"),
    ] {
        let error = folder.setting(table).unwrap_err();
        assert!(error.contains("narrowboat.toml:4:") && !error.contains("hunter2"), "{error}");
        let words = [
            "plugins.echo.config.key: ".to_owned(),
            "{ file = \"PATH\" } or { env = \"NAME\" }".to_owned(),
            format!("`\"key.{key}\" = \"…\"`"),
        ];
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let error = folder.setting("[{ file = \"a\", size = 1 }]").unwrap_err();
    assert!(error.contains("write a list that is meant as it is as JSON in quotes"), "{error}");
}

#[test]
fn a_plain_setting_may_have_a_key_that_ends_as_a_reference() {
    let config = Folder::new().setting("1\n\"upload.file\" = \"plain\"\nfile = \"too\"").unwrap();
    let settings = default_tenant(&config).plugins["echo"].settings.values();
    assert_eq!((&*settings["upload.file"], &*settings["file"]), ("plain", "too"));
}

#[test]
fn a_file_that_cannot_be_read_any_more_keeps_its_secret() {
    let folder = Folder::with("key.txt", "kept");
    let config = folder.setting("{ file = \"key.txt\" }").unwrap();
    fs::remove_file(folder.path("key.txt")).unwrap();
    let changes = folder.settle();
    assert!(changes.failed[0].to_string().contains("key.txt"), "{changes:?}");
    assert_eq!(folder.secrets.problems().len(), 1);
    // The problem is reported once.
    assert!(folder.settle().failed.is_empty());
    let reloaded = folder.setting("{ file = \"key.txt\" }").unwrap();
    assert_eq!((value(&config), value(&reloaded)), ("kept".to_owned(), "kept".to_owned()));
    folder.write("key.txt", "kept");
    assert_eq!(folder.secrets.refresh().recovered.len(), 1);
    assert!(folder.secrets.problems().is_empty());
}

#[test]
fn a_secret_that_no_configuration_has_is_not_read_again() {
    let folder = Folder::with("key.txt", "old");
    drop(folder.setting("{ file = \"key.txt\" }").unwrap());
    folder.write("key.txt", "new");
    assert!(folder.settle().changed.is_empty());
}

#[test]
fn a_url_of_redis_comes_from_a_file_and_its_password_may_change() {
    let folder = Folder::with("url", "redis://ann:old@cache:6380/2?ignored=");
    let layer = "[layer]\nbackend = \"redis\"\nhosts = [{ file = \"url\" }]\n";
    let error = folder.parse(layer).unwrap_err();
    assert!(error.contains("layer.hosts[0]") && !error.contains("old"), "{error}");
    folder.write("url", "redis://ann:old@cache:6380/2");
    folder.settle();
    let config = folder.parse(layer).unwrap();
    let server = first_server(&config);
    assert_eq!(server.endpoint, Endpoint::Tcp("cache".to_owned(), 6380));
    assert_eq!(server.access.database, 2);
    assert_eq!(login(&server), (some("ann"), some("old")));
    folder.write("url", "redis://ann:new@cache:6380/2");
    folder.settle();
    assert_eq!(login(&server), (some("ann"), some("new")));
    assert_eq!(redis(&config), redis(&folder.parse(layer).unwrap()));
    assert!(!format!("{config:?}").contains("new"));
}

#[test]
fn a_url_that_names_another_server_needs_a_reload() {
    let folder = Folder::with("url", "redis://:old@one");
    let layer = "[layer]\nbackend = \"redis\"\nhosts = [{ address = { file = \"url\" } }]\n";
    let config = folder.parse(layer).unwrap();
    folder.write("url", "redis://:new@two");
    folder.settle();
    assert_eq!(login(&first_server(&config)), (None, some("old")));
    let reloaded = folder.parse(layer).unwrap();
    assert_ne!(redis(&config), redis(&reloaded));
    assert_eq!(login(&first_server(&reloaded)), (None, some("new")));
}

#[test]
fn passwords_and_encryption_keys_come_from_files() {
    let folder = Folder::with("secret", "hunter2\n");
    let config = folder.parse(
        "[layer]\nbackend = \"redis\"\nsymmetric_encryption_keys = [{ file = \"secret\" }, \"inline\"]\n\
         hosts = [{ host = \"h\", password = { file = \"secret\" } }, { sentinels = [[\"s\"]], \
         master_name = \"m\", password = { file = \"secret\" }, sentinel_kwargs = { password = { file = \"secret\" } } }]\n",
    );
    let redis = redis(&config.unwrap());
    let keys: Vec<_> = redis.symmetric_encryption_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["hunter2", "inline"]);
    let [RedisHost::Server(server), RedisHost::Sentinel { sentinels, master, .. }] = &*redis.hosts
    else {
        panic!("{redis:?}")
    };
    assert_eq!(login(server), (None, some("hunter2")));
    assert_eq!(login(&sentinels[0]), (None, some("hunter2")));
    assert_eq!(master.login(None).password.as_deref(), Some("hunter2"));
}

#[test]
fn tokens_jwt_secrets_and_tls_keys_come_from_the_environment() {
    let text = format!(
        "[admin]\n[[admin.tokens]]\nname = \"ci\"\nenv = \"{VARIABLE}\"\nscopes = [\"read\"]\n\
         [users.jwt]\nsecret = {{ env = \"{VARIABLE}\" }}\nalgorithms = [\"HS256\"]\n\
         [users.webhook]\nurl = {{ file = \"url\" }}\n\
         [tls]\ncert = \"cert.pem\"\nkey = {{ env = \"{VARIABLE}\" }}\n",
    );
    let folder = Folder::with("url", "http://site/?key=hunter2");
    let config = folder.parse(&text).unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2") && !debug.contains("Secret(\""), "{debug}");
    let TokenSecret::Env(token) = &config.admin.unwrap().tokens[0].secret else { panic!() };
    assert_eq!(&*token.expose(), VALUE);
    let users = config.users.unwrap();
    let JwtKeyFile::SecretVariable(secret) = users.jwt.unwrap().key_file else { panic!() };
    assert_eq!(&*secret.expose(), VALUE);
    let url = users.webhook.unwrap().url;
    assert_eq!(url.current().as_str(), "http://site/?key=hunter2");
    assert!(!url.to_string().contains("hunter2"));
    let tls = config.tls.unwrap();
    assert_eq!(tls.cert, PemSource::File(folder.path("cert.pem")));
    assert!(matches!(tls.key, PemSource::Env(key) if &*key.expose() == VALUE));
}

#[test]
fn a_reference_has_exactly_one_key() {
    let redis = "[layer]\nbackend = \"redis\"\n";
    let forms = "{ env = \"NAME\" } or { file = \"PATH\" }";
    for (text, line) in [
        (format!("{redis}symmetric_encryption_keys = [{{ env = \"A\", file = \"b\" }}]\n"), 3),
        (format!("{redis}hosts = [{{ host = \"h\", password = {{ fiel = \"b\" }} }}]\n"), 3),
        ("[tls]\ncert = { name = \"A\" }\nkey = \"k\"\n".to_owned(), 2),
        ("[users.jwt]\nalgorithms = [\"HS256\"]\nsecret = \"inline\"\n".to_owned(), 3),
    ] {
        let words: &[&str] =
            if text.contains("[tls]") { &["{ file = \"PATH\" }"] } else { &[forms] };
        assert_refused(&text, line, words);
    }
}

#[test]
fn a_file_that_others_can_read_gives_a_warning() {
    let folder = Folder::with("key.txt", "hunter2");
    let config = folder.setting("{ file = \"key.txt\" }").unwrap();
    let warns = || config.warnings().iter().any(|line| line.contains("key.txt"));
    let set_mode = |mode| {
        fs::set_permissions(folder.path("key.txt"), fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(0o640);
    assert!(!warns());
    set_mode(0o644);
    assert!(warns());
}

#[test]
fn a_private_key_and_a_jwt_secret_that_others_can_read_give_a_warning() {
    let folder = Folder::with("tls.key", "any");
    folder.write("jwt", "any");
    let config = folder
        .parse(
            "[tls]\ncert = \"cert\"\nkey = \"tls.key\"\n[users.jwt]\nsecret_file = \"jwt\"\nalgorithms = [\"HS256\"]\n\
             [tenants.acme]\npath = \"/acme\"\n[tenants.acme.tls]\nhosts = [\"acme.example\"]\ncert = \"cert\"\n\
             key = \"acme.key\"\n",
        )
        .unwrap();
    folder.write("acme.key", "any");
    for name in ["tls.key", "jwt", "acme.key"] {
        let file = folder.path(name);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(config.exposed_files(), Vec::<String>::new());
    for name in ["tls.key", "jwt", "acme.key"] {
        fs::set_permissions(folder.path(name), fs::Permissions::from_mode(0o604)).unwrap();
        assert!(
            config.warnings().iter().any(|line| line.contains(&format!("/{name} has a secret")))
        );
    }
}

#[test]
fn a_line_of_a_list_of_keys_is_not_quoted_in_an_error() {
    let text = "[layer]\nbackend = \"redis\"\nsymmetric_encryption_keys = [\n  \"hidden\n]\n";
    let error = Config::parse(text, Path::new("narrowboat.toml")).unwrap_err().to_string();
    assert!(!error.contains("hidden"), "{error}");
}

#[test]
fn a_line_below_the_config_of_a_plugin_is_not_quoted_in_an_error() {
    for text in [
        "[plugins.lab.config]\napi_key = \"hunter2\n",
        "[plugins.lab.config]\napi_key = hunter2\n",
        "[plugins.lab.config.smtp]\nkey = [\n  \"hunter2\\q\",\n]\n",
        "[tenants.acme.plugins.lab.config]\nkeys = [\n  [1, 2],\n  hunter2,\n]\n",
        "[plugins]\nlab.config.api_key = hunter2\n",
        "[plugins.lab]\nconfig = { api_key = hunter2 }\n",
    ] {
        let error = Config::parse(text, Path::new("narrowboat.toml")).unwrap_err().to_string();
        assert!(error.contains("(not shown: the line may hold a secret)"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

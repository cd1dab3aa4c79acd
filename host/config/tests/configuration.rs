//! The keys of the file, and its errors: each has the file, the line, the key and what to write instead.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::path::Path;

use narrowboat_config::{Config, OverflowPolicy, PluginSource, Quota, WatchMode};
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_core::units::{ByteSize, DurationSetting};
use proptest::prelude::*;
use support::{ECHO, assert_refused, default_tenant, parse};

#[test]
fn an_empty_file_is_valid() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.limits.max_connections, 10_000);
    assert_eq!(default_tenant(&config).layers["default"].capacity, 100);
    assert!(!config.demo);
    assert_eq!(config.watch, Some(WatchMode::Events));
}

#[test]
fn watch_is_events_poll_or_off() {
    let watch = |how: &str| parse(&format!("watch = {how:?}\n")).unwrap().watch;
    assert_eq!(watch("events"), Some(WatchMode::Events));
    assert_eq!(watch("poll"), Some(WatchMode::Poll));
    assert_eq!(watch("off"), None);
    assert_refused("watch = \"on\"\n", 1, &["watch", "`events`", "`poll`", "`off`"]);
}

#[test]
fn the_keys_of_the_file_are_applied() {
    let config = parse(
        "listen = \"[::1]:9\"\ndemo = true\n\
         [limits]\nmax_message = \"2 MiB\"\nping_interval = \"5s\"\n\
         [layer]\ncapacity = 7\nchannel_capacity = [{ pattern = \"jobs.*\", capacity = 3 }]\n\
         [plugins.chat]\ncrate = \"chat\"\nisolation = \"shared\"\ninstances = 2\noverflow = \"refuse\"\n\
         [[routes]]\nregex = \"^/chat/(?P<room>\\\\w+)/$\"\nplugin = \"chat\"\n",
    )
    .unwrap();
    let chat = &default_tenant(&config).plugins["chat"];
    assert_eq!(chat.source, PluginSource::Crate("folder/chat".into()));
    assert_eq!(chat.isolation, Some(Isolation::Shared));
    assert_eq!((chat.instances, chat.overflow), (2, OverflowPolicy::Refuse));
    assert!(config.demo);
    assert_eq!(config.limits.max_message, ByteSize::mib(2));
    assert_eq!(config.limits.ping_interval, DurationSetting::from_secs(5));
    assert_eq!(default_tenant(&config).layers["default"].channel_capacity[0].capacity, 3);
    let captures = default_tenant(&config).routes[0].pattern.captures("/chat/red/").unwrap();
    assert_eq!(captures, [("room".to_owned(), "red".to_owned())]);
}

#[test]
fn the_error_for_an_unknown_key_suggests_a_known_one() {
    let text = "[limits]\nmax_conections = 5\n";
    assert_refused(text, 2, &["limits", "max_conections", "did you mean `max_connections`?"]);
    assert_refused("lisen = \"127.0.0.1:1\"", 1, &["lisen", "did you mean `listen`?"]);
    let text = "[plugins.echo]\ncomponent = \"a\"\nisolaton = \"shared\"\n";
    assert_refused(text, 3, &["plugins.echo", "did you mean `isolation`?"]);
}

#[test]
fn the_error_for_an_invalid_value_shows_valid_ones() {
    assert_refused("demo = \"yes\"", 1, &["demo", "boolean"]);
    assert_refused("listen = \"localhost\"", 1, &["listen", "\"127.0.0.1:8000\""]);
    assert_refused("[limits]\nping_interval = 5\n", 2, &["limits.ping_interval", "\"10s\""]);
    assert_refused("[limits]\nmemory = \"big\"\n", 2, &["limits.memory", "\"1 MiB\""]);
    assert_refused("[limits]\nmax_connections = -1\n", 2, &["limits.max_connections"]);
    let text = "[plugins.echo]\ncomponent = \"a\"\nisolation = \"none\"\n";
    assert_refused(text, 3, &["plugins.echo.isolation", "`connection`", "`shared`"]);
    assert_refused("[layer]\nbackend = \"redis2\"\n", 2, &["layer.backend", "`memory`"]);
}

#[test]
fn limits_that_cannot_work_are_refused() {
    assert_refused("[limits]\nmax_connections = 0\n", 2, &["limits.max_connections", "1 to"]);
    let text = "[limits]\nping_interval = \"2m\"\n";
    assert_refused(text, 1, &["limits.idle_timeout", "longer than ping_interval"]);
    assert_refused("[limits]\ncall_time = \"0s\"\n", 2, &["limits.call_time", "at least 1ms"]);
    assert_refused("[limits]\nmemory = \"5 GiB\"\n", 2, &["limits.memory", "at most"]);
    assert_refused("[layer]\ncapacity = 0\n", 2, &["layer.capacity", "at least 1"]);
    assert_refused("[layer]\nexpiry = \"0s\"\n", 2, &["layer.expiry", "at least 1ms"]);
    assert_refused("[layer]\nmax_message = 0\n", 2, &["layer.max_message", "more than 0"]);
}

#[test]
fn a_cache_has_a_folder_and_a_size_or_is_off() {
    let cache = |text: &str| parse(&format!("[cache]\n{text}")).unwrap().cache;
    let found = cache("folder = \"code/\"\nsize = \"1 MiB\"\n").unwrap();
    // A slash at the end would have the system follow a symbolic link.
    assert_eq!(found.folder.as_os_str(), "folder/code");
    assert_eq!(found.size, ByteSize::mib(1));
    assert_eq!(cache("folder = \"/code\"\n").unwrap().size, ByteSize::mib(512));
    assert_eq!(cache("folder = \"code\"\nsize = 0\n"), None);
    assert_refused("[cache]\nfolder = \"\"\n", 2, &["cache.folder", "must name", "size = 0"]);
    assert_refused("[cache]\nsize = \"big\"\n", 2, &["cache.size", "\"1 MiB\""]);
    assert_refused("[cache]\nfoldr = \"x\"\n", 2, &["cache", "did you mean `folder`?"]);
}

#[test]
fn a_tenant_has_half_of_the_limits_of_the_host_by_default() {
    let text = "[limits]\nmax_connections = 100\n\
                [tenants.acme]\npath = \"/acme\"\n[tenants.acme.limits]\ncpu = \"3s\"\n";
    let config = parse(text).unwrap();
    let limits = config.tenants[&"acme".parse::<Tenant>().unwrap()].limits;
    assert_eq!((limits.connections, limits.cpu), (Some(50), Some(DurationSetting::from_secs(3))));
    assert_eq!(default_tenant(&config).limits, Quota::default());
}

#[test]
fn a_tenant_has_the_settings_of_the_layers_of_the_host_by_default() {
    let text = "[layer]\ncapacity = 7\n[layers.other]\ncapacity = 8\n\
                [tenants.acme]\npath = \"/acme\"\n[tenants.acme.layer]\ncapacity = 9\n";
    let config = parse(text).unwrap();
    let layers = &config.tenants[&"acme".parse::<Tenant>().unwrap()].layers;
    assert_eq!((layers["default"].capacity, layers["other"].capacity), (9, 8));
}

#[test]
fn the_error_for_invalid_toml_has_its_place() {
    assert_refused("listen = \n", 1, &[]);
    assert_refused("a = 1\na = 2\n", 2, &["duplicate"]);
}

#[test]
fn the_error_for_a_missing_file_says_how_to_name_another() {
    let error = Config::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml") && error.contains("--config"), "{error}");
}

#[test]
fn the_error_for_a_top_level_key_in_a_table_says_where_to_write_it() {
    let text = format!("{ECHO}[[routes]]\npath = \"/\"\nplugin = \"echo\"\ndemo = true\n");
    assert_refused(&text, 6, &["routes[0].demo", "unknown key `demo`", "above the first table"]);
    for key in ["listen = \"a:1\"", "watch = \"off\"", "allowed_hosts = []", "allowed_origins = []"]
    {
        assert_refused(&format!("[limits]\n{key}\n"), 2, &["above the first table"]);
        let error = parse(&format!("{key}\n")).err().unwrap_or_default();
        assert!(!error.contains("unknown"), "{error}");
    }
}

#[test]
fn a_listen_name_resolves_to_its_first_ipv4_address() {
    let listen = |text: &str| {
        let config = parse(&format!("listen = \"{text}\"\n")).unwrap();
        config.listen.resolve().map(|address| address.to_string())
    };
    assert_eq!(listen("localhost:8000").unwrap(), "127.0.0.1:8000");
    assert_eq!(listen("[::1]:9").unwrap(), "[::1]:9");
    for wrong in [
        "localhost",
        ":8000",
        "localhost:",
        "localhost:65536",
        "http://localhost:80",
        "::1:80",
        "/run/x.sock",
    ] {
        assert_refused(&format!("listen = \"{wrong}\"\n"), 1, &["listen", "\"localhost:8000\""]);
    }
    let admin = parse("[admin]\nlisten = \"localhost:1\"\n").unwrap().admin.unwrap();
    assert_eq!(admin.listen.resolve().unwrap().to_string(), "127.0.0.1:1");
}

#[test]
fn a_configuration_is_read_without_a_name_server() {
    let nowhere = "no-such-name.invalid:80";
    let config =
        parse(&format!("listen = \"{nowhere}\"\n[admin]\nlisten = \"{nowhere}1\"\n")).unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.listen.port()), (nowhere, 80));
    assert!(config.listen.resolve().unwrap_err().contains(nowhere));
    assert_eq!(config.admin.unwrap().listen.port(), 801);
}

#[test]
fn the_operators_interface_needs_another_port() {
    let text = "listen = \"127.0.0.1:8001\"\n[admin]\n";
    assert_refused(text, 2, &["admin.listen", "127.0.0.1:8001", "another port"]);
    assert!(parse("listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n").is_ok());
}

#[test]
fn the_same_token_under_two_names_is_refused() {
    let token = |name: &str, secret: &str| {
        format!("[[admin.tokens]]\nname = \"{name}\"\n{secret}\nscopes = [\"read\"]\n")
    };
    let hash = format!("sha256 = \"{}\"", "a".repeat(64));
    for secret in ["file = \"x.token\"", hash.as_str()] {
        let text = format!("[admin]\n{}{}", token("one", secret), token("two", secret));
        assert_refused(&text, 7, &["admin.tokens", "the same token as \"one\""]);
    }
    let text = format!("[admin]\n{}{}", token("one", &hash), token("two", "file = \"x.token\""));
    assert!(parse(&text).is_ok());
}

#[test]
fn parts_without_effect_get_a_warning() {
    let text = format!(
        "{ECHO}[layers.spare]\n[layers.used]\n[tenants.acme]\npath = \"/acme\"\n\
                        [tenants.acme.plugins.idle]\ncomponent = \"a\"\nlayer = \"used\"\n"
    );
    let warnings = parse(&text).unwrap().warnings().join("\n");
    for words in ["no routes", "plugin \"echo\"", "plugin \"acme/idle\"", "[layers.spare]"] {
        assert!(warnings.contains(words), "{warnings}");
    }
    assert!(
        !warnings.contains("layers.used") && !warnings.contains("layers.default"),
        "{warnings}"
    );
    let text = format!("{ECHO}[[routes]]\npath = \"/\"\nplugin = \"echo\"\n");
    assert_eq!(parse(&text).unwrap().warnings(), Vec::<String>::new());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_value_makes_the_parser_panic(
        key in "listen|routes|plugins|limits|layer|cache|limits.memory|layer.expiry|plugins.a.crate",
        value in "[0-9a-z\"{}\\[\\]=., \u{e9}-]{0,40}",
    ) {
        let _ = parse(&format!("{key} = {value}"));
    }
}

/// A tenant with a certificate for these names.
fn tenant_with_tls(tenant: &str, hosts: &str, names: &str) -> String {
    format!(
        "[tenants.{tenant}]\n{hosts}\n[tenants.{tenant}.tls]\n{names}\ncert = \"a\"\nkey = \"b\"\n"
    )
}

#[test]
fn a_tenants_certificate_is_for_names_of_its_own() {
    let tls = "[tls]\ncert = \"a\"\nkey = \"b\"\n";
    let acme = |names: &str| {
        tls.to_owned() + &tenant_with_tls("acme", "hosts = [\".acme.example\"]", names)
    };
    assert!(parse(&acme("")).is_ok());
    assert!(parse(&acme("hosts = [\"www.acme.example\"]")).is_ok());
    assert_refused(&acme("hosts = [\"other.example\"]"), 7, &["tenants.acme.tls.hosts", "hosts"]);
    for names in ["hosts = [\"*\"]", "hosts = [\"10.0.0.1\"]", "hosts = [\"[::1]\"]"] {
        assert_refused(&acme(names), 7, &["tenants.acme.tls.hosts", "a list of names"]);
    }
    let by_path = tls.to_owned() + &tenant_with_tls("acme", "path = \"/acme\"", "");
    assert_refused(&by_path, 6, &["tenants.acme.tls.hosts", "a list of names"]);
    let without = tenant_with_tls("acme", "hosts = [\"acme.example\"]", "");
    assert_refused(&without, 3, &["tenants.acme.tls", "[tls]"]);
}

#[test]
fn two_tenants_cannot_have_a_certificate_for_the_same_name() {
    let tls = "[tls]\ncert = \"a\"\nkey = \"b\"\n";
    let one = tenant_with_tls("one", "path = \"/one\"", "hosts = [\"A.example\"]");
    let two = tenant_with_tls("two", "path = \"/two\"", "hosts = [\"a.example\"]");
    assert_refused(&format!("{tls}{one}{two}"), 10, &["tenants.two.tls.hosts", "a.example", "one"]);
}

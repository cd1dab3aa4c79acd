//! What is wrong with a configuration is told with file, line, key and what would be right.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::path::Path;

use narrowboat_config::{
    Config, Grants, LimitRow, OverflowPolicy, PluginSource, Quota, TenantConfig, WatchMode,
    limit_rows,
};
use narrowboat_core::manifest::{Isolation, Manifest};
use narrowboat_core::name::Tenant;
use narrowboat_core::units::{ByteSize, DurationSetting};
use proptest::prelude::*;

const ECHO: &str = "[plugins.echo]\ncomponent = \"echo.wasm\"\n";

fn parse(text: &str) -> Result<Config, String> {
    let file = Path::new("folder/narrowboat.toml");
    Config::parse(text, file).map_err(|error| error.to_string())
}

fn assert_refused(text: &str, line: usize, words: &[&str]) {
    let error = parse(text).unwrap_err();
    let place = format!("folder/narrowboat.toml:{line}:");
    assert!(error.starts_with(&place), "{error:?} does not start with {place}");
    for word in words {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

/// What stands at the top of the file, for the tenant that there is without any.
fn own(config: &Config) -> &TenantConfig {
    &config.tenants[&Tenant::default_tenant()]
}

#[test]
fn an_empty_file_is_a_configuration() {
    let config = parse("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.limits.max_connections, 10_000);
    assert_eq!(own(&config).layers["default"].capacity, 100);
    assert!(!config.demo);
    assert_eq!(config.watch, Some(WatchMode::Events));
}

#[test]
fn changes_are_noticed_by_events_by_polling_or_not_at_all() {
    let watch = |how: &str| parse(&format!("watch = {how:?}\n")).unwrap().watch;
    assert_eq!(watch("events"), Some(WatchMode::Events));
    assert_eq!(watch("poll"), Some(WatchMode::Poll));
    assert_eq!(watch("off"), None);
    assert_refused("watch = \"on\"\n", 1, &["watch", "`events`", "`poll`", "`off`"]);
}

#[test]
fn what_is_written_is_what_holds() {
    let config = parse(
        "listen = \"[::1]:9\"\ndemo = true\n\
         [limits]\nmax_message = \"2 MiB\"\nping_interval = \"5s\"\n\
         [layer]\ncapacity = 7\nchannel_capacity = [{ pattern = \"jobs.*\", capacity = 3 }]\n\
         [plugins.chat]\ncrate = \"chat\"\nisolation = \"shared\"\ninstances = 2\noverflow = \"refuse\"\n\
         [[routes]]\nregex = \"^/chat/(?P<room>\\\\w+)/$\"\nplugin = \"chat\"\n",
    )
    .unwrap();
    let chat = &own(&config).plugins["chat"];
    assert_eq!(chat.source, PluginSource::Crate("folder/chat".into()));
    assert_eq!(chat.isolation, Some(Isolation::Shared));
    assert_eq!((chat.instances, chat.overflow), (2, OverflowPolicy::Refuse));
    assert!(config.demo);
    assert_eq!(config.limits.max_message, ByteSize::mib(2));
    assert_eq!(config.limits.ping_interval, DurationSetting::from_secs(5));
    assert_eq!(own(&config).layers["default"].channel_capacity[0].capacity, 3);
    let captures = own(&config).routes[0].pattern.captures("/chat/red/").unwrap();
    assert_eq!(captures, [("room".to_owned(), "red".to_owned())]);
}

#[test]
fn what_is_granted_is_all_or_a_table_or_nothing() {
    let grants = |text: &str| {
        parse(&format!("{ECHO}{text}")).unwrap().tenants[&Tenant::default_tenant()].plugins["echo"]
            .grants
            .clone()
    };
    let words = |text: &str| match grants(text) {
        Grants::All => vec!["all".to_owned()],
        Grants::Only(granted) => granted.descriptions(),
    };
    assert_eq!(words(""), [""; 0]);
    assert_eq!(words("grants = \"all\"\n"), ["all"]);
    let table = "groups = [\"room.*\"]\nchannels = [\"jobs\"]\nrandom = true\n";
    let all = ["groups \"room.*\"", "channels \"jobs\"", "random"];
    assert_eq!(words(&format!("[plugins.echo.grants]\n{table}")), all);
    let inline = table.trim_end().replace('\n', ", ");
    assert_eq!(words(&format!("grants = {{ {inline} }}\n")), all);
}

#[test]
fn wrong_grants_are_told_with_what_would_be_right() {
    let echo = |grants: &str| format!("{ECHO}{grants}\n");
    assert_refused(&echo("grants = \"some\""), 3, &["plugins.echo.grants", "\"all\", or a table"]);
    assert_refused(&echo("grants = true"), 3, &["plugins.echo.grants", "\"all\", or a table"]);
    let unknown = echo("[plugins.echo.grants]\nclock = true");
    assert_refused(&unknown, 4, &["plugins.echo.grants", "did you mean `clocks`?"]);
    let spoilt = echo("[plugins.echo.grants]\nlog = true\ngroups = [\"a b\"]");
    assert_refused(&spoilt, 5, &["plugins.echo.grants.groups", "\"a b\" is not a pattern"]);
    let many = vec!["\"x\""; 65].join(", ");
    let many = echo(&format!("grants = {{ groups = [{many}] }}"));
    assert_refused(
        &many,
        3,
        &["plugins.echo.grants.groups", "65 patterns are more than the limit of 64"],
    );
}

#[test]
fn what_is_not_granted_is_named_with_the_lines_that_would_grant_it() {
    let text = format!("{ECHO}[plugins.echo.grants]\ngroups = [\"lobby\"]\nlog = true\n");
    let config = parse(&text).unwrap();
    let echo = &own(&config).plugins["echo"];
    let asks = |text: &str| {
        Manifest::parse(format!("name = \"x\"\n{text}").as_bytes()).unwrap().capabilities
    };
    assert!(echo.check_grants("echo", &asks("capabilities = { log = true }")).is_ok());
    let asks = asks("[capabilities]\ngroups = [\"room.*\", \"lobby\"]\nlog = true\nclocks = true");
    let error = echo.check_grants("echo", &asks).unwrap_err().to_string();
    let words = [
        "folder/narrowboat.toml:3:",
        "plugins.echo.grants",
        "not granted: groups \"room.*\", clocks;",
        "`groups = [\"lobby\", \"room.*\"]`, `clocks = true`",
        "grants = \"all\"",
    ];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    let of_tenant = format!("[tenants.acme]\npath = \"/acme\"\n[tenants.acme.{}", &ECHO[1..]);
    let config = parse(&of_tenant).unwrap();
    let acme: Tenant = "acme".parse().unwrap();
    let error =
        config.tenants[&acme].plugins["echo"].check_grants("echo", &asks).unwrap_err().to_string();
    assert!(error.contains("[tenants.acme.plugins.echo.grants] would need"), "{error}");
    let config = parse(&format!("{ECHO}grants = \"all\"\n")).unwrap();
    let open = &own(&config).plugins["echo"];
    assert!(open.check_grants("echo", &asks).is_ok());
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let text = "[limits]\nmax_conections = 5\n";
    assert_refused(text, 2, &["limits", "max_conections", "did you mean `max_connections`?"]);
    assert_refused("lisen = \"127.0.0.1:1\"", 1, &["lisen", "did you mean `listen`?"]);
    let text = "[plugins.echo]\ncomponent = \"a\"\nisolaton = \"shared\"\n";
    assert_refused(text, 3, &["plugins.echo", "did you mean `isolation`?"]);
}

#[test]
fn a_wrong_value_is_told_with_what_would_be_right() {
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
fn a_route_needs_one_pattern_and_a_plugin_that_exists() {
    let route = |route: &str| format!("{ECHO}[[routes]]\n{route}");
    assert_refused(&route("plugin = \"echo\"\n"), 3, &["routes", "path = "]);
    let both = route("path = \"/a\"\nregex = \"^/a$\"\nplugin = \"echo\"\n");
    assert_refused(&both, 5, &["routes.regex", "not both"]);
    let unknown = route("path = \"/a\"\nplugin = \"ecko\"\n");
    assert_refused(&unknown, 5, &["routes.plugin", "\"ecko\"", "did you mean \"echo\"?"]);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let route = |key: &str, pattern: &str| {
        format!("{ECHO}[[routes]]\n{key} = '{pattern}'\nplugin = \"echo\"\n")
    };
    assert_refused(&route("path", "a/"), 4, &["routes.path", "starts with `/`"]);
    assert_refused(&route("path", "/{room"), 4, &["routes.path", "without `}`"]);
    assert_refused(&route("path", "/room}"), 4, &["routes.path", "without `{`"]);
    assert_refused(&route("path", "/<str:room>/"), 4, &["routes.path", "`{room}`"]);
    assert_refused(&route("path", "/{1}"), 4, &["routes.path", "{1}"]);
    assert_refused(&route("path", "/{a}/{a}"), 4, &["routes.path", "duplicate"]);
    assert_refused(&route("regex", "^/(?P<room"), 4, &["routes.regex"]);
}

#[test]
fn a_plugin_needs_one_source() {
    assert_refused("[plugins.echo]\n", 1, &["plugins.echo", "component = ", "crate = "]);
    let both = "[plugins.echo]\ncomponent = \"a\"\ncrate = \"b\"\n";
    assert_refused(both, 3, &["plugins.echo", "keep one"]);
    assert_refused("[plugins.\"../x\"]\ncrate = \"b\"\n", 1, &["a-z"]);
}

#[test]
fn a_plugin_may_only_have_less_than_the_host_allows() {
    let text = format!("{ECHO}limits.memory = \"1 GiB\"\n");
    assert_refused(&text, 3, &["plugins.echo.limits.memory", "more than the host's own limit"]);
    let text = format!("{ECHO}limits.call_time = \"1s\"\n");
    assert_refused(&text, 3, &["plugins.echo.limits.call_time", "100ms"]);
    let text = format!("{ECHO}instances = 0\n");
    assert_refused(&text, 3, &["plugins.echo.instances", "1 to"]);
}

/// The keys that a table takes, as the answer to one that it does not take names them.
fn keys(table: &str) -> BTreeSet<String> {
    let error = parse(&format!("{table}nonsense-that-is-no-key = 1\n")).unwrap_err();
    let (_, expected) = error.split_once("expected one of").unwrap();
    let listed = expected.lines().next().unwrap();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_reference_of_limits_has_each_key_that_is_read_and_no_other() {
    let rows = limit_rows();
    let of = |has: fn(&LimitRow) -> bool| -> BTreeSet<_> {
        rows.iter().filter(|row| has(row)).map(|row| row.key.to_owned()).collect()
    };
    assert_eq!(of(|row| row.host_default.is_some()), keys("[limits]\n"));
    let tenant = "[tenants.acme]\npath = \"/acme\"\n[tenants.acme.limits]\n";
    let mut of_plugins = keys(&format!("{ECHO}[plugins.echo.limits]\n"));
    assert_eq!(of(|row| row.tenant_may_set), keys(tenant));
    for of_tenants in ["groups", "keyvalue"] {
        of_plugins.remove(of_tenants);
        let said = format!("{ECHO}[plugins.echo.limits]\n{of_tenants} = 1\n");
        assert_refused(&said, 3, &[&format!("plugins.echo.limits.{of_tenants}"), "a tenant's"]);
    }
    assert_eq!(of(|row| row.plugin_may_set), of_plugins);
}

#[test]
fn a_tenant_has_half_of_what_all_have_unless_it_says_otherwise() {
    let text = "[limits]\nmax_connections = 100\n\
                [tenants.acme]\npath = \"/acme\"\n[tenants.acme.limits]\ncpu = \"3s\"\n";
    let config = parse(text).unwrap();
    let limits = config.tenants[&"acme".parse::<Tenant>().unwrap()].limits;
    assert_eq!((limits.connections, limits.cpu), (Some(50), Some(DurationSetting::from_secs(3))));
    assert_eq!(own(&config).limits, Quota::default());
}

#[test]
fn a_tenant_has_the_layers_of_the_host_for_itself_unless_it_has_its_own() {
    let text = "[layer]\ncapacity = 7\n[layers.other]\ncapacity = 8\n\
                [tenants.acme]\npath = \"/acme\"\n[tenants.acme.layer]\ncapacity = 9\n";
    let config = parse(text).unwrap();
    let layers = &config.tenants[&"acme".parse::<Tenant>().unwrap()].layers;
    assert_eq!((layers["default"].capacity, layers["other"].capacity), (9, 8));
}

#[test]
fn signatures_name_keys_and_want_components_that_were_built_elsewhere() {
    let signatures = "[signatures]\nkeys = [\"release.pub\", \"/keys/spare.pub\"]\n";
    let keys = parse(&format!("{ECHO}{signatures}")).unwrap().signatures.unwrap().keys;
    let files: Vec<_> = keys.iter().map(|key| key.file.display().to_string()).collect();
    assert_eq!(files, ["folder/release.pub", "/keys/spare.pub"]);
    assert_eq!(keys[1].location.to_string(), "folder/narrowboat.toml:4:24");
    assert!(parse(ECHO).unwrap().signatures.is_none());
    assert_refused("[signatures]\nkeys = []\n", 2, &["signatures.keys", "names no key"]);
    let built = format!("[plugins.echo]\ncrate = \"echo\"\n{signatures}");
    assert_refused(&built, 2, &["plugins.echo.crate", "built here", "component = "]);
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    assert_refused("listen = \n", 1, &[]);
    assert_refused("a = 1\na = 2\n", 2, &["duplicate"]);
}

#[test]
fn a_file_that_is_not_there_is_told_with_how_to_name_another() {
    let error = Config::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml") && error.contains("--config"), "{error}");
}

#[test]
fn a_path_of_another_frameworks_form_is_refused_with_the_right_one() {
    let route = |path: &str| format!("{ECHO}[[routes]]\npath = \"{path}\"\nplugin = \"echo\"\n");
    for (path, words) in [
        ("/chat/:room/", ["`{room}`", "`:room`"]),
        ("/files/*", ["`*` has no meaning", "regex = "]),
        ("/a?room=1", ["before `?`", "query"]),
        ("/a%20b/", ["compared decoded", "`%`"]),
        ("^/chat/$", ["starts with `/`", "regex = "]),
    ] {
        assert_refused(&route(path), 4, &words);
        assert_refused(&route(path), 4, &["routes.path"]);
    }
    assert!(parse(&route("/a:b/c.d+/{room}")).is_ok());
}

#[test]
fn an_expression_that_no_path_can_match_is_refused() {
    let route = |regex: &str| format!("{ECHO}[[routes]]\nregex = {regex}\nplugin = \"echo\"\n");
    let words = ["routes.regex", "begins with `/`", "'^/ws/chat/$'"];
    assert_refused(&route("'^ws/chat/$'"), 4, &words);
    assert_refused(
        &route("\"^/a\\b\""),
        4,
        &["routes.regex", "control character", "single quotes"],
    );
    for regex in ["'^/ws/$'", "'^(/a|/b)$'", "'/chat/'", "'^.*$'", "'(?i)^/a'"] {
        assert!(parse(&route(regex)).is_ok(), "{regex}");
    }
}

#[test]
fn an_expression_in_double_quotes_is_told_of_single_ones() {
    for regex in ["^/chat/\\w+/$", "^/\\d$", "^/\\.$"] {
        let text = format!("{ECHO}[[routes]]\nregex = \"{regex}\"\nplugin = \"echo\"\n");
        assert_refused(&text, 4, &["escape", "single quotes", "regex = '"]);
    }
}

/// Routes to two plugins, in this order.
fn routes(first: &str, second: &str) -> String {
    let plugins = "[plugins.a]\ncomponent = \"a\"\n[plugins.b]\ncomponent = \"b\"\n";
    format!("{plugins}[[routes]]\n{first}\nplugin = \"a\"\n[[routes]]\n{second}\nplugin = \"b\"\n")
}

#[test]
fn a_second_route_with_the_same_path_is_refused_with_the_line_of_the_first() {
    for pattern in ["path = \"/a/\"", "path = \"/a/{room}/\"", "regex = '^/a/.*$'"] {
        assert_refused(&routes(pattern, pattern), 9, &["routes.", "line 6", "\"a\"", "already"]);
    }
}

#[test]
fn a_route_that_an_earlier_one_leaves_nothing_for_is_refused() {
    let covered = [
        ("path = \"/chat/{room}/\"", "path = \"/chat/lobby/\""),
        ("path = \"/chat/{room}/\"", "path = \"/chat/{name}/\""),
        ("path = \"/{a}/{b}/\"", "path = \"/chat/{room}/\""),
        ("regex = '^/chat/'", "path = \"/chat/lobby/\""),
    ];
    for (first, second) in covered {
        assert_refused(
            &routes(first, second),
            9,
            &["routes.path", "line 6", "put this one before"],
        );
        assert!(
            parse(&routes(second, first)).is_ok()
                || first.contains("{room}/\"") && second.contains("{name}")
        );
    }
    for (first, second) in [
        ("path = \"/chat/lobby/\"", "path = \"/chat/{room}/\""),
        ("path = \"/a/{room}\"", "path = \"/a/{room}/\""),
        ("regex = '^/[^a]+/$'", "path = \"/{room}/\""),
        ("regex = '^/chat/\\w+/$'", "regex = '^/chat/lobby/$'"),
        ("path = \"/{a}\"", "path = \"/a/b\""),
    ] {
        assert!(parse(&routes(first, second)).is_ok(), "{first} {second}");
    }
}

#[test]
fn a_key_of_the_whole_file_below_a_table_is_told_where_it_stands() {
    let text = format!("{ECHO}[[routes]]\npath = \"/\"\nplugin = \"echo\"\ndemo = true\n");
    assert_refused(&text, 6, &["routes[0].demo", "unknown field `demo`", "above the first table"]);
    for key in ["listen = \"a:1\"", "watch = \"off\"", "allowed_hosts = []", "allowed_origins = []"]
    {
        assert_refused(&format!("[limits]\n{key}\n"), 2, &["above the first table"]);
        let error = parse(&format!("{key}\n")).err().unwrap_or_default();
        assert!(!error.contains("unknown"), "{error}");
    }
}

#[test]
fn a_name_is_listened_on_by_its_first_address_of_ipv4() {
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
fn a_configuration_is_read_where_no_name_is_found() {
    let nowhere = "no-such-name.invalid:80";
    let config =
        parse(&format!("listen = \"{nowhere}\"\n[admin]\nlisten = \"{nowhere}1\"\n")).unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.listen.port()), (nowhere, 80));
    assert!(config.listen.resolve().unwrap_err().contains(nowhere));
    assert_eq!(config.admin.unwrap().listen.port(), 801);
}

#[test]
fn operators_have_another_port_than_clients() {
    let text = "listen = \"127.0.0.1:8001\"\n[admin]\n";
    assert_refused(text, 2, &["admin.listen", "127.0.0.1:8001", "another port"]);
    assert!(parse("listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n").is_ok());
}

#[test]
fn two_names_of_one_token_are_refused() {
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
fn what_has_no_effect_is_remarked_on() {
    let text = format!(
        "{ECHO}[layers.spare]\n[layers.used]\n[tenants.acme]\npath = \"/acme\"\n\
                        [tenants.acme.plugins.idle]\ncomponent = \"a\"\nlayer = \"used\"\n"
    );
    let remarks = parse(&text).unwrap().warnings().join("\n");
    for words in ["no routes", "plugin \"echo\"", "plugin \"acme/idle\"", "[layers.spare]"] {
        assert!(remarks.contains(words), "{remarks}");
    }
    assert!(!remarks.contains("layers.used") && !remarks.contains("layers.default"), "{remarks}");
    let text = format!("{ECHO}[[routes]]\npath = \"/\"\nplugin = \"echo\"\n");
    assert_eq!(parse(&text).unwrap().warnings(), Vec::<String>::new());
}

#[test]
fn the_references_block_of_all_keys_is_a_configuration_with_the_defaults_that_it_names() {
    let page = include_str!("../../../docs/reference/configuration.md");
    let (_, after) = page.split_once("All keys, with their defaults").unwrap();
    let (_, block) = after.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let config = parse(block).unwrap_or_else(|error| panic!("{error}"));
    let empty = parse("").unwrap();
    assert_eq!(config.listen, empty.listen);
    assert_eq!(config.watch, empty.watch);
    assert_eq!(config.demo, empty.demo);
    assert_eq!(config.limits, empty.limits);
    assert_eq!(config.requests, empty.requests);
    assert_eq!(own(&config).layers, own(&empty).layers);
    let plain = parse(ECHO).unwrap();
    let (named, plain) = (&own(&config).plugins["chat"], &own(&plain).plugins["echo"]);
    assert_eq!((named.instances, named.overflow), (plain.instances, plain.overflow));
    assert_eq!((&named.layer, named.rollback), (&plain.layer, plain.rollback));
    let keyvalue = |text: &str| parse(text).unwrap().keyvalue;
    assert_eq!(config.keyvalue, keyvalue(""));
    // Each key that stands there as a comment is one as well.
    let keys = block.lines().filter_map(|line| line.strip_prefix("# "));
    let keys: Vec<_> = keys.filter(|line| line.contains(" = ")).collect();
    assert!(keys.len() > 8, "{keys:?}");
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

    #[test]
    fn a_path_captures_what_was_put_in(
        name in "[a-zA-Z_][a-zA-Z0-9_]{0,8}",
        before in "(/[a-z.+()|^$]{0,5}){0,2}",
        value in "[^/]{1,12}",
    ) {
        let pattern = narrowboat_config::RoutePattern::from_path(&format!("{before}/{{{name}}}/")).unwrap();
        let path = format!("{before}/{value}/");
        prop_assert_eq!(pattern.captures(&path), Some(vec![(name, value)]));
        prop_assert_eq!(pattern.captures(&format!("{path}x")), None);
        prop_assert_eq!(pattern.captures(path.trim_end_matches('/')), None);
    }
}

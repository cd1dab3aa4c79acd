//! `[layer]` and `[layers.NAME]`, in the forms of Channels' CHANNEL_LAYERS.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::path::PathBuf;

use narrowboat_config::{
    Endpoint, LayerBackend, LayerConfig, RedisAccess, RedisConfig, RedisHost, RedisServer,
    RedisTls, Secret, Serializer,
};
use narrowboat_core::name::Tenant;
use support::{default_tenant, parse};

fn layer(text: &str) -> LayerConfig {
    default_tenant(&parse(&format!("[layer]\n{text}\n")).unwrap()).layers["default"]
        .as_ref()
        .clone()
}

fn redis(text: &str) -> RedisConfig {
    match layer(&format!("backend = \"redis\"\n{text}")).backend {
        LayerBackend::Redis(redis) => redis,
        other => panic!("{other:?}"),
    }
}

fn host(text: &str) -> RedisHost {
    let mut hosts = redis(&format!("hosts = [{text}]")).hosts;
    assert_eq!(hosts.len(), 1);
    hosts.remove(0)
}

fn tcp(host: &str, port: u16) -> RedisServer {
    RedisServer { endpoint: Endpoint::Tcp(host.into(), port), access: RedisAccess::default() }
}

fn access(username: &str, password: &str, database: i64) -> RedisAccess {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RedisAccess {
        username: text(username),
        password: text(password).map(Secret::from),
        database,
        ..RedisAccess::default()
    }
}

#[track_caller]
fn assert_refused(text: &str, key: &str, words: &[&str]) {
    let error = parse(&format!("[layer]\nbackend = \"redis\"\n{text}\n")).unwrap_err();
    assert!(error.contains(&format!(" {key}: ")), "{error}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error}");
    }
}

#[test]
fn the_defaults_are_those_of_channels_redis() {
    let found = layer("backend = \"redis\"");
    let LayerBackend::Redis(redis) = found.backend else { panic!("{found:?}") };
    assert_eq!(redis.hosts, [RedisHost::Server(tcp("localhost", 6379))]);
    assert_eq!((redis.prefix.as_str(), redis.random_prefix_length), ("asgi", 12));
    assert_eq!((redis.serializer, redis.symmetric_encryption_keys), (Serializer::Msgpack, vec![]));
    assert_eq!(found.capacity, 100);
    assert_eq!(found.expiry.to_string(), "1m");
    assert_eq!(found.group_expiry.to_string(), "1day");
}

#[test]
fn each_form_of_a_host_is_parsed() {
    let server = |endpoint, access| RedisHost::Server(RedisServer { endpoint, access });
    let at = |host: &str, port| Endpoint::Tcp(host.to_owned(), port);
    let unix = |path| Endpoint::Unix(PathBuf::from(path));
    let forms = [
        ("[\"10.0.0.5\", 6379]", RedisHost::Server(tcp("10.0.0.5", 6379))),
        ("\"redis://redis\"", RedisHost::Server(tcp("redis", 6379))),
        ("\"redis://u:p%40ss@h:7000/3\"", server(at("h", 7000), access("u", "p@ss", 3))),
        ("\"redis://:pass@[::1]:1\"", server(at("::1", 1), access("", "pass", 0))),
        ("\"redis://h?db=4\"", server(at("h", 6379), access("", "", 4))),
        ("\"unix:///run/redis.sock?db=2\"", server(unix("/run/redis.sock"), access("", "", 2))),
        ("{ address = \"redis://h:1\", db = 5 }", server(at("h", 1), access("", "", 5))),
        ("{ host = \"h\", port = 9 }", RedisHost::Server(tcp("h", 9))),
        (
            "{ host = \"h\", username = \"u\", password = \"p\" }",
            server(at("h", 6379), access("u", "p", 0)),
        ),
        ("{ unix_socket_path = \"r.sock\" }", server(unix("folder/r.sock"), access("", "", 0))),
    ];
    for (text, expected) in forms {
        assert_eq!(host(text), expected, "{text}");
    }
}

#[test]
fn tls_arguments_are_applied() {
    let tls = |host: RedisHost| match host.clone() {
        RedisHost::Server(server) => server.access.tls,
        RedisHost::Sentinel { .. } => panic!("{host:?}"),
    };
    assert_eq!(tls(host("\"rediss://h\"")), Some(RedisTls::default()));
    assert_eq!(tls(host("{ host = \"h\", ssl = true }")), Some(RedisTls::default()));
    let text = "{ address = \"rediss://h\", ssl_ca_certs = \"ca.pem\", ssl_certfile = \"c.pem\", \
        ssl_keyfile = \"/k.pem\", ssl_cert_reqs = \"none\" }";
    let expected = RedisTls {
        skip_verify: true,
        ca_file: Some("folder/ca.pem".into()),
        identity: Some(("folder/c.pem".into(), "/k.pem".into())),
    };
    assert_eq!(tls(host(text)), Some(expected));
    let in_url = tls(host("\"rediss://h?ssl_cert_reqs=none\"")).unwrap();
    assert!(in_url.skip_verify);
}

#[test]
fn a_host_may_be_a_master_of_sentinels() {
    let text = "{ sentinels = [[\"a\", 26379], [\"b\", 1]], master_name = \"m\", \
        sentinel_kwargs = { password = \"s\" }, password = \"p\", db = 1 }";
    let with = |server: RedisServer| RedisServer { access: access("", "s", 0), ..server };
    let expected = RedisHost::Sentinel {
        sentinels: vec![with(tcp("a", 26379)), with(tcp("b", 1))],
        master_name: "m".into(),
        master: access("", "p", 1),
    };
    assert_eq!(host(text), expected);
}

#[test]
fn several_hosts_keep_their_order() {
    let hosts = redis("hosts = [\"redis://a\", [\"b\", 2], { host = \"c\" }]").hosts;
    let expected = [tcp("a", 6379), tcp("b", 2), tcp("c", 6379)].map(RedisHost::Server);
    assert_eq!(hosts, expected);
}

#[test]
fn settings_are_spelled_as_in_channel_layers() {
    let text = "prefix = \"site\"\nexpiry = 30\ngroup_expiry = 0.5\ncapacity = 7\n\
        channel_capacity = { \"z.*\" = 1, \"a.*\" = 2 }\nsymmetric_encryption_keys = [\"new\", \"old\"]\n\
        serializer = \"json\"\nrandom_prefix_length = 0";
    let found = layer(&format!("backend = \"redis\"\n{text}"));
    assert_eq!(found.expiry.to_string(), "30s");
    assert_eq!(found.group_expiry.to_string(), "500ms");
    let rules: Vec<_> = found.channel_capacity.iter().map(|rule| rule.pattern.as_str()).collect();
    assert_eq!(rules, ["z.*", "a.*"]);
    let redis = redis(text);
    assert_eq!((redis.prefix.as_str(), redis.random_prefix_length), ("site", 0));
    assert_eq!(redis.serializer, Serializer::Json);
    let keys: Vec<_> =
        redis.symmetric_encryption_keys.iter().map(|key| key.expose().to_string()).collect();
    assert_eq!(keys, ["new", "old"]);
    assert_eq!(self::redis("serializer_format = \"json\"").serializer, Serializer::Json);
}

#[test]
fn a_pubsub_layer_has_no_random_prefix() {
    let LayerBackend::RedisPubSub(redis) = layer("backend = \"redis-pubsub\"").backend else {
        panic!()
    };
    assert_eq!(redis.random_prefix_length, 0);
    let text = "[layer]\nbackend = \"redis-pubsub\"\nrandom_prefix_length = 12\n";
    let error = parse(text).unwrap_err();
    assert!(error.contains("layer.random_prefix_length"), "{error}");
}

#[test]
fn the_error_for_an_invalid_host_has_its_key() {
    let invalid = [
        ("hosts = 5", "layer.hosts", "a list of hosts"),
        ("hosts = []", "layer.hosts", "at least one"),
        ("hosts = [5]", "layer.hosts[0]", "a host is"),
        ("hosts = [\"nonsense\"]", "layer.hosts[0]", "a host is"),
        ("hosts = [\"http://h\"]", "layer.hosts[0]", "http:// is not a scheme"),
        ("hosts = [\"redis://a\", [\"b\"], [\"c\", 0]]", "layer.hosts[2]", "1 to 65535"),
        ("hosts = [\"redis://h/x\"]", "layer.hosts[0]", "must be a database"),
        ("hosts = [\"redis://h?speed=1\"]", "layer.hosts[0]", "\"speed\""),
        ("hosts = [{ hots = \"h\" }]", "layer.hosts[0]", "did you mean `host`"),
        ("hosts = [{ host = 5 }]", "layer.hosts[0].host", "in quotes"),
        ("hosts = [{ host = \"h\", port = \"6379\" }]", "layer.hosts[0].port", "1 to 65535"),
        ("hosts = [{ host = \"h\", db = -1 }]", "layer.hosts[0].db", "0 or more"),
        (
            "hosts = [{ host = \"h\", ssl_certfile = \"c\" }]",
            "layer.hosts[0].ssl_certfile",
            "needs TLS",
        ),
        (
            "hosts = [{ address = \"rediss://h\", ssl_certfile = \"c\" }]",
            "layer.hosts[0]",
            "add the other one",
        ),
        ("hosts = [{ address = \"x\" }]", "layer.hosts[0].address", "a host is"),
        ("hosts = [{ sentinels = [[\"a\", 1]] }]", "layer.hosts[0].master_name", "is missing"),
        (
            "hosts = [{ sentinels = [], master_name = \"m\" }]",
            "layer.hosts[0].sentinels",
            "at least one",
        ),
        (
            "hosts = [{ sentinels = [5], master_name = \"m\" }]",
            "layer.hosts[0].sentinels[0]",
            "a host and a port",
        ),
    ];
    for (text, key, word) in invalid {
        assert_refused(text, key, &["narrowboat.toml:3:", word]);
    }
}

#[test]
fn the_error_for_an_invalid_option_has_its_key() {
    let invalid = [
        ("prefix = \"a b\"", "layer.prefix", "letters"),
        ("expiry = -1", "layer.expiry", "number of seconds"),
        ("expiry = 0", "layer.expiry", "at least 1ms"),
        ("capacity = 0", "layer.capacity", "at least 1"),
        ("channel_capacity = { \"a\" = 0 }", "layer.channel_capacity", "at least 1"),
        ("channel_capacity = 5", "layer.channel_capacity", "jobs.*"),
        ("serializer = \"yaml\"", "layer.serializer", "`msgpack`"),
        ("random_prefix_length = 5000", "layer.random_prefix_length", "at most"),
        ("symmetric_encryption_keys = \"key\"", "layer.symmetric_encryption_keys", "a list"),
        ("symmetric_encryption_keys = [5]", "layer.symmetric_encryption_keys", "in quotes"),
        ("serialiser = \"json\"", "layer.serialiser", "did you mean `serializer`"),
    ];
    for (text, key, word) in invalid {
        assert_refused(text, key, &["narrowboat.toml:3:", word]);
    }
}

#[test]
fn a_memory_layer_refuses_the_keys_of_redis() {
    for text in ["hosts = []", "prefix = \"x\"", "serializer = \"json\""] {
        let error = parse(&format!("[layer]\n{text}\n")).unwrap_err();
        assert!(error.contains("belongs to backend"), "{error}");
    }
}

#[test]
fn errors_and_debug_output_show_no_secret() {
    let secrets = [
        "hosts = [\"redis://:hidden@h/x\"]",
        "hosts = [{ host = \"h\", password = \"hidden\", port = 0 }]",
        "symmetric_encryption_keys = [\"hidden\", 5]",
        "symmetric_encryption_keys = [\"hidden\"",
    ];
    for text in secrets {
        let error = parse(&format!("[layer]\nbackend = \"redis\"\n{text}\n")).unwrap_err();
        assert!(!error.contains("hidden"), "{error}");
    }
    let config = parse(
        "[layer]\nbackend = \"redis\"\nhosts = [\"redis://:hidden@h\"]\n\
         symmetric_encryption_keys = [\"hidden\"]\n",
    );
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn a_plugin_uses_one_of_several_layers() {
    let plugin = "[plugins.a]\ncomponent = \"a.wasm\"\n";
    let text = format!("[layers.jobs]\ncapacity = 3\n{plugin}layer = \"jobs\"\n");
    let config = parse(&text).unwrap();
    let tenant = default_tenant(&config);
    assert_eq!(tenant.layers["jobs"].capacity, 3);
    assert_eq!(tenant.layers["default"].backend, LayerBackend::Memory);
    assert_eq!(tenant.plugins["a"].layer, "jobs");
    let config = parse(plugin).unwrap();
    assert_eq!(config.tenants[&Tenant::default_tenant()].plugins["a"].layer, "default");
    let error = parse(&text.replace("layer = \"jobs\"", "layer = \"job\"")).unwrap_err();
    assert!(
        error.contains("plugins.a.layer") && error.contains("did you mean \"jobs\""),
        "{error}"
    );
    let error = parse("[layer]\n[layers.default]\n").unwrap_err();
    assert!(error.contains("layers.default") && error.contains("keep one"), "{error}");
}

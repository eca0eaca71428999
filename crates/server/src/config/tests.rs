//! Layers, mistakes and secrets, each test with an environment of its own.

use std::{ffi::OsString, io::Write, time::Duration};

use aldis_protocol::{Limits, limits::TABLE};

use super::*;

const ADMIN: &str = "admin-0123456789abcdef-0123456789";
const KEYS: &str = "a:0123456789abcdef0123456789abcdef";

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn flags(file: &tempfile::NamedTempFile) -> Flags {
    Flags { config: Some(file.path().to_owned()), ..Flags::default() }
}

/// The mistakes, without the name of the file.
fn mistakes(flags: &Flags, variables: &[(&str, &str)], purpose: Purpose) -> Vec<String> {
    let error = Loaded::load(flags, env(variables), purpose).expect_err("mistakes");
    let path = flags.config.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    error.mistakes.iter().map(|mistake| mistake.to_string().replace(&path, "FILE")).collect()
}

fn source<'a>(loaded: &'a Loaded, key: &str) -> &'a Source {
    &loaded.rows.iter().find(|row| row.key == key).expect("a key").source
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::load(&Flags::default(), env(&[("ALDIS_AUTH_KEYS", KEYS)])).expect("good");
    assert_eq!(config.listen.to_string(), "[::]:7654");
    assert_eq!(config.limits, Limits::default());
    assert_eq!((config.origins, config.drain_window_ms), (Origins::Any, 25_000));
    assert_eq!((config.ports_file, config.admin, config.cluster_secret), (None, None, None));
    assert_eq!(config.backplane, BackplaneConfig::default());
    assert_eq!((config.ice, config.trusted_proxies), (IceConfig::default(), TrustedProxies::default()));
    assert_eq!(config.log, LogConfig { filter: "info".into(), format: LogFormat::Auto });
}

#[test]
fn a_flag_is_stronger_than_a_variable_and_that_than_the_file() {
    let file = file("listen = '127.0.0.1:1'\ndrain_window_ms = 1\n[limits]\nroom_peers = 7\n[turn]\nttl = 60\n");
    let name = Source::File(file.path().display().to_string());
    let flags = Flags { listen: Some("127.0.0.1:3".into()), ..flags(&file) };
    let variables = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_LISTEN", "127.0.0.1:2"), ("ALDIS_DRAIN_WINDOW_MS", "2")];
    let loaded = Loaded::load(&flags, env(&variables), Purpose::Serve).expect("good");
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:3");
    assert_eq!(loaded.config.drain_window_ms, 2);
    assert_eq!(loaded.config.limits.room_peers, 7);
    assert_eq!(source(&loaded, "listen"), &Source::Flag("--listen".into()));
    assert_eq!(source(&loaded, "drain_window_ms"), &Source::Env("ALDIS_DRAIN_WINDOW_MS".into()));
    assert_eq!(source(&loaded, "limits.room_peers"), &name);
    assert_eq!(source(&loaded, "limits.room_peers"), source(&loaded, "turn.ttl"));
    assert_eq!(source(&loaded, "log.filter"), &Source::Default);
}

#[test]
fn the_file_may_be_named_by_a_variable_and_an_empty_variable_is_unset() {
    let file =
        file("[auth]\nkeys = ['a:0123456789abcdef0123456789abcdef', 'b:with,commas,0123456789abcdef0123456789']\n");
    let path = file.path().display().to_string();
    let variables = [("ALDIS_CONFIG_FILE", path.as_str()), ("ALDIS_AUTH_KEYS", ""), ("ALDIS_LISTEN", "")];
    let config = Config::load(&Flags::default(), env(&variables)).expect("good");
    assert_eq!(config.auth.keys.keys().len(), 2);
    assert_eq!(config.listen.to_string(), "[::]:7654");
}

#[test]
fn a_turn_server_that_cuts_at_expiry_is_said_by_the_file_or_a_variable() {
    let named = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_TURN_URLS", "turn:a"), ("ALDIS_TURN_SECRET", "north")];
    let cuts = |flags: &Flags, more: &[(&str, &str)]| {
        let config = Config::load(flags, env(&[&named[..], more].concat())).expect("good");
        config.ice.turn[0].cuts_at_expiry
    };
    let file = file("[turn]\ncuts_at_expiry = true\n");
    assert!(cuts(&flags(&file), &[]));
    assert!(!cuts(&flags(&file), &[("ALDIS_TURN_CUTS_AT_EXPIRY", "false")]));
    assert!(cuts(&Flags::default(), &[("ALDIS_TURN_CUTS_AT_EXPIRY", "true")]));
}

#[test]
fn every_limit_has_a_key_and_a_variable() {
    for row in TABLE {
        let name = row.limit.as_str();
        let variable = format!("ALDIS_LIMITS_{}", name.to_uppercase());
        let variables = [(variable.as_str(), "x")];
        let key = format!("limits.{name}");
        assert_eq!(
            mistakes(&Flags::default(), &variables, Purpose::Tool),
            [format!("{key} (from {variable}): `x` is not a whole number")]
        );
        let value = row.default.to_string();
        let loaded = Loaded::load(&Flags::default(), env(&[(&variable, &value)]), Purpose::Tool).expect(name);
        assert!(loaded.rows.iter().any(|row| row.key == key && row.value == value), "{key}");
    }
}

#[test]
fn every_mistake_is_said_at_once_with_its_key_and_source() {
    let file = file(
        "lissten = '127.0.0.1:1'\nports_file = 7\nturn = 3\nnonsense = 'canary'\n[auth]\nkey = 'canary'\naudience = 1.5\n\
         [limits]\nheader_bytes = 4096\nroom_peers = 0\nroom_peer = 1\n[log]\nformat = 'xml'\n",
    );
    let flags = Flags { listen: Some("nowhere".into()), ..flags(&file) };
    let found = mistakes(
        &flags,
        &[
            ("ALDIS_CLUSTER_SECRET", "canary"),
            ("ALDIS_TURN_URLS", "turn:turn.example.org,http://x"),
            ("ALDIS_TURN_TTL", "9"),
            ("ALDIS_TURN_CUTS_AT_EXPIRY", "yes"),
            ("ALDIS_TRUSTED_PROXIES", "10.0.0.0/8,proxy.example.org, 192.0.2.1/24"),
            ("ALDIS_PROXY_PROTOCOL", "v2"),
            ("ALDIS_ALLOWED_ORIGINS", "https://app.example.org/"),
            ("ALDIS_ALLOWED_ORIGIN", "https://app.example.org"),
            ("ALDIS_LOG", "info,=,="),
            ("ALDIS_ROOM_PEERS", "3"),
            // What Kubernetes adds for a service called `aldis`.
            ("ALDIS_SERVICE_HOST", "10.0.0.1"),
            ("ALDIS_PORT", "tcp://10.0.0.1:7654"),
            ("ALDIS_PORT_7654_TCP_ADDR", "10.0.0.1"),
            ("ALDIS_REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ],
        Purpose::Serve,
    );
    let expected = [
        "ALDIS_ALLOWED_ORIGIN: is no variable of ours; did you mean ALDIS_ALLOWED_ORIGINS?",
        "ALDIS_ROOM_PEERS: is no variable of ours; `aldis config show` lists them",
        "auth.key (from FILE): is no key; did you mean auth.keys?",
        "limits.room_peer (from FILE): is no key; did you mean limits.room_peers?",
        "lissten (from FILE): is no key; did you mean listen?",
        "nonsense (from FILE): is no key (`aldis config show` lists them all)",
        "turn (from FILE): must be a section: [turn]",
        "listen (from --listen): `nowhere` is not `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`",
        "ports_file (from FILE): must be a string, not a whole number",
        "trusted_proxies (from ALDIS_TRUSTED_PROXIES): `proxy.example.org` is no address and no network: `192.0.2.7`, ",
        "trusted_proxies (from ALDIS_TRUSTED_PROXIES): `192.0.2.1/24` has bits beyond its prefix; write `192.0.2.0/24`",
        "proxy_protocol (from ALDIS_PROXY_PROTOCOL): `v2` is not true or false",
        "allowed_origins (from ALDIS_ALLOWED_ORIGINS): `https://app.example.org/` is not an origin",
        "cluster_secret (from ALDIS_CLUSTER_SECRET): is 6 bytes; at least 32 are needed",
        "auth.audience (from FILE): must be a string, not a number with a fraction",
        "auth.keys: is missing",
        "turn.urls (from ALDIS_TURN_URLS): `http://x` must begin with turn: or turns:",
        "turn.secret: is missing although turn.urls is set",
        "turn.ttl (from ALDIS_TURN_TTL): 9 is not from 10 to 2592000",
        "turn.cuts_at_expiry (from ALDIS_TURN_CUTS_AT_EXPIRY): `yes` is not true or false",
        "limits.header_bytes (from FILE): 4096 is not from 8192 to 1048576",
        "limits.room_peers (from FILE): 0 is not from 1 to 1000000000",
        "log.filter (from ALDIS_LOG): `info,=,=`",
        "log.format (from FILE): `xml` is not auto, pretty or json",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n  is not\n{expected}");
        assert!(!found.contains("canary"), "{found}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_broken_file_is_named_and_never_quoted() {
    let cases = [
        ("listen = 'x'\ncluster_secret = canary\n", "config (from FILE): line 2 is not TOML: "),
        ("cluster_secret = 'canary\n", "config (from FILE): line 1 is not TOML: "),
        ("cluster_secret = 'canary'\ncluster_secret = 'canary'\n", "config (from FILE): line 2 is not TOML: "),
    ];
    for (text, expected) in cases {
        let found = mistakes(&flags(&file(text)), &[], Purpose::Tool);
        assert!(found[0].starts_with(expected) && !found[0].contains("canary"), "{found:?}");
    }
    let missing = Flags { config: Some("/nonexistent/aldis.toml".into()), ..Flags::default() };
    let found = mistakes(&missing, &[], Purpose::Tool);
    assert!(found[0].starts_with("config (from --config): cannot read FILE: "), "{found:?}");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("ALDIS_TURN_SECRET", "north")], "turn.urls: is missing although turn.secret is set"),
        (
            &[("ALDIS_LIMITS_MESSAGE_BYTES", "4096")],
            "limits.small_message_bytes: 8192 is more than limits.message_bytes, 4096",
        ),
        (
            &[("ALDIS_LIMITS_TOKEN_BYTES", "20000")],
            "limits.token_bytes (from ALDIS_LIMITS_TOKEN_BYTES): 20000 is more than limits.header_bytes",
        ),
        (
            &[("ALDIS_LIMITS_OUTBOUND_BYTES", "65536")],
            "limits.welcome_bytes: 262144 is more than limits.outbound_bytes",
        ),
        (
            &[("ALDIS_LIMITS_OUTBOUND_BYTES", "300000")],
            "limits.outbound_bytes (from ALDIS_LIMITS_OUTBOUND_BYTES): 300000 is less than limits.welcome_bytes and",
        ),
        (
            &[("ALDIS_LIMITS_AUTH_DELAY_MS", "6000")],
            "limits.auth_delay_ms (from ALDIS_LIMITS_AUTH_DELAY_MS): 6000 is more",
        ),
        (&[("ALDIS_LIMITS_RESUME_WINDOW_MS", "200000")], "limits.resume_token_ms: 300000 is less than"),
        (
            &[("ALDIS_AUTH_ALLOW_PATTERNS", "b")],
            "auth.allow_patterns (from ALDIS_AUTH_ALLOW_PATTERNS): `b` is the id of no key here",
        ),
        (
            &[("ALDIS_CLUSTER_SECRET", "0123456789abcdef0123456789abcdef")],
            "cluster_secret (from ALDIS_CLUSTER_SECRET): is the secret of a key",
        ),
        (&[("ALDIS_ADMIN_KEY", "short")], "admin_key (from ALDIS_ADMIN_KEY): is 5 bytes; at least 32 are needed"),
        (
            &[("ALDIS_ADMIN_KEY", "0123456789abcdef0123456789abcdef")],
            "admin_key (from ALDIS_ADMIN_KEY): is another secret of this server",
        ),
        (
            &[("ALDIS_ADMIN_KEY", ADMIN), ("ALDIS_CLUSTER_SECRET", ADMIN)],
            "admin_key (from ALDIS_ADMIN_KEY): is another secret of this server",
        ),
        (
            &[("ALDIS_TURN_URLS", "turn:x"), ("ALDIS_TURN_SECRET", "0123456789abcdef0123456789abcdef")],
            "turn.secret (from ALDIS_TURN_SECRET): is the secret of a key",
        ),
        (
            &[("ALDIS_TURN_PROVIDERS", "[{kind='coturn', urls='turn:x', secret='0123456789abcdef0123456789abcdef'}]")],
            "turn.providers[0].secret (from ALDIS_TURN_PROVIDERS): is the secret of a key",
        ),
        (
            &[("ALDIS_AUTH_KEYS", "dev:aldis-dev-key-not-for-production-0123456789")],
            "auth.keys (from ALDIS_AUTH_KEYS): the secret of key `dev` is the public development key",
        ),
    ];
    for (variables, expected) in cases {
        let with_keys = [&[("ALDIS_AUTH_KEYS", KEYS)], *variables].concat();
        let found = mistakes(&Flags::default(), &with_keys, Purpose::Serve);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}\n  is not\n{expected}");
    }
}

#[test]
fn ice_and_origins_and_admin_come_through() {
    let config = Config::load(
        &Flags { admin: Some("localhost:0".into()), ports_file: Some("ports.json".into()), ..Flags::default() },
        env(&[
            ("ALDIS_AUTH_KEYS", KEYS),
            ("ALDIS_TURN_URLS", "turn:a:3478?transport=udp, turns:b:5349"),
            ("ALDIS_TURN_SECRET", "north"),
            ("ALDIS_TURN_TTL", "3600"),
            ("ALDIS_STUN_URLS", "stun:a:3478"),
            ("ALDIS_ALLOWED_ORIGINS", "https://a.example,https://b.example"),
            ("ALDIS_LOG_FORMAT", "json"),
        ]),
    )
    .expect("good");
    assert_eq!(config.ice.stun_urls, ["stun:a:3478"]);
    let [turn] = config.ice.turn.as_slice() else { panic!("one provider: {:?}", config.ice) };
    let ProviderKind::Coturn { urls, secret } = &turn.kind else { panic!("coturn: {turn:?}") };
    assert_eq!((urls.len(), secret.expose(), turn.ttl), (2, &b"north"[..], Duration::from_secs(3_600)));
    assert!(!turn.cuts_at_expiry, "coturn does not");
    assert_eq!(config.origins, Origins::Only(vec!["https://a.example".into(), "https://b.example".into()]));
    assert_eq!(config.log.format, LogFormat::Json);
    let admin = config.admin.expect("an address");
    assert_eq!(admin.addrs().len(), 2);
    assert!(admin.is_loopback() && !config.listen.is_loopback());
    assert_eq!(config.ports_file, Some("ports.json".into()));
}

/// A chain of one of each kind.
const CHAIN: &str = r#"
[turn]
ttl = 3600
[[turn.providers]]
kind = "cloudflare"
key_id = "k-1"
api_token = "canary-cloudflare"
weight = 3
[[turn.providers]]
kind = "twilio"
name = "spare"
account_sid = "AC1"
api_key = "SK1"
auth_token = "canary-twilio"
url = "https://twilio.example.org/api/"
cuts_at_expiry = false
weight = 0
[[turn.providers]]
kind = "coturn"
urls = ["turn:a:3478", "turns:a:5349"]
secret = "canary-coturn"
ttl = 60
[[turn.providers]]
kind = "static"
urls = "turn:b"
username = "ann"
credential = "canary-static"
"#;

#[test]
fn a_chain_of_providers_comes_from_the_file_or_a_variable() {
    let file = file(CHAIN);
    let loaded = Loaded::load(&flags(&file), env(&[]), Purpose::Tool).expect("good");
    let seen: Vec<_> = loaded
        .config
        .ice
        .turn
        .iter()
        .map(|one| {
            let kind = match &one.kind {
                ProviderKind::Cloudflare { url, key_id, .. } => format!("{url} {key_id}"),
                ProviderKind::Twilio { url, account_sid, api_key, .. } => format!("{url} {account_sid} {api_key:?}"),
                ProviderKind::Coturn { urls, .. } => urls.join(" "),
                ProviderKind::Static { urls, username, .. } => format!("{} {username}", urls.join(" ")),
            };
            format!("{} {} {} {} {kind}", one.name, one.weight, one.ttl.as_secs(), one.cuts_at_expiry)
        })
        .collect();
    assert_eq!(
        seen,
        [
            "cloudflare 3 3600 true https://rtc.live.cloudflare.com/ k-1",
            r#"spare 0 3600 false https://twilio.example.org/api/ AC1 Some("SK1")"#,
            "coturn 1 60 false turn:a:3478 turns:a:5349",
            "static 1 3600 false turn:b ann",
        ]
    );
    let shown = loaded.rows.iter().find(|row| row.key == "turn.providers").expect("a key");
    assert_eq!(shown.value, "cloudflare (weight 3), spare (weight 0), coturn (weight 1), static (weight 1)");
    assert!(!format!("{loaded:?}").contains("canary"), "{loaded:?}");

    let inline = r#"[{kind = "coturn", urls = ["turn:a"], secret = "north"}, {kind = "static", urls = ["turn:b"], username = "u", credential = "c"}]"#;
    let loaded =
        Loaded::load(&Flags::default(), env(&[("ALDIS_TURN_PROVIDERS", inline)]), Purpose::Tool).expect("good");
    assert_eq!(loaded.config.ice.turn.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["coturn", "static"]);
}

#[test]
fn every_mistake_in_a_chain_is_said_with_its_place() {
    let file = file(
        "[turn]
urls = ['turn:a']
cuts_at_expiry = true
         [[turn.providers]]
kind = 'cloudflare'
key_id = 'a/b'
ttl = 172801
weigth = 2
         [[turn.providers]]
kind = 'twilio'
account_sid = 'AC1'
auth_token = 'canary'
auth_token_file = 'x'
url = 'http://a'
         [[turn.providers]]
kind = 'coturn'
urls = ['stun:a']
secret = ' canary'
weight = 1001
name = 'A'
         [[turn.providers]]
kind = 'static'
username = 'u'
credential = 'canary'
ttl = 60
         [[turn.providers]]
kind = 'xirsys'
         [[turn.providers]]
secret = 'canary'
         [[turn.providers]]
kind = 'static'
urls = ['turn:b']
username = 'u'
credential = 'canary'
name = 'b'
         [[turn.providers]]
kind = 'static'
urls = 7
username = 'u'
credential_file = '/nonexistent/secret'
name = 'b'
         [[turn.providers]]
kind = 'static'
urls = ['turn:b']
username = 'u'
credential = 'canary'
name = 'b'
",
    );
    let found = mistakes(&flags(&file), &[], Purpose::Tool);
    let expected = [
        "turn.secret: is missing although turn.urls is set",
        "turn.urls (from FILE): is set beside turn.providers; make it part of a provider",
        "turn.cuts_at_expiry (from FILE): is set beside turn.providers",
        "turn.providers[0].key_id (from FILE): may hold letters, digits, `-` and `_`",
        "turn.providers[0].api_token (from FILE): is missing; set it, or `api_token_file`",
        "turn.providers[0].ttl (from FILE): 172801 is not from 60 to 172800",
        "turn.providers[0].weigth (from FILE): is no key of this kind; did you mean weight?",
        "turn.providers[1].url (from FILE): `http://a` must begin with `https://`",
        "turn.providers[1].auth_token_file (from FILE): is set beside `auth_token`",
        "turn.providers[2].urls (from FILE): `stun:a` must begin with turn: or turns:",
        "turn.providers[2].secret (from FILE): is empty, or begins or ends with white space",
        "turn.providers[2].name (from FILE): `A` is not 1 to 32 of a to z, 0 to 9 and `-`",
        "turn.providers[2].weight (from FILE): 1001 is not from 0 to 1000",
        "turn.providers[3].urls (from FILE): is missing; name its TURN servers",
        "turn.providers[3].ttl (from FILE): is no key of this kind",
        "turn.providers[4].kind (from FILE): `xirsys` is not coturn, cloudflare, twilio or static",
        "turn.providers[5].kind (from FILE): is missing",
        "turn.providers[7].urls (from FILE): must be an array of strings, not a whole number",
        "turn.providers[7].credential_file (from FILE): cannot read /nonexistent/secret: ",
        "turn.providers[8].name (from FILE): another provider is called `b` too",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n  is not\n{expected}");
        assert!(!found.contains("canary"), "{found}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for wrong in ["coturn", "[]", "[7]", "[{kind = 'canary]"] {
        let found = mistakes(&Flags::default(), &[("ALDIS_TURN_PROVIDERS", wrong)], Purpose::Tool);
        assert!(found.len() == 1 && found[0].starts_with("turn.providers (from ALDIS_TURN_PROVIDERS): "), "{found:?}");
        assert!(!found[0].contains("canary"), "{found:?}");
    }
}

#[test]
fn a_secret_may_stand_alone_in_a_file() {
    let secret = file("north\n");
    let path = secret.path().display().to_string();
    let named = |more: &[(&'static str, &str)]| {
        let variables = [&[("ALDIS_TURN_URLS", "turn:a")][..], more].concat();
        Loaded::load(&Flags::default(), env(&variables), Purpose::Tool)
    };
    let loaded = named(&[("ALDIS_TURN_SECRET_FILE", &path)]).expect("good");
    assert_eq!(loaded.config.ice.turn[0].secret().1.expose(), b"north");
    let problem = |more: &[(&'static str, &str)]| named(more).expect_err("a mistake").mistakes[0].to_string();
    assert!(problem(&[("ALDIS_TURN_SECRET_FILE", &path), ("ALDIS_TURN_SECRET", "x")]).contains("beside turn.secret"));
    for bad in ["", "two\nlines\n", " north\n"] {
        let secret = file(bad);
        let path = secret.path().display().to_string();
        let problem = problem(&[("ALDIS_TURN_SECRET_FILE", &path)]);
        assert!(problem.contains("must hold the secret alone") && !problem.contains("north"), "{problem}");
    }
    let long = file(&"x".repeat(4_097));
    let path = long.path().display().to_string();
    assert!(problem(&[("ALDIS_TURN_SECRET_FILE", &path)]).contains("has 4097 bytes"));
}

#[test]
fn the_proxy_protocol_is_off_unless_it_is_asked_for_and_needs_proxies() {
    let protocol = |variables: &[(&str, &str)]| {
        Loaded::load(&Flags::default(), env(variables), Purpose::Tool).expect("good").config.proxy_protocol
    };
    let proxies = ("ALDIS_TRUSTED_PROXIES", "10.0.0.0/8");
    assert_eq!(protocol(&[]), ProxyProtocol::Off);
    assert_eq!(protocol(&[proxies]), ProxyProtocol::Off);
    assert_eq!(protocol(&[proxies, ("ALDIS_PROXY_PROTOCOL", "true")]), ProxyProtocol::Required);
    let alone = mistakes(&Flags::default(), &[("ALDIS_PROXY_PROTOCOL", "true")], Purpose::Tool);
    assert_eq!(
        alone,
        [
            "proxy_protocol (from ALDIS_PROXY_PROTOCOL): is of no use without trusted_proxies (ALDIS_TRUSTED_PROXIES): list who sends the \
             header"
        ]
    );
}

#[test]
fn trusted_proxies_come_from_the_file_the_environment_or_a_flag() {
    let file = file("trusted_proxies = ['10.0.0.0/8', '2001:db8::7']\n");
    let load = |flags: &Flags, variables: &[(&str, &str)]| {
        let proxies = Loaded::load(flags, env(variables), Purpose::Tool).expect("good").config.trusted_proxies;
        ["10.1.2.3", "2001:db8::7", "192.0.2.7", "fd00::1"]
            .map(|address| proxies.contain(address.parse().expect(address)))
    };
    assert_eq!(load(&flags(&file), &[]), [true, true, false, false]);
    let variables = [("ALDIS_TRUSTED_PROXIES", "192.0.2.7 , 10.0.0.0/8")];
    assert_eq!(load(&flags(&file), &variables), [true, false, true, false]);
    let flag = Flags { trusted_proxies: Some("fd00::/8".into()), ..flags(&file) };
    assert_eq!(load(&flag, &variables), [false, false, false, true]);
}

#[test]
fn dev_is_loopback_with_the_public_key_whatever_the_environment_says_of_keys() {
    let file = file("listen = 'nowhere'");
    let path = file.path().display().to_string();
    let variables = [
        ("ALDIS_AUTH_KEYS", KEYS),
        ("ALDIS_AUTH_ISSUER", "x"),
        ("ALDIS_CONFIG_FILE", path.as_str()),
        ("ALDIS_STUN_URLS", "stun:a"),
    ];
    let config = Config::dev(&Flags::default(), env(&variables)).expect("good");
    assert_eq!(config.listen.to_string(), "localhost:7654");
    assert_eq!(config.auth.keys.first().map(crate::auth::Key::kid), Some("dev"));
    assert_eq!((config.auth.rules.issuer, config.ice.stun_urls), (None, vec!["stun:a".to_owned()]));
    for (variables, key) in [([("ALDIS_LISTEN", "[::]:7654")], "listen"), ([("ALDIS_ADMIN", "0.0.0.0:1")], "admin")] {
        let found = mistakes(&Flags::default(), &variables, Purpose::Dev);
        assert!(found[0].starts_with(key) && found[0].contains("is not loopback"), "{found:?}");
    }
}

#[test]
fn no_secret_is_shown() {
    let canary = "canary-0123456789-0123456789-0123456789";
    let keys = format!("a:{canary}");
    let turn = format!("{canary}-turn");
    let cluster = format!("{canary}-cluster");
    let admin = format!("{canary}-admin");
    let variables = [
        ("ALDIS_AUTH_KEYS", keys.as_str()),
        ("ALDIS_CLUSTER_SECRET", &cluster),
        ("ALDIS_ADMIN_KEY", &admin),
        ("ALDIS_TURN_SECRET", &turn),
        ("ALDIS_TURN_URLS", "turn:a"),
    ];
    let loaded = Loaded::load(&Flags::default(), env(&variables), Purpose::Serve).expect("good");
    assert!(!format!("{loaded:?}").contains("canary"), "{loaded:?}");
    let masked: Vec<_> = loaded.rows.iter().filter(|row| row.value == "[redacted]").map(|row| row.key).collect();
    assert_eq!(masked, ["cluster_secret", "admin_key", "auth.keys", "turn.secret"]);
}

#[test]
fn a_certificate_needs_its_key_and_both_are_looked_at() {
    let certificate = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_TLS_CERT", "/nonexistent/cert.pem")];
    assert_eq!(
        mistakes(&Flags::default(), &certificate, Purpose::Serve),
        ["tls.key: is missing although tls.cert is set; set ALDIS_TLS_KEY to the PEM file of its private key"]
    );
    let file = file("[tls]\nkey = '/nonexistent/key.pem'\n");
    assert_eq!(
        mistakes(&flags(&file), &certificate[..1], Purpose::Serve),
        ["tls.cert: is missing although tls.key is set; set ALDIS_TLS_CERT to the PEM file of the certificate"]
    );
    let flags = Flags { tls_cert: Some("/nonexistent/flag.pem".into()), ..flags(&file) };
    assert_eq!(
        mistakes(&flags, &certificate, Purpose::Serve),
        [
            "tls.cert (from --tls-cert): /nonexistent/flag.pem does not exist; give the path of a PEM file",
            "tls.key (from FILE): /nonexistent/key.pem does not exist; give the path of a PEM file",
        ]
    );
    // Tools run where the certificate is not, and `aldis dev` is not told of it.
    let loaded = Loaded::load(&flags, env(&certificate), Purpose::Tool).expect("good");
    assert_eq!(source(&loaded, "tls.cert"), &Source::Flag("--tls-cert".into()));
    let dev = Config::dev(&Flags::default(), env(&certificate)).expect("good");
    assert_eq!(dev.tls, None);
}

#[test]
fn public_keys_come_from_files_and_each_mistake_in_them_is_named() {
    use crate::auth::{Algorithm, SigningKey};
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    let make = |alg| SigningKey::generate(alg).expect("random").expect("a pair");
    let (ec, ed, rsa) = (make(Algorithm::Es256), make(Algorithm::EdDsa), make(Algorithm::Rs256));
    let ec_file = write("ec.pem", &ec.public_pem().expect("PEM"));
    let rsa_file = write("rsa.pem", &rsa.public_pem().expect("PEM"));
    let private = write("private.pem", &ec.to_pem().expect("PEM"));
    let set = write("jwks.json", &serde_json::json!({ "keys": [ed.public_jwk("ed")] }).to_string());
    let secrets = write("keys", "# ours\nhs:0123456789abcdef0123456789abcdef\n\n");
    let public = format!("ec:{ec_file}");
    let good = [
        ("ALDIS_AUTH_PUBLIC_KEYS", public.as_str()),
        ("ALDIS_AUTH_JWKS_FILE", &set),
        ("ALDIS_AUTH_KEYS_FILE", &secrets),
        ("ALDIS_AUTH_ALLOW_PATTERNS", "ed"),
    ];
    let loaded = Loaded::load(&Flags::default(), env(&good), Purpose::Serve).expect("good");
    let kids: Vec<_> = loaded.config.auth.keys.keys().iter().map(|key| (key.kid(), key.alg())).collect();
    assert_eq!(kids, [("hs", Algorithm::Hs256), ("ec", Algorithm::Es256), ("ed", Algorithm::EdDsa)]);
    let files: Vec<_> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    assert_eq!(files, [secrets.as_str(), &ec_file, &set]);

    let public = format!("rsa:{rsa_file},p:{private},gone:{private}.not,x,ec:{ec_file},ec:{ec_file}");
    let wrong = [
        ("ALDIS_AUTH_PUBLIC_KEYS", public.as_str()),
        ("ALDIS_AUTH_JWKS_FILE", &ec_file),
        ("ALDIS_AUTH_KEYS_FILE", &ec_file),
        ("ALDIS_AUTH_ALGORITHMS", "ES256,none"),
        ("ALDIS_AUTH_KEYS", KEYS),
        ("ALDIS_AUTH_CLAIMS", "exp=x,room,name=can,sub=u,can=u"),
    ];
    let found = mistakes(&Flags::default(), &wrong, Purpose::Serve);
    let from = |key: &str, variable: &str, problem: &str| format!("auth.{key} (from ALDIS_AUTH_{variable}): {problem}");
    let expected = [
        from(
            "algorithms",
            "ALGORITHMS",
            "`none` is no algorithm that tokens are checked with; known are HS256, ES256, EdDSA, RS256",
        ),
        from("keys", "KEYS", "has a shared secret, and HS256 is not in auth.algorithms"),
        from("keys_file", "KEYS_FILE", "an entry must be `kid:secret`; this one has no colon"),
        from("public_keys", "PUBLIC_KEYS", &format!("{rsa_file} is a key for RS256, which is not in auth.algorithms")),
        from(
            "public_keys",
            "PUBLIC_KEYS",
            &format!("{private} holds a private key, which nobody but the signer should have"),
        ),
        from("public_keys", "PUBLIC_KEYS", &format!("{private}.not cannot be read")),
        from("public_keys", "PUBLIC_KEYS", "`x` is not `kid:file`"),
        from("public_keys", "PUBLIC_KEYS", "two keys have the id `ec`"),
        from("jwks_file", "JWKS_FILE", &format!("{ec_file} is no JWKS")),
        from("claims", "CLAIMS", "`exp` is no claim that may have another name"),
        from("claims", "CLAIMS", "`room` is not `claim=name`"),
        from("claims", "CLAIMS", "`u` is the name of another claim too"),
    ];
    for expected in &expected {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected}\n  is not in\n{found:#?}");
    }
    // An RSA key is accepted where somebody asks for it.
    let rsa = format!("rsa:{rsa_file}");
    let asked = [("ALDIS_AUTH_PUBLIC_KEYS", rsa.as_str()), ("ALDIS_AUTH_ALGORITHMS", "RS256")];
    assert_eq!(Config::load(&Flags::default(), env(&asked)).expect("good").auth.keys.keys()[0].alg(), Algorithm::Rs256);
}

#[test]
fn an_issuer_is_named_with_its_url_and_needs_an_audience() {
    let load = |variables: &[(&str, &str)]| Config::load(&Flags::default(), env(variables));
    let audience = ("ALDIS_AUTH_AUDIENCE", "aldis");
    let two = "https://a.example/ https://a.example/jwks.json, https://b.example https://b.example/keys?x=1";
    let config = load(&[("ALDIS_AUTH_JWKS_URLS", two), audience, ("ALDIS_AUTH_ALLOW_PATTERNS", "https://b.example")]);
    let jwks = config.expect("good").auth.jwks;
    let found: Vec<_> = jwks.iter().map(|jwks| (&*jwks.issuer, jwks.url.to_string())).collect();
    let expected = [
        ("https://a.example/", "https://a.example/jwks.json".to_owned()),
        ("https://b.example", "https://b.example/keys?x=1".to_owned()),
    ];
    assert_eq!(found, expected);
    let scopes: Vec<_> = jwks.iter().map(|jwks| jwks.scope).collect();
    assert_eq!(scopes, [crate::auth::RoomScope::Exact, crate::auth::RoomScope::Patterns]);

    let alone = [("ALDIS_AUTH_JWKS_URLS", "https://a.example/k"), ("ALDIS_AUTH_ISSUER", "me"), audience];
    assert_eq!(&*load(&alone).expect("good").auth.jwks[0].issuer, "me");
    let cases = [
        ("https://a.example/k", "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1 has no issuer"),
        (
            "i http://a.example/k",
            "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1: the URL must begin with `https://`",
        ),
        // Neither the URL nor the password in it is shown.
        (
            "i https://ann:canary@a.example/k",
            "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): entry 1: the URL must not hold a login",
        ),
        ("i https://a/1,i https://a/2", "auth.jwks_urls (from ALDIS_AUTH_JWKS_URLS): names the issuer `i` twice"),
    ];
    for (urls, problem) in cases {
        let found = mistakes(&Flags::default(), &[("ALDIS_AUTH_JWKS_URLS", urls), audience], Purpose::Serve);
        assert!(found[0].starts_with(problem) && !found[0].contains("canary"), "{found:#?}");
    }
    let found = mistakes(&Flags::default(), &[("ALDIS_AUTH_JWKS_URLS", "i https://a/1")], Purpose::Serve);
    assert!(found[0].starts_with("auth.audience: is missing although auth.jwks_urls names an issuer"), "{found:#?}");
}

#[test]
fn the_cluster_secret_has_others_beside_it_while_it_changes() {
    let variables = [
        ("ALDIS_AUTH_KEYS", KEYS),
        CLUSTER,
        ("ALDIS_ACCEPTED_CLUSTER_SECRETS", "accepted-0123456789abcdef-0123456789,short"),
    ];
    let [short] = &mistakes(&Flags::default(), &variables, Purpose::Serve)[..] else { panic!("one mistake") };
    assert!(short.starts_with("accepted_cluster_secrets (from ALDIS_ACCEPTED_CLUSTER_SECRETS): is 5 bytes"), "{short}");
    let same = [("ALDIS_AUTH_KEYS", KEYS), CLUSTER, ("ALDIS_ACCEPTED_CLUSTER_SECRETS", &KEYS[2..])];
    let [same] = &mistakes(&Flags::default(), &same, Purpose::Serve)[..] else { panic!("one mistake") };
    assert!(same.contains("has the secret of a key of auth.keys"), "{same}");
    let alone = [variables[0], ("ALDIS_ACCEPTED_CLUSTER_SECRETS", CLUSTER.1)];
    let [alone] = &mistakes(&Flags::default(), &alone, Purpose::Serve)[..] else { panic!("one mistake") };
    assert!(alone.contains("is of no use without cluster_secret"), "{alone}");
}

#[test]
fn what_this_server_may_reach_itself_is_a_list_of_networks() {
    let variables = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_OUTBOUND_NETWORKS", "10.1.0.0/16, ::1")];
    let config = Config::load(&Flags::default(), env(&variables)).expect("good");
    let permits = |address: &str| config.outbound.reach.permits(address.parse().expect("an address"));
    assert_eq!(["10.1.2.3", "::1", "10.2.0.1", "127.0.0.1"].map(permits), [true, true, false, false]);
    let wrong = [
        variables[0],
        ("ALDIS_OUTBOUND_NETWORKS", "10.1.2.3/16,intranet"),
        ("ALDIS_OUTBOUND_CA_FILE", "/nonexistent/ca.pem"),
    ];
    let found = mistakes(&Flags::default(), &wrong, Purpose::Serve);
    let expected = [
        "outbound.networks (from ALDIS_OUTBOUND_NETWORKS): `10.1.2.3/16` has bits beyond its prefix; write `10.1.0.0/16`",
        "outbound.networks (from ALDIS_OUTBOUND_NETWORKS): `intranet` is no address and no network",
        "outbound.ca_file (from ALDIS_OUTBOUND_CA_FILE): /nonexistent/ca.pem cannot be trusted",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    found.iter().zip(expected).for_each(|(found, expected)| assert!(found.starts_with(expected), "{found}"));
}

#[test]
fn lan_is_every_address_with_a_key_that_nobody_knows() {
    let load = || Config::lan(&Flags::default(), env(&[("ALDIS_AUTH_KEYS", KEYS)])).expect("good");
    let secret = |config: &Config| config.auth.keys.first().and_then(|key| key.secret()).expect("a secret").clone();
    let (first, second) = (load(), load());
    assert_eq!((first.listen.to_string().as_str(), first.auth.keys.keys().len()), ("[::]:7654", 1));
    assert!(!first.auth.keys.keys()[0].is_public() && secret(&first).expose().len() == 64);
    assert_ne!(secret(&first), secret(&second));
}

const CLUSTER: (&str, &str) = ("ALDIS_CLUSTER_SECRET", "cluster-0123456789abcdef-0123456789");

#[test]
fn a_backplane_comes_from_variables_or_the_file_and_shows_no_login() {
    let url = "redis://aldis:canary@r1,r2:6380";
    let variables = [("ALDIS_AUTH_KEYS", KEYS), CLUSTER, ("ALDIS_BACKPLANE", url), ("ALDIS_BACKPLANE_PREFIX", "blue")];
    let flags = Flags { require_backplane: true, ..Flags::default() };
    let loaded = Loaded::load(&flags, env(&variables), Purpose::Serve).expect("good");
    assert_eq!(loaded.config.backplane.address.to_string(), "redis://r1:6379,r2:6380");
    assert_eq!(loaded.config.backplane.prefix.to_string(), "blue");
    assert_eq!(loaded.config.backplane.need, Need::Required);
    assert_eq!(source(&loaded, "require_backplane"), &Source::Flag("--require-backplane".into()));
    let shown: String = loaded.rows.iter().map(|row| format!("{} = {}\n", row.key, row.value)).collect();
    assert!(shown.contains("backplane = redis://r1:6379,r2:6380\n") && !shown.contains("canary"), "{shown}");
    assert!(!format!("{:?}", loaded.config).contains("canary"));

    let file = file(
        "backplane = 'nats://n1,n2'\nbackplane_prefix = 'green'\nrequire_backplane = true\nrefuse_degraded_joins = true\n",
    );
    let config = Config::load(&self::flags(&file), env(&variables[..2])).expect("good");
    assert_eq!(config.backplane.address.to_string(), "nats://n1:4222,n2:4222");
    assert_eq!((config.backplane.prefix.to_string(), config.backplane.need), ("green".to_owned(), Need::Required));
    assert_eq!(config.backplane.degraded, DegradedJoins::Refused);
}

#[test]
fn a_backplane_that_cannot_work_is_refused_without_showing_it() {
    let wrong = |variables: &[(&str, &str)]| {
        mistakes(&Flags::default(), &[&[("ALDIS_AUTH_KEYS", KEYS)], variables].concat(), Purpose::Serve)
    };
    assert_eq!(
        wrong(&[
            CLUSTER,
            ("ALDIS_BACKPLANE", "amqp://aldis:canary@host"),
            ("ALDIS_BACKPLANE_PREFIX", "a.b"),
            ("ALDIS_REQUIRE_BACKPLANE", "yes"),
            ("ALDIS_REFUSE_DEGRADED_JOINS", "1"),
        ]),
        [
            "backplane (from ALDIS_BACKPLANE): is no address: expected memory, redis://, rediss://, redis+sentinel://, nats:// or \
             tls://",
            "backplane_prefix (from ALDIS_BACKPLANE_PREFIX): a prefix is 1 to 32 of [A-Za-z0-9_-]",
            "require_backplane (from ALDIS_REQUIRE_BACKPLANE): `yes` is not true or false",
            "refuse_degraded_joins (from ALDIS_REFUSE_DEGRADED_JOINS): `1` is not true or false",
        ]
    );
    let [secret] = &wrong(&[("ALDIS_BACKPLANE", "nats://token@n1")])[..] else { panic!("one mistake") };
    assert!(secret.starts_with("cluster_secret: is missing although backplane is nats://n1:4222; set"), "{secret}");
    for key in ["ALDIS_REQUIRE_BACKPLANE", "ALDIS_REFUSE_DEGRADED_JOINS"] {
        let [alone] = &wrong(&[(key, "true")])[..] else { panic!("one mistake") };
        assert!(alone.contains("is of no use in memory"), "{alone}");
    }
}

#[test]
fn nodes_of_one_process_have_consecutive_ports() {
    let further = |text: &str, ports| {
        let listen: ListenAddr = text.parse().expect("an address");
        listen
            .further(ports)
            .map(|listen| (listen.to_string(), listen.addrs().iter().map(std::net::SocketAddr::port).collect()))
    };
    assert_eq!(further("localhost:7654", 2), Some(("localhost:7656".to_owned(), vec![7656, 7656])));
    assert_eq!(further("[::1]:0", 2), Some(("[::1]:0".to_owned(), vec![0])));
    assert_eq!(further("127.0.0.1:65535", 1), None);
}

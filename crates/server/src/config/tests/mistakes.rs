//! Every mistake at once, by its key and its source.

use super::*;

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
    assert_mistakes(&found, &expected);
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

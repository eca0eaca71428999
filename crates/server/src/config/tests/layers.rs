//! Which layer a value comes from, and what comes through all of them.

use std::time::Duration;

use aldis_protocol::{Limits, limits::TABLE};

use super::*;

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
fn lan_is_every_address_with_a_key_that_nobody_knows() {
    let load = || Config::lan(&Flags::default(), env(&[("ALDIS_AUTH_KEYS", KEYS)])).expect("good");
    let secret = |config: &Config| config.auth.keys.first().and_then(|key| key.secret()).expect("a secret").clone();
    let (first, second) = (load(), load());
    assert_eq!((first.listen.to_string().as_str(), first.auth.keys.keys().len()), ("[::]:7654", 1));
    assert!(!first.auth.keys.keys()[0].is_public() && secret(&first).expose().len() == 64);
    assert_ne!(secret(&first), secret(&second));
}

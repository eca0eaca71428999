//! The backplane, and the secret of the cluster.

use super::*;

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
    let config = Config::load(&super::flags(&file), env(&variables[..2])).expect("good");
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

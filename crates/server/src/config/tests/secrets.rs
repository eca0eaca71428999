//! Secrets: where they may stand, and that none is shown.

use super::*;

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

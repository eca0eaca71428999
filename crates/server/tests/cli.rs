//! The program as scripts see it: exit codes, what goes where, and that no secret comes out.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const KEYS: &str = "a:0123456789abcdef0123456789abcdef";
const DEV_KEYS: &str = "dev:aldis-dev-key-not-for-production-0123456789";

/// How a command ended and what it said.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("an exit code"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aldis"));
    command.env_clear().envs(env.iter().copied()).args(args);
    command
}

fn aldis(args: &[&str], env: &[(&str, &str)]) -> Ran {
    command(args, env).output().expect("it runs").into()
}

fn aldis_with_stdin(args: &[&str], env: &[(&str, &str)], stdin: &str) -> Ran {
    let mut child = command(args, env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends").into()
}

fn mint(args: &[&str], env: &[(&str, &str)]) -> String {
    let ran = aldis(&[&["token", "create", "--room", "lobby", "--identity", "ann"], args].concat(), env);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.stdout.trim_end().to_owned()
}

#[test]
fn exit_codes() {
    let keys = [("ALDIS_AUTH_KEYS", KEYS)];
    let create = ["token", "create", "--room", "lobby", "--identity", "ann"];
    let with = |more: &[&'static str]| [&create, more].concat();
    let cases: &[(Vec<&str>, i32, &str)] = &[
        (vec!["--help"], 0, ""),
        (vec!["--version"], 0, ""),
        (vec!["serve", "--help"], 0, ""),
        (vec!["help", "dev"], 0, ""),
        (vec![], 2, "Usage: aldis <COMMAND>"),
        (vec!["serv"], 2, "'serve'"),
        (vec!["keys"], 2, "generate"),
        (vec!["serve", "--lissten", "x"], 2, "'--listen'"),
        (vec!["serve", "--auth-keys", "x"], 2, "unexpected argument '--auth-keys'"),
        (vec!["token", "create", "--room", "lobby"], 2, "--identity"),
        (vec!["keys", "generate", "--env", "--json"], 2, "cannot be used with"),
        (vec!["dev", "--port", "1", "--listen", "localhost:1"], 2, "cannot be used with"),
        (vec!["serve", "--listen", "nowhere"], 78, "listen (from --listen): `nowhere` is not"),
        (vec!["serve", "--config", "/nonexistent"], 78, "config (from --config): cannot read /nonexistent"),
        (vec!["dev", "--listen", "0.0.0.0:7654"], 78, "listen (from --listen): `0.0.0.0:7654` is not loopback"),
        (vec!["dev", "--port", "65536"], 78, "65536"),
        (vec!["dev", "--lan", "--listen", "nowhere"], 78, "listen (from --listen): `nowhere` is not"),
        (vec!["dev", "--lan", "--nodes", "3"], 2, "cannot be used with"),
        (vec!["dev", "--nodes", "17"], 78, "17"),
        (
            vec!["serve", "--require-backplane"],
            78,
            "require_backplane (from --require-backplane): is of no use in memory",
        ),
        (vec!["serve", "--tls-cert", "/nonexistent"], 78, "tls.key: is missing although tls.cert is set"),
        (vec!["explain", "nonsense"], 78, "no such code"),
        (with(&["--ttl", "soon"]), 78, "is not a duration"),
        (with(&["--ttl", "2d"]), 78, "from one second to one day"),
        (with(&["--can", "fly"]), 78, "known are signal, message, turn, broadcast, moderate"),
        (with(&["--max-peers", "0"]), 78, "--max-peers"),
        (with(&["--duplicates", "kick"]), 78, "possible values: allow, replace, reject"),
        (with(&["--name", "a\nb"]), 78, "`name` must not hold control characters"),
        (with(&["--metadata", "{"]), 78, "--metadata"),
        (vec!["token", "create", "--room", "a b", "--identity", "ann"], 78, "must be 1 to 128 characters"),
        (vec!["token", "verify", "garbage"], 1, "not three parts"),
        (vec!["turn", "credentials", "--identity", "ann"], 78, "ALDIS_TURN_URLS"),
        (vec!["config", "check"], 0, ""),
    ];
    for (args, code, said) in cases {
        let ran = aldis(args, &keys);
        assert_eq!(ran.code, *code, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout.is_empty(), *code != 0, "{args:?}: {ran:?}");
    }
    let no_keys = aldis(&["serve"], &[]);
    assert!(no_keys.code == 78 && no_keys.stderr.contains("auth.keys: is missing"), "{no_keys:?}");
    let dev_key = aldis(&["serve"], &[("ALDIS_AUTH_KEYS", DEV_KEYS)]);
    assert!(dev_key.code == 78 && dev_key.stderr.contains("public development key"), "{dev_key:?}");
}

#[test]
fn all_mistakes_at_once_with_their_keys() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"lissten = 'x'\n[limits]\nroom_peers = 0\n[turn]\nsecret = 'canary-of-the-file'\n")
        .expect("written");
    let path = file.path().display().to_string();
    let ran = aldis(
        &["config", "check", "--config", &path, "--admin", "nowhere"],
        &[
            ("ALDIS_AUTH_KEYS", "a:canary,canary-without-a-colon"),
            ("ALDIS_CLUSTER_SECRET", "canary"),
            ("ALDIS_STUN_URLS", "turn:x"),
            ("ALDIS_LIMITS_HEADER_BYTES", "1"),
        ],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (78, ""), "{ran:?}");
    let expected = [
        "the configuration has 9 mistakes:".to_owned(),
        format!("lissten (from {path}): is no key; did you mean listen?"),
        "admin (from --admin): `nowhere`".to_owned(),
        "cluster_secret (from ALDIS_CLUSTER_SECRET): is 6 bytes".to_owned(),
        "auth.keys (from ALDIS_AUTH_KEYS): the secret of key `a` is 6 bytes".to_owned(),
        "auth.keys (from ALDIS_AUTH_KEYS): an entry must be `kid:secret`".to_owned(),
        "stun.urls (from ALDIS_STUN_URLS): `turn:x` must begin with stun: or stuns:".to_owned(),
        "turn.urls: is missing although turn.secret is set".to_owned(),
        "limits.header_bytes (from ALDIS_LIMITS_HEADER_BYTES): 1 is not from 8192".to_owned(),
        format!("limits.room_peers (from {path}): 0 is not from 1"),
    ];
    for expected in expected {
        assert!(ran.stderr.contains(&expected), "{expected}\n  is not in\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
}

#[test]
fn no_secret_is_ever_printed() {
    let canary = "canary-0123456789-0123456789-0123456789";
    let (keys, turn, cluster) = (format!("a:{canary}"), format!("{canary}-t"), format!("{canary}-c"));
    let env = [
        ("ALDIS_AUTH_KEYS", keys.as_str()),
        ("ALDIS_TURN_SECRET", &turn),
        ("ALDIS_TURN_URLS", "turn:turn.example.org"),
        ("ALDIS_CLUSTER_SECRET", &cluster),
    ];
    let token = mint(&[], &env);
    let swapped = mint(&[], &[("ALDIS_AUTH_KEYS", "a:another-0123456789-0123456789-0123456789")]);
    let commands: [&[&str]; 9] = [
        &["config", "show"],
        &["config", "check"],
        &["turn", "credentials", "--identity", "ann"],
        &["token", "verify", &token],
        &["token", "verify", &swapped],
        &["serve", "--listen", "nowhere"],
        &["serve", "--help"],
        &["token", "create", "--help"],
        &["explain"],
    ];
    for args in commands {
        let ran = aldis(args, &env);
        assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{args:?}: {ran:?}");
    }
}

#[test]
fn config_show_says_where_each_value_came_from() {
    let ran = aldis(
        &["config", "show", "--listen", "127.0.0.1:1"],
        &[("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_LIMITS_ROOM_PEERS", "7")],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let row = |key: &str| -> Vec<String> {
        let line = ran.stdout.lines().find(|line| line.split_whitespace().next() == Some(key)).expect(key);
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(row("listen"), ["127.0.0.1:1", "--listen"]);
    assert_eq!(row("limits.room_peers"), ["7", "ALDIS_LIMITS_ROOM_PEERS"]);
    assert_eq!(row("limits.message_bytes"), ["65536", "default"]);
    assert_eq!(row("auth.keys"), ["[redacted]", "ALDIS_AUTH_KEYS"]);
    assert_eq!(row("turn.secret"), ["default"]);
}

#[test]
fn what_keys_generate_prints_is_what_the_server_takes() {
    let plain = aldis(&["keys", "generate"], &[]);
    let env = aldis(&["keys", "generate", "--env"], &[]);
    let json = aldis(&["keys", "generate", "--json"], &[]);
    let toml = aldis(&["keys", "generate", "--toml"], &[]);

    let from_env = env.stdout.trim_end().strip_prefix("ALDIS_AUTH_KEYS=").expect("a variable");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let from_json = format!("{}:{}", json["kid"].as_str().expect("a kid"), json["secret"].as_str().expect("a secret"));
    let keys = [plain.stdout.trim_end(), from_env, &from_json];
    for keys in keys {
        assert_eq!(aldis(&["config", "check"], &[("ALDIS_AUTH_KEYS", keys)]).stdout, "ok\n", "{keys}");
    }
    let all = keys.join(",");
    assert_eq!(aldis(&["config", "check"], &[("ALDIS_AUTH_KEYS", &all)]).stdout, "ok\n", "{all}");

    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(toml.stdout.as_bytes()).expect("written");
    let path = file.path().display().to_string();
    assert_eq!(aldis(&["config", "check"], &[("ALDIS_CONFIG_FILE", &path)]).stdout, "ok\n");
}

#[test]
fn a_created_token_is_verified() {
    let env = [("ALDIS_AUTH_KEYS", KEYS)];
    let token =
        mint(&["--name", "Ann", "--can", "signal,broadcast", "--max-peers", "2", "--metadata", r#"{"a":1}"#], &env);
    assert_eq!(token.split('.').count(), 3);
    let accepted = aldis(&["token", "verify", &token, "--room", "lobby"], &env);
    assert_eq!((accepted.code, accepted.stderr.as_str()), (0, ""), "{accepted:?}");
    for part in ["accepted", "identity  ann", "room      lobby", "signal, broadcast", "Ann", r#"{"a":1}"#, "in 9 m"] {
        assert!(accepted.stdout.contains(part), "{part}: {}", accepted.stdout);
    }
    let piped = aldis_with_stdin(&["token", "verify", "-"], &env, &format!("{token}\n"));
    assert_eq!(piped.code, 0, "{piped:?}");

    let json = aldis(&["token", "create", "--room", "r", "--identity", "i", "--json"], &env);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert!(json["token"].is_string() && json["expiresAt"].is_u64(), "{json}");
}

#[test]
fn a_refused_token_is_explained() {
    let own = [("ALDIS_AUTH_KEYS", KEYS)];
    let (dev, token) = (mint(&["--dev"], &[]), mint(&[], &own));
    assert_eq!(aldis(&["token", "verify", "--dev", &dev], &own).code, 0);
    let others = "b:fedcba9876543210fedcba9876543210";
    let several = format!("{others},c{others}");
    let cases: [(&[&str], &str, &[&str]); 5] = [
        (&[&token, "--room", "cellar"], KEYS, &["refused (forbidden)", "the room `lobby`, not `cellar`"]),
        (&[&token], &several, &["refused (token-invalid)", "unknown kid `a`; known: b, cb."]),
        (&[&token], "a:fedcba9876543210fedcba9876543210", &["signature does not match", "signed with another secret"]),
        (&[&dev], KEYS, &["unknown kid `dev`; known: a.", "check it with --dev"]),
        (&[""], KEYS, &["refused (token-missing)"]),
    ];
    for (args, keys, said) in cases {
        let ran = aldis(&[&["token", "verify"], args].concat(), &[("ALDIS_AUTH_KEYS", keys)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        for said in said {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
    }
    let no_key = aldis(&["token", "create", "--room", "r", "--identity", "i"], &[]);
    assert!(no_key.code == 78 && no_key.stderr.contains("ALDIS_AUTH_KEYS"), "{no_key:?}");
}

#[test]
fn turn_credentials_are_ice_servers() {
    let env = [
        ("ALDIS_TURN_URLS", "turn:turn.example.org:3478,turns:turn.example.org:5349"),
        ("ALDIS_TURN_SECRET", "north"),
        ("ALDIS_STUN_URLS", "stun:stun.example.org"),
        ("ALDIS_CLUSTER_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let credentials = |more: &[&str]| {
        let ran = aldis(&[&["turn", "credentials", "--identity", "ann"], more].concat(), &env);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        serde_json::from_str::<serde_json::Value>(&ran.stdout).expect("JSON")
    };
    let (day, short) = (credentials(&[]), credentials(&["--ttl", "10m"]));
    assert_eq!(day["iceServers"][0]["urls"][0], "stun:stun.example.org");
    assert_eq!(day["iceServers"][1]["urls"][1], "turns:turn.example.org:5349");
    let expiry = |ice: &serde_json::Value| ice["iceExpiresAt"].as_u64().expect("a time");
    let apart = expiry(&day).abs_diff(expiry(&short)) / 1_000;
    assert!((85_000..86_400).contains(&apart), "{apart}");
    // The same pseudonym each time, for the sake of coturn's quota.
    let tag = |ice: &serde_json::Value| {
        let username = ice["iceServers"][1]["username"].as_str().expect("a username");
        username.split_once(':').expect("expiry:tag").1.to_owned()
    };
    assert_eq!(tag(&day), tag(&short));
    let bad = aldis(&["turn", "credentials", "--identity", "ann", "--ttl", "9s"], &env);
    assert!(bad.code == 78 && bad.stderr.contains("is not from 10s to 30d"), "{bad:?}");
}

#[test]
fn codes_are_explained() {
    let all = aldis(&["explain"], &[]);
    assert!(all.code == 0 && all.stdout.contains("token-expired") && all.stdout.contains("4401"), "{all:?}");
    let one = aldis(&["explain", "token-expired"], &[]);
    assert!(
        one.stdout.contains("The connection closes with 4401.") && one.stdout.contains("HTTP status 401"),
        "{one:?}"
    );
    let close = aldis(&["explain", "4419"], &[]);
    assert!(close.stdout.contains("Superseded") && close.stdout.contains("superseded"), "{close:?}");
}

#[test]
fn a_pair_of_keys_signs_and_checks() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("keys").display().to_string();
    for alg in ["ES256", "EdDSA", "rs256"] {
        let made = aldis(&["keys", "generate", "--alg", alg, "--out", &out], &[]);
        assert_eq!(made.code, 0, "{made:?}");
        let (kid, public) = made.stdout.trim_end().split_once(':').expect("kid:file");
        let private = format!("{kid}:{}", public.replace(".pub.pem", ".pem"));
        let all = ("ALDIS_AUTH_ALGORITHMS", "ES256,EdDSA,RS256");
        let server = [("ALDIS_AUTH_PUBLIC_KEYS", made.stdout.trim_end()), all];
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&private[kid.len() + 1..]).expect("a file").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);

        // By a flag, and by a variable; the server's own keys do not sign.
        let by_flag = mint(&["--signing-key", &private], &server);
        let by_variable = mint(&[], &[server[0], all, ("ALDIS_AUTH_SIGNING_KEY", &private)]);
        for token in [by_flag, by_variable] {
            let verified = aldis(&["token", "verify", &token], &server);
            assert!(verified.code == 0 && verified.stdout.starts_with("accepted\n"), "{verified:?}");
        }
        let unsigned = aldis(&["token", "create", "--room", "lobby", "--identity", "ann"], &server);
        assert!(unsigned.code == 78 && unsigned.stderr.contains("ALDIS_AUTH_SIGNING_KEY"), "{unsigned:?}");

        // The set that the files make is good, and so is the configuration.
        let jwk = std::fs::read_to_string(public.replace(".pub.pem", ".jwk.json")).expect("a JWK");
        let set = folder.path().join(format!("{kid}.json"));
        std::fs::write(&set, format!("{{\"keys\":[{jwk}]}}")).expect("written");
        let token = mint(&["--signing-key", &private], &[all]);
        let by_set = [("ALDIS_AUTH_JWKS_FILE", set.to_str().expect("text")), all];
        assert_eq!(aldis(&["token", "verify", &token], &by_set).code, 0);
        assert_eq!(aldis(&["config", "check"], &by_set).code, 0);

        // A token of another key of the same id is refused, and the operator learns what is wrong.
        let other = aldis(&["keys", "generate", "--alg", alg, "--out", &out], &[]).stdout;
        let other =
            format!("{kid}:{}", other.trim_end().split_once(':').expect("kid:file").1.replace(".pub.pem", ".pem"));
        let forged = aldis(&["token", "verify", &mint(&["--signing-key", &other], &[all])], &server);
        assert!(forged.code == 1 && forged.stderr.contains("not of the private key"), "{forged:?}");
    }
    let json = aldis(&["keys", "generate", "--alg", "ES256", "--json"], &[]).stdout;
    assert!(json.contains("BEGIN PRIVATE KEY") && json.contains("\"crv\":\"P-256\""), "{json}");
    for (args, said) in [
        (&["--alg", "ES256"][..], "add --out FOLDER"),
        (&["--out", &out], "--out is for pairs"),
        (&["--alg", "PS256", "--json"], "known are HS256, ES256, EdDSA, RS256"),
    ] {
        let ran = aldis(&[&["keys", "generate"], args].concat(), &[]);
        assert!(ran.code != 0 && ran.stderr.contains(said), "{ran:?}");
    }
}

//! `[turn]`: one server, or a chain of providers.

use super::*;

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
    assert_mistakes(&found, &expected);
    for wrong in ["coturn", "[]", "[7]", "[{kind = 'canary]"] {
        let found = mistakes(&Flags::default(), &[("ALDIS_TURN_PROVIDERS", wrong)], Purpose::Tool);
        assert!(found.len() == 1 && found[0].starts_with("turn.providers (from ALDIS_TURN_PROVIDERS): "), "{found:?}");
        assert!(!found[0].contains("canary"), "{found:?}");
    }
}

//! The documentation is tested: each JSON block of `docs/protocol.md` is a message that this crate understands, the generated
//! tables are those of the code, and every test that the table of limits or that of attacks names exists.
//!
//! `ALDIS_BLESS=1 cargo test -p aldis-protocol --test docs` rewrites the generated tables.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use aldis_protocol::{
    ClientMessage, CloseCode, Limits, PeerId, Post, ServerMessage, SignalKind, WireError,
    close::Closed,
    docs::{self, TABLES},
    limits::TABLE,
};
use serde_json::Value;

use common::{bless_or_compare, fixtures, read, root};

mod common;

/// The pages with generated tables.
const PAGES: [&str; 2] = ["docs/protocol.md", "docs/limits.md"];

/// The `type` of every client message that is not relayed; `client_type` makes sure that none is forgotten.
const REQUESTS: [&str; 9] = ["hello", "update", "ice-servers", "auth", "check", "frozen", "leave", "ping", "remove"];

/// The `type` of every server message that is not relayed; `server_type` makes sure that none is forgotten.
const EVENTS: [&str; 16] = [
    "welcome",
    "peer-joined",
    "peer-updated",
    "peer-away",
    "peer-back",
    "peer-left",
    "ice-servers",
    "resume",
    "receipt",
    "error",
    "auth-ok",
    "token-expiring",
    "checked",
    "reconnect",
    "notice",
    "pong",
];

/// The claims that a token may have.
const CLAIMS: [&str; 13] =
    ["sub", "room", "exp", "nbf", "iat", "jti", "iss", "aud", "name", "metadata", "can", "maxPeers", "duplicates"];

#[test]
fn every_client_fixture_is_accepted_and_every_type_has_one() {
    let limits = Limits::default();
    let mut seen = BTreeSet::new();
    for fixture in fixtures("client") {
        let message = ClientMessage::parse(&fixture.text, &limits)
            .unwrap_or_else(|rejection| panic!("line {}: {}", fixture.line, rejection.error));
        seen.insert(client_type(&message));
    }
    let signals = SignalKind::ALL.iter().map(|kind| kind.as_str());
    assert_eq!(seen, signals.chain(REQUESTS).collect());
}

#[test]
fn every_server_fixture_survives_a_round_trip_and_every_type_has_one() {
    let mut seen = BTreeSet::new();
    for fixture in fixtures("server") {
        let message: ServerMessage =
            serde_json::from_str(&fixture.text).unwrap_or_else(|error| panic!("line {}: {error}", fixture.line));
        assert_eq!(value(&message.to_json()), value(&fixture.text), "line {}", fixture.line);
        seen.insert(server_type(&message));
    }
    assert_eq!(seen, BTreeSet::from(EVENTS));
}

#[test]
fn every_relayed_fixture_is_what_the_server_writes_byte_for_byte() {
    let limits = Limits::default();
    let mut seen = BTreeSet::new();
    for fixture in fixtures("relayed") {
        let line = fixture.line;
        let from = value(&fixture.text)["from"].as_str().map(PeerId::parse);
        let Some(Ok(from)) = from else { panic!("line {line}: no valid `from`") };
        // What its sender wrote: the same fields, with `to` in the place of `from`.
        let sent = fixture.text.replacen("\"from\":", "\"to\":", 1);
        let Ok(ClientMessage::Signal(signal)) = ClientMessage::parse(&sent, &limits) else {
            panic!("line {line}: no client could have sent it");
        };
        let mut written = String::new();
        signal.splice(&from, &mut written);
        assert_eq!(written, fixture.text, "line {line}");
        seen.insert(signal.kind.as_str());
    }
    assert_eq!(seen, SignalKind::ALL.iter().map(|kind| kind.as_str()).collect());
}

#[test]
fn the_other_fixtures_are_claims_posts_closes_and_problems() {
    let known = BTreeSet::from(CLAIMS);
    let mut named = BTreeSet::new();
    for fixture in fixtures("claims") {
        let claims = value(&fixture.text);
        let claims = claims.as_object().unwrap_or_else(|| panic!("line {}: not an object", fixture.line));
        for claim in claims.keys() {
            assert!(known.contains(claim.as_str()), "line {}: `{claim}` is no claim", fixture.line);
            named.insert(claim.clone());
        }
        for required in ["sub", "room", "exp"] {
            assert!(claims.contains_key(required), "line {}: `{required}` is required", fixture.line);
        }
    }
    assert_eq!(named.len(), known.len(), "every claim has an example: {named:?}");

    for fixture in fixtures("post") {
        let line = fixture.line;
        let post = Post::parse(&fixture.text).unwrap_or_else(|rejection| panic!("line {line}: {}", rejection.error));
        for message in post.messages {
            let message = ClientMessage::parse(message.get(), &Limits::default());
            assert!(message.is_ok(), "line {line}: {message:?}");
        }
    }
    for fixture in fixtures("closed") {
        let closed: Closed = serde_json::from_str(&fixture.text).expect("a close");
        let expected = CloseCode::from_code(closed.code).map(Closed::from);
        assert_eq!(Some(closed), expected, "line {}", fixture.line);
    }

    let problems = fixtures("problem");
    assert!(!problems.is_empty());
    for fixture in problems {
        let error: WireError =
            serde_json::from_str(&fixture.text).unwrap_or_else(|error| panic!("line {}: {error}", fixture.line));
        assert_eq!(serde_json::to_value(&error).expect("serialises"), value(&fixture.text), "line {}", fixture.line);
    }
}

#[test]
fn the_generated_tables_are_those_of_the_code() {
    let mut placed = BTreeSet::new();
    for page in PAGES {
        let mut rendered = read(&root().join(page));
        for &(name, render) in TABLES {
            if let Some(filled) = fill(&rendered, name, &render()) {
                rendered = filled;
                placed.insert(name);
            }
        }
        bless_or_compare(page, &rendered);
    }
    assert_eq!(placed, TABLES.iter().map(|(name, _)| *name).collect(), "every table has its place");
}

#[test]
fn every_test_that_the_table_of_limits_names_exists() {
    let sources = sources();
    let missing: BTreeSet<_> = TABLE.iter().map(|row| row.test).filter(|test| !is_held(test, &sources)).collect();
    assert!(missing.is_empty(), "no test of these names: {missing:#?}");
}

#[test]
fn every_attack_is_held_by_tests_that_exist() {
    let page = read(&root().join("docs/attacks.md"));
    let sources = sources();
    let mut numbers = Vec::new();
    for line in page.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, expected, held] = cells[..] else { continue };
        let Ok(number) = number.parse::<u8>() else { continue };
        numbers.push(number);
        if held == "–" {
            assert!(expected.starts_with("cannot apply: "), "row {number} is held by nothing and does not say why");
            continue;
        }
        let names: Vec<_> = held.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "row {number} names no test");
        for name in names {
            let exists = if name.contains('/') { root().join(name).exists() } else { is_held(name, &sources) };
            assert!(exists, "row {number}: there is no `{name}`");
        }
    }
    assert_eq!(numbers, (1..=83).collect::<Vec<_>>(), "every row, once and in order");
}

#[test]
fn a_table_without_its_marker_is_noticed() {
    let page = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n";
    let filled = "a\n<!-- generated: x -->\n\nnew\n\n<!-- end -->\nb\n";
    assert_eq!(fill(page, "x", "new\n").as_deref(), Some(filled));
    assert_eq!(fill(filled, "x", "new\n").as_deref(), Some(filled));
    assert_eq!(fill(page, "y", "new\n"), None);
    assert!(docs::limits().lines().count() > TABLE.len());
}

fn client_type(message: &ClientMessage<'_>) -> &'static str {
    match message {
        ClientMessage::Signal(signal) => signal.kind.as_str(),
        ClientMessage::Hello(_) => "hello",
        ClientMessage::Update(_) => "update",
        ClientMessage::IceServers => "ice-servers",
        ClientMessage::Auth(_) => "auth",
        ClientMessage::Check(_) => "check",
        ClientMessage::Frozen => "frozen",
        ClientMessage::Leave => "leave",
        ClientMessage::Ping(_) => "ping",
        ClientMessage::Remove { .. } => "remove",
    }
}

fn server_type(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Welcome(_) => "welcome",
        ServerMessage::PeerJoined { .. } => "peer-joined",
        ServerMessage::PeerUpdated { .. } => "peer-updated",
        ServerMessage::PeerAway { .. } => "peer-away",
        ServerMessage::PeerBack { .. } => "peer-back",
        ServerMessage::PeerLeft { .. } => "peer-left",
        ServerMessage::IceServers(_) => "ice-servers",
        ServerMessage::Resume { .. } => "resume",
        ServerMessage::Receipt { .. } => "receipt",
        ServerMessage::Error(_) => "error",
        ServerMessage::AuthOk { .. } => "auth-ok",
        ServerMessage::TokenExpiring { .. } => "token-expiring",
        ServerMessage::Checked { .. } => "checked",
        ServerMessage::Reconnect { .. } => "reconnect",
        ServerMessage::Notice { .. } => "notice",
        ServerMessage::Pong { .. } => "pong",
    }
}

/// The page with the table between its markers, or nothing where the page has no such markers.
fn fill(page: &str, name: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = page.split_once(&begin)?;
    let end = rest.find("<!-- end -->")?;
    Some(format!("{before}{begin}\n{table}\n{}", &rest[end..]))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Every Rust source of the workspace that may hold a test or an attack.
fn sources() -> Vec<String> {
    let mut sources = Vec::new();
    for krate in entries(&root().join("crates")) {
        for folder in ["src", "tests"] {
            collect_sources(&krate.join(folder), &mut sources);
        }
    }
    collect_sources(&root().join("attack/src"), &mut sources);
    sources
}

/// Whether there is a function of this name, also one that a macro makes into tests.
fn is_held(test: &str, sources: &[String]) -> bool {
    // A test of the contract of backplanes is generic over the broker.
    let forms = [format!("fn {test}("), format!("fn {test}<")];
    sources.iter().any(|source| forms.iter().any(|form| source.contains(form)))
}

/// What a folder holds; nothing where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn collect_sources(folder: &Path, sources: &mut Vec<String>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(&path));
        }
    }
}

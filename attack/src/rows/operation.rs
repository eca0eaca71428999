//! Rows 74 to 79: what the server tells of itself, and what it runs out of.

use std::{net::Ipv4Addr, process::Command, sync::Mutex, thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{Attack, Check, attack};
use crate::{
    ground::{Ground, Servers},
    line::{Line, request},
    server::{Recipe, Server},
    token,
};

pub(super) const ATTACKS: [Attack; 4] = [
    attack(74, "rooms and identities as labels of metrics", cardinality),
    attack(75, "lines of a log in a header and a name", log_injection),
    attack(77, "no descriptor left", descriptors),
    attack(78, "configurations that are no good", bad_configurations),
];

fn cardinality(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let _peers: Vec<_> = (0..20).map(|number| ground.raw(&format!("label-{number}"))).collect::<anyhow::Result<_>>()?;
    let metrics = ground.servers.usual.metrics()?;
    let named = ["label-", &ground.room(), "127.20."].iter().any(|text| metrics.contains(text));
    Ok(vec![Check::new("of 20 clients", "none", if named { "some" } else { "none" })])
}

fn log_injection(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let name = "canary-name\n{\"level\":\"ERROR\"}";
    let refused = ground.token_with("ann", &ground.room(), &json!({ "name": name }))?;
    let spoken = request("GET", "/v1/signal", &[&format!("Authorization: Bearer {refused}")]);
    let verdict = ground.verdict(&spoken)?;
    ground.canary("canary-agent");
    ground.canary("canary-name");
    let agent =
        ground.verdict(&request("GET", "/canary-path", &["User-Agent: canary-agent\t{\"level\":\"ERROR\"}"]))?;
    ground.canary("canary-path");
    Ok(vec![
        Check::new("a name of two lines", "401 token-invalid", verdict),
        Check::new("a path and an agent", "404 not-found", agent),
    ])
}

/// More connections than there are descriptors: who is in stays in, and when they are gone others get in.
fn descriptors(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut server = Server::start(Recipe {
        aldis: ground.aldis,
        folder: ground.folder,
        name: "narrow",
        before: &["prlimit", "--nofile=256:256"],
        environment: Vec::new(),
        log: "info",
    })?;
    let token = token::sign(&server.secrets.key, "ann", "lobby", &json!({}))?;
    let bearer = format!("Authorization: Bearer {token}");
    let probe = request("GET", "/v1/signal", &[&bearer, "Connection: close"]);
    let mut inside = Line::dial(server.port, ground.from)?;
    let ask = |line: &mut Line| -> anyhow::Result<String> {
        line.send(&request("GET", "/v1/signal", &[&bearer]));
        Ok(line.answer()?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict()))
    };
    let before = ask(&mut inside)?;
    // From several addresses, so that it is descriptors that run out.
    let crowd: Vec<_> = (0..400_u16)
        .map(|number| Line::dial(server.port, Ipv4Addr::new(127, 22, 0, u8::try_from(number % 4).unwrap_or(0) + 1)))
        .collect::<anyhow::Result<_>>()?;
    let mut outside = Line::dial(server.port, ground.from)?;
    outside.stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    outside.send(&probe);
    let waits = outside.answer().is_err();
    let meanwhile = ask(&mut inside)?;
    drop(crowd);
    outside.stream.set_read_timeout(Some(Duration::from_secs(12)))?;
    let afterwards = outside.answer()?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict());
    let told = server.said()?.lines().filter(|line| line.contains("cannot accept connections")).count();
    Ok(vec![
        Check::new("before", "200", before),
        Check::new("who comes then", "waits", if waits { "waits" } else { "is answered" }),
        Check::new("who is there", "200", meanwhile),
        Check::new("who waited, afterwards", "200", afterwards),
        Check::new(
            "the operator",
            "is told, a few times",
            match told {
                0 => "is not told".to_owned(),
                1..=100 => "is told, a few times".to_owned(),
                more => format!("is told {more} times"),
            },
        ),
        Check::new("the process", "lives", if server.lives()? { "lives" } else { "died" }),
    ])
}

fn bad_configurations(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (key, other) = ("k:canary-0123456789abcdef0123456789", "canary-0123456789abcdef0123456789");
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("no keys", &[]),
        ("a short key", &[("ALDIS_AUTH_KEYS", "k:short-canary")]),
        ("the key of `aldis dev`", &[("ALDIS_AUTH_KEYS", "dev:aldis-dev-key-that-everybody-knows")]),
        ("a short cluster secret", &[("ALDIS_AUTH_KEYS", key), ("ALDIS_CLUSTER_SECRET", "short-canary")]),
        ("a cluster secret that is a key", &[("ALDIS_AUTH_KEYS", key), ("ALDIS_CLUSTER_SECRET", other)]),
        (
            "a TURN secret that is a key",
            &[("ALDIS_AUTH_KEYS", key), ("ALDIS_TURN_SECRET", other), ("ALDIS_TURN_URLS", "turn:a")],
        ),
        ("an origin with a star", &[("ALDIS_AUTH_KEYS", key), ("ALDIS_ALLOWED_ORIGINS", "https://*.example.org")]),
        ("proxies that are everybody", &[("ALDIS_AUTH_KEYS", key), ("ALDIS_TRUSTED_PROXIES", "0.0.0.0/0")]),
    ];
    cases
        .into_iter()
        .map(|(case, environment)| {
            let output = Command::new(ground.aldis)
                .args(["config", "check"])
                .env_clear()
                .envs(environment.iter().copied())
                .output()?;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            let leaks = said.contains("canary");
            let seen = output.status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit {code}"));
            Ok(Check::new(case, "exit 78", if leaks { format!("{seen}, with its secret: {said}") } else { seen }))
        })
        .collect()
}

/// Looks for secrets in all that the servers have said.
pub(super) fn canaries(
    servers: &mut Servers,
    canaries: &Mutex<Vec<String>>,
    bodies: &Mutex<Vec<String>>,
) -> anyhow::Result<Vec<Check>> {
    // What the last connections make it say.
    sleep(Duration::from_millis(200));
    let bodies = bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n");
    let mut checks = Vec::new();
    let canaries = canaries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (name, server) in ["usual", "tls", "proxied"].into_iter().zip(servers.all()) {
        let (said, metrics) = (server.said()?, server.metrics()?);
        anyhow::ensure!(said.lines().count() > 1, "{name} has said nothing");
        // Where it listens is no secret, and every attacker's address begins otherwise.
        let places = [("log", &said), ("metrics", &metrics), ("bodies", &bodies)];
        for (place, text) in places {
            let secrets = server.secrets.all();
            let found = secrets.into_iter().chain(canaries.iter().map(String::as_str)).chain(["127.20.", "127.21."]);
            let found: Vec<_> = found.filter(|secret| !secret.is_empty() && text.contains(secret)).take(3).collect();
            let seen = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            checks.push(Check::new(format!("{place} of {name}"), "none", seen));
        }
        let broken = said.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
        checks.push(Check::new(
            format!("lines of {name} that are no JSON"),
            "none",
            if broken == 0 { "none".to_owned() } else { broken.to_string() },
        ));
        let errors =
            said.lines().filter(|line| line.contains("\"level\":\"ERROR\"") || line.contains("panicked")).count();
        checks.push(Check::new(
            format!("ERROR in the log of {name}"),
            "none",
            if errors == 0 { "none".to_owned() } else { errors.to_string() },
        ));
    }
    Ok(checks)
}

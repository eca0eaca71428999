//! Rows 53 to 56: whose session it is.

use std::thread;

use serde_json::{Value, json};

use super::{Attack, Check, attack};
use crate::{
    ground::Ground,
    line::{Line, request},
    peer::{Heard, Peer},
};

pub(super) const ATTACKS: [Attack; 4] = [
    attack(53, "resume tokens of others, changed, replayed", stolen_resumes),
    attack(54, "15 resumes of one session at once", resume_race),
    attack(55, "back after a removal or a revocation", removed),
    attack(56, "a renewal for somebody else", foreign_renewals),
];

/// Whether a session goes on.
fn went_on(peer: &Peer) -> &'static str {
    if peer.welcome["resumed"] == true { "resumed" } else { "a new stay" }
}

fn stolen_resumes(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (ann_token, eve_token) = (ground.token("ann")?, ground.token("eve")?);
    let elsewhere = ground.token_with("ann", &format!("{}-cellar", ground.room()), &json!({}))?;
    let ann = ground.v1(&ann_token, None)?;
    let resume = ann.resume_token();
    let mut changed = resume.clone().into_bytes();
    if let Some(byte) = changed.get_mut(10) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let changed = String::from_utf8(changed)?;
    let eve = ground.v1(&eve_token, Some(&resume))?;
    let mut checks = vec![
        Check::new("of another identity", "a new stay", went_on(&eve)),
        Check::new("and names", "nobody", eve.welcome["peer"]["previous"].as_str().map_or("nobody", |_| "somebody")),
        Check::new("in another room", "a new stay", went_on(&ground.v1(&elsewhere, Some(&resume))?)),
        Check::new("changed", "a new stay", went_on(&ground.v1(&ann_token, Some(&changed))?)),
        Check::new("of 256 bytes", "a new stay", went_on(&ground.v1(&ann_token, Some(&"x".repeat(256)))?)),
    ];
    let mut last = ann;
    for replay in 0..5 {
        let next = ground.v1(&ann_token, Some(&resume))?;
        checks.push(Check::new(format!("replay {replay} by its owner"), "resumed", went_on(&next)));
        let fenced = last.socket.expect("error")?;
        checks.push(Check::new(
            format!("replay {replay}: the one before"),
            "superseded",
            fenced["code"].as_str().unwrap_or_default(),
        ));
        last = next;
    }
    Ok(checks)
}

fn resume_race(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    const RACERS: usize = 15;
    let token = ground.token_with("ann", &ground.room(), &json!({}))?;
    // A witness, who must see nobody come or go.
    let mut bob = ground.raw("bob")?;
    let ann = ground.v1(&token, None)?;
    bob.socket.expect("peer-joined")?;
    let resume = ann.resume_token();
    let outcomes: Vec<anyhow::Result<&'static str>> = thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut peer = match ground.v1(&token, Some(&resume)) {
                        Ok(peer) if peer.welcome["resumed"] == true => peer,
                        // More connections of an identity than it may have.
                        _ => return Ok("refused"),
                    };
                    peer.socket.line.stream.set_read_timeout(Some(std::time::Duration::from_secs(4)))?;
                    loop {
                        match peer.socket.hear() {
                            Ok(Heard::Close(4_419)) => return Ok("superseded"),
                            Ok(Heard::Close(_) | Heard::End) => return Ok("lost"),
                            Ok(_) => {}
                            // Nothing came for a while: it is the one that is left.
                            Err(_) => return Ok("lives"),
                        }
                    }
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap_or(Ok("panicked"))).collect()
    });
    let outcomes = outcomes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let count = |what: &str| outcomes.iter().filter(|outcome| **outcome == what).count();
    let heard = bob.socket.answers(&[])?;
    Ok(vec![
        Check::new("survivors", "1", count("lives").to_string()),
        Check::new(
            "all others",
            "superseded or refused",
            if count("superseded") + count("refused") + 1 == RACERS {
                "superseded or refused".to_owned()
            } else {
                outcomes.join(" ")
            },
        ),
        Check::new(
            "what the room sees",
            "nothing",
            if heard.is_empty() { "nothing".to_owned() } else { heard.join(" + ") },
        ),
    ])
}

fn removed(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let all = json!({ "can": ["signal", "moderate"] });
    let mut moderator = ground.raw_with(&ground.token_with("mod", &ground.room(), &all)?)?;
    let token = ground.token("eve")?;
    let mut eve = ground.v1(&token, None)?;
    let resume = eve.resume_token();
    moderator.socket.say(&json!({ "type": "remove", "id": eve.id, "reason": "canary-reason" }));
    ground.canary("canary-reason");
    let told = eve.socket.expect("error")?;
    let closed = match eve.socket.hear()? {
        Heard::Close(code) => format!("close {code}"),
        other => format!("{other:?}"),
    };
    let again = ground.v1(&token, Some(&resume))?;
    let mut checks = vec![
        Check::new("it is told", "removed", told["code"].as_str().unwrap_or_default()),
        Check::new("and closed", "close 4410", closed),
        Check::new("its resume token", "a new stay", went_on(&again)),
    ];
    checks.extend(revoked(ground)?);
    Ok(checks)
}

/// The same by the operator, whose key somebody guesses at.
fn revoked(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    const JTI: &str = "canary-jti-55";
    const SUB: &str = "canary-sub-55";
    [JTI, SUB].into_iter().for_each(|name| ground.canary(name));
    let token = ground.token_with("mallory", &ground.room(), &json!({ "jti": JTI }))?;
    let mut mallory = ground.raw_with(&token)?;
    // The operator may see what it has revoked, so its answers are not among those that are searched.
    let revoke = |key: &str, order: &Value| -> anyhow::Result<String> {
        let body = order.to_string();
        let (bearer, length) = (format!("Authorization: Bearer {key}"), format!("Content-Length: {}", body.len()));
        let mut line = Line::dial(ground.servers.usual.admin, ground.from)?;
        line.send(&[request("POST", "/v1/revocations", &[&bearer, &length]), body.into_bytes()].concat());
        Ok(line.answer()?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict()))
    };
    let (by_token, by_identity) = (json!({ "jti": JTI }), json!({ "identity": SUB, "reason": "canary-why-55" }));
    ground.canary("canary-why-55");
    let admin = &ground.secrets().admin;
    let mut checks = vec![
        Check::new("an order with a guessed key", "401 token-invalid", revoke("canary-guess-55", &by_token)?),
        Check::new("with the token of a user", "401 token-invalid", revoke(&token, &by_token)?),
        Check::new("with the key", "201", revoke(admin, &by_token)?),
        Check::new("of an identity", "201", revoke(admin, &by_identity)?),
    ];
    ground.canary("canary-guess-55");
    let told = mallory.socket.expect("error")?;
    checks.push(Check::new("whoever has it is told", "token-revoked", told["code"].as_str().unwrap_or_default()));
    checks.push(Check::new(
        "and closed",
        "close 4403",
        match mallory.socket.hear()? {
            Heard::Close(code) => format!("close {code}"),
            other => format!("{other:?}"),
        },
    ));
    let probe = request("GET", "/v1/signal", &[&format!("Authorization: Bearer {token}")]);
    checks.push(Check::new("at the door", "403 token-revoked", ground.verdict(&probe)?));
    Ok(checks)
}

fn foreign_renewals(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let room = ground.room();
    let mut ann = ground.raw("ann")?;
    let mut auth = |token: &str| ann.socket.reaction_to(&json!({ "type": "auth", "token": token }).to_string());
    let (other, elsewhere) = (ground.token("bob")?, ground.token_with("ann", &format!("{room}-cellar"), &json!({}))?);
    Ok(vec![
        Check::new("another identity", "forbidden", auth(&other)?),
        Check::new("another room", "forbidden", auth(&elsewhere)?),
        Check::new("no token", "token-invalid", auth("nonsense")?),
        Check::new("its own", "auth-ok", auth(&ground.token("ann")?)?),
        Check::new("100 at once", "rate-limited", {
            let token = ground.token("ann")?;
            let text = json!({ "type": "auth", "token": token }).to_string();
            let many = crate::frame::whole(crate::frame::TEXT, text.as_bytes()).repeat(600);
            let seen = ann.socket.reaction(&many)?;
            if seen.contains("rate-limited") { "rate-limited".to_owned() } else { seen }
        }),
        Check::new("what a resume token is worth as one", "token-invalid", {
            let v1 = ground.v1(&ground.token("cat")?, None)?;
            let mut dan = ground.raw("dan")?;
            dan.socket.reaction_to(&json!({ "type": "auth", "token": Value::from(v1.resume_token()) }).to_string())?
        }),
    ])
}

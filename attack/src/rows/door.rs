//! Rows 1 to 23: what comes before there is a WebSocket.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context as _;
use serde_json::json;

use super::{Attack, Check, attack};
use crate::{
    frame::{self, TEXT},
    ground::{Ground, ORIGIN},
    line::{Line, UPGRADE, request},
    server::Server,
    token::{KID, forge},
};

pub(super) const ATTACKS: [Attack; 20] = [
    attack(1, "a connection that says nothing", silence),
    attack(2, "one byte of a header a second", slowloris),
    attack(3, "100 KiB of headers, 1,000 headers", large_heads),
    attack(4, "a URL of 9 KiB and one of 20 KiB", long_urls),
    attack(5, "no handshake, or a broken one", broken_handshakes),
    attack(6, "other methods and versions of HTTP", other_http),
    attack(7, "Content-Length beside Transfer-Encoding", smuggling),
    attack(8, "odd targets, and doubled parameters", odd_targets),
    attack(9, "line breaks in a query", line_breaks),
    attack(10, "origins that look like the listed one", origins),
    attack(11, "a cookie for a token", cookies),
    attack(12, "no token, and forged ones", forged_tokens),
    attack(13, "a token in three ways, and two at once", two_tokens),
    attack(17, "200 strangers of one address", strangers),
    attack(18, "forged forwarding headers", forged_forwarding),
    attack(19, "PROXY headers, off and on", proxy_headers),
    attack(20, "TLS that is none", broken_tls),
    attack(21, "frames before the 101", early_frames),
    attack(22, "no hello", no_hello),
    attack(23, "a hello of another protocol", other_protocol),
];

/// Whether the server hung up at its deadline of 5 s, on a machine that may be busy.
fn at_the_deadline(case: &str, took: Duration) -> Check {
    let seen = if (Duration::from_millis(3_900)..Duration::from_secs(9)).contains(&took) {
        "hung up after 5 s".to_owned()
    } else {
        format!("hung up after {took:.1?}")
    };
    Check::new(case, "hung up after 5 s", seen)
}

fn silence(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    Ok(vec![at_the_deadline("silence", ground.line()?.hung_up()?)])
}

fn slowloris(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut line = ground.line()?;
    let since = std::time::Instant::now();
    line.send(b"GET /v1/signal HTTP/1.1\r\nX-Slow: ");
    line.stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    // A read that times out is a second in which another byte is sent.
    while since.elapsed() < Duration::from_secs(12) {
        match line.read() {
            Ok(false) => break,
            Ok(true) | Err(_) => line.send(b"x"),
        }
    }
    Ok(vec![at_the_deadline("a byte a second", since.elapsed())])
}

fn large_heads(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let large = request("GET", "/v1/signal", &[&format!("X-Padding: {}", "x".repeat(100 * 1_024))]);
    let many: Vec<_> = (0..1_000).map(|number| format!("X-{number}: 1")).collect();
    let many = request("GET", "/v1/signal", &many.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(vec![
        Check::new("100 KiB", "431", ground.verdict(&large)?),
        Check::new("1,000 headers", "431", ground.verdict(&many)?),
    ])
}

fn long_urls(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let target = |bytes: usize| request("GET", &format!("/v1/signal?token={}", "x".repeat(bytes)), &[]);
    Ok(vec![
        Check::new("9 KiB", "401 token-invalid", ground.verdict(&target(9 * 1_024))?),
        Check::new("20 KiB", "431", ground.verdict(&target(20 * 1_024))?),
    ])
}

fn broken_handshakes(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bearer = format!("Authorization: Bearer {}", ground.token("ann")?);
    let without = |name: &str, instead: &[&str]| {
        let kept = UPGRADE.iter().copied().filter(|line| !line.starts_with(name));
        let headers: Vec<_> = kept.chain(instead.iter().copied()).chain([bearer.as_str()]).collect();
        ground.verdict(&request("GET", "/v1/signal", &headers))
    };
    Ok(vec![
        Check::new("none", "200", ground.verdict(&request("GET", "/v1/signal", &[&bearer]))?),
        Check::new(
            "version 8",
            "426 upgrade-invalid",
            without("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"])?,
        ),
        Check::new("no key", "426 upgrade-invalid", without("Sec-WebSocket-Key", &[])?),
        Check::new(
            "a short key",
            "426 upgrade-invalid",
            without("Sec-WebSocket-Key", &["Sec-WebSocket-Key: c2hvcnQ="])?,
        ),
    ])
}

fn other_http(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let old = format!("GET /v1/signal HTTP/1.0\r\n{}\r\n\r\n", UPGRADE.join("\r\n"));
    let h2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    Ok(vec![
        Check::new("PUT", "405 method-not-allowed", ground.verdict(&request("PUT", "/v1/signal", &[]))?),
        Check::new("TRACE", "405 method-not-allowed", ground.verdict(&request("TRACE", "/v1/signal", &[]))?),
        Check::new(
            "POST of a page",
            "406 not-acceptable",
            ground.verdict(&request("POST", "/v1/signal", &["Content-Length: 0"]))?,
        ),
        Check::new("an upgrade of HTTP/1.0", "426 upgrade-invalid", ground.verdict(old.as_bytes())?),
        Check::new("HTTP/2", "hung up", ground.verdict(h2.as_bytes())?),
    ])
}

fn smuggling(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    // Whoever reads by the length sees a second request where others see the end of a body.
    let hidden = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = format!("0\r\n\r\n{hidden}");
    let length = format!("Content-Length: {}", body.len());
    let mut line = ground.line()?;
    let both = request("POST", "/v1/signal", &[&length, "Transfer-Encoding: chunked"]);
    line.send(&[both, body.into_bytes()].concat());
    let first = line.answer()?.context("no answer")?;
    ground.keep(&first);
    let second = line.answer()?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict());
    let twice = request("POST", "/v1/signal", &["Content-Length: 1", "Content-Length: 2"]);
    let odd = request("POST", "/v1/signal", &["Transfer-Encoding: chunked, identity"]);
    Ok(vec![
        Check::new("both", "406 not-acceptable", first.verdict()),
        Check::new("what was hidden behind it", "hung up", second),
        Check::new("two lengths", "400", ground.verdict(&twice)?),
        Check::new("an encoding behind chunked", "400", ground.verdict(&odd)?),
    ])
}

fn odd_targets(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let token = ground.token("ann")?;
    let cases = [
        ("http://elsewhere.example/v1/signal".to_owned(), "401 token-missing"),
        ("//v1/signal".to_owned(), "404 not-found"),
        ("/v1//signal".to_owned(), "404 not-found"),
        ("/%2e%2e/v1/signal".to_owned(), "404 not-found"),
        ("/v1/signal?room=a?room=b".to_owned(), "400 bad-request"),
        ("/v1/signal?room=a&room=a".to_owned(), "400 bad-request"),
        (format!("/v1/signal?token={token}&token={token}"), "400 bad-request"),
    ];
    cases
        .into_iter()
        .map(|(target, expected)| Ok(Check::new(&target, expected, ground.verdict(&request("GET", &target, &[]))?)))
        .collect()
}

fn line_breaks(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bytes = request("GET", "/v1/signal?room=a%0d%0aX-Injected:%201&canary-query=1", &["Host: evil.example"]);
    let answer = ground.ask(&bytes)?.context("hung up")?;
    let reflected = ["Injected", "evil.example"].iter().any(|text| answer.head.contains(text));
    let named = "a\n{\"level\":\"ERROR\"}\r\n\u{1b}[31m";
    let forged = request("GET", "/v1/signal", &[&format!("User-Agent: {}", named.replace(['\n', '\r'], "\t"))]);
    Ok(vec![
        Check::new("in the room", "400 bad-request", answer.verdict()),
        Check::new("reflected in the head", "no", if reflected { "yes" } else { "no" }),
        Check::new("an escape in a header", "400", ground.verdict(&forged)?),
    ])
}

fn origins(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let server = &ground.servers.proxied;
    let ask = |origin: &str| -> anyhow::Result<String> {
        let answer = ground.ask_at(server, &request("GET", "/v1/signal", &[&format!("Origin: {origin}")]))?;
        Ok(answer.context("hung up")?.verdict())
    };
    let strange = [
        "null",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://app.example.org@evil.example",
        "http://app.example.org",
        "HTTPS://APP.EXAMPLE.ORG",
        "https://app.example.org/",
        "https://app.example.org:443",
        "https://*.example.org",
    ];
    let mut checks = vec![Check::new(ORIGIN, "401 token-missing", ask(ORIGIN)?)];
    for origin in strange {
        checks.push(Check::new(origin, "403 origin-forbidden", ask(origin)?));
    }
    Ok(checks)
}

fn cookies(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let token = ground.token("ann")?;
    let cookie = request("GET", "/v1/signal", &[&format!("Cookie: token={token}; aldis.bearer={token}")]);
    Ok(vec![Check::new("a good token in a cookie", "401 token-missing", ground.verdict(&cookie)?)])
}

fn forged_tokens(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let claims = json!({ "sub": "ann", "room": ground.room(), "exp": 4_102_444_800_u64 });
    let good = ground.token("ann")?;
    let (unsigned, _) = good.rsplit_once('.').context("no token")?;
    let cases = [
        ("nothing", String::new(), "401 token-missing"),
        ("garbage", "nonsense".to_owned(), "401 token-invalid"),
        ("no algorithm", forge(&json!({ "alg": "none", "kid": KID }), &claims), "401 token-invalid"),
        ("another signature", forge(&json!({ "alg": "HS256", "kid": KID }), &claims), "401 token-invalid"),
        ("a key of its own", forge(&json!({ "alg": "HS256", "kid": KID, "jwk": {} }), &claims), "401 token-invalid"),
        ("a path for a key", forge(&json!({ "alg": "HS256", "kid": "../../dev/null" }), &claims), "401 token-invalid"),
        ("no signature", format!("{unsigned}."), "401 token-invalid"),
        ("5 KiB", "x".repeat(5_120), "401 token-invalid"),
    ];
    cases
        .into_iter()
        .map(|(case, token, expected)| {
            let bearer = format!("Authorization: Bearer {token}");
            let headers: &[&str] = if token.is_empty() { &[] } else { &[&bearer] };
            let bytes = request("GET", "/v1/signal", headers);
            Ok(Check::new(case, expected, ground.verdict(&bytes)?))
        })
        .collect()
}

fn two_tokens(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (one, other) = (ground.token("ann")?, ground.token("bob")?);
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let protocol = |token: &str| format!("Sec-WebSocket-Protocol: aldis.v1, aldis.bearer.{token}");
    let query = |token: &str| format!("/v1/signal?token={token}");
    let ask = |target: &str, headers: &[String]| {
        ground.verdict(&request("GET", target, &headers.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    Ok(vec![
        Check::new("a header", "200", ask("/v1/signal", &[bearer(&one)])?),
        Check::new("a subprotocol", "200", ask("/v1/signal", &[protocol(&one)])?),
        Check::new("the query", "200", ask(&query(&one), &[])?),
        Check::new("the same three times", "200", ask(&query(&one), &[bearer(&one), protocol(&one)])?),
        Check::new("two in header and query", "400 bad-request", ask(&query(&one), &[bearer(&other)])?),
        Check::new(
            "two in header and subprotocol",
            "400 bad-request",
            ask("/v1/signal", &[bearer(&one), protocol(&other)])?,
        ),
    ])
}

/// As many connections as an address may have without a token, each of which has been answered and stays.
fn crowd(ground: &Ground<'_>) -> anyhow::Result<Vec<Line>> {
    (0..200)
        .map(|_| {
            let mut line = ground.line()?;
            line.send(&request("GET", "/", &[]));
            line.answer()?.context("hung up")?;
            Ok(line)
        })
        .collect()
}

fn strangers(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let _crowd = crowd(ground)?;
    let bearer = format!("Authorization: Bearer {}", ground.token("ann")?);
    let mut elsewhere = Line::dial(ground.servers.usual.port, Ipv4Addr::new(127, 21, 0, 1))?;
    elsewhere.send(&request("GET", "/v1/signal", &[]));
    let elsewhere = elsewhere.answer()?.context("hung up")?.verdict();
    Ok(vec![
        Check::new("one more", "429 address-limit", ground.verdict(&request("GET", "/v1/signal", &[]))?),
        Check::new("another address", "401 token-missing", elsewhere),
        Check::new(
            "a good token of the same address",
            "200",
            ground.verdict(&request("GET", "/v1/signal", &[&bearer]))?,
        ),
    ])
}

fn forged_forwarding(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let _crowd = crowd(ground)?;
    ground.canary("203.0.113.");
    let headers = [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-For: 203.0.113.7, 127.0.0.1",
        "X-Forwarded-For: fe80::1%eth0, [::1]:70000, ,,unknown",
        "X-Real-IP: 203.0.113.7",
        "Forwarded: for=203.0.113.7",
        "Forwarded: for=\"[2001:db8::1]",
    ];
    headers
        .into_iter()
        .map(|header| {
            Ok(Check::new(header, "429 address-limit", ground.verdict(&request("GET", "/v1/signal", &[header]))?))
        })
        .collect()
}

fn proxy_headers(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x12\x34\x01\xbb";
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";
    let get = request("GET", "/v1/signal", &["Connection: close"]);
    let at = |server: &Server, from: Ipv4Addr, bytes: &[&[u8]]| -> anyhow::Result<String> {
        let mut line = Line::dial(server.port, from)?;
        line.send(&bytes.concat());
        Ok(line.answer()?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict()))
    };
    let (usual, proxied, proxy) = (&ground.servers.usual, &ground.servers.proxied, Ipv4Addr::LOCALHOST);
    let mut silent = Line::dial(proxied.port, proxy)?;
    silent.send(&V2[..20]);
    let silent = silent.hung_up()?;
    Ok(vec![
        Check::new("version 1, off", "400", at(usual, ground.from, &[v1, &get])?),
        Check::new("version 2, off", "400", at(usual, ground.from, &[V2, &get])?),
        Check::new("version 1, on", "401 token-missing", at(proxied, proxy, &[v1, &get])?),
        Check::new("version 2, on", "401 token-missing", at(proxied, proxy, &[V2, &get])?),
        Check::new("none, on", "hung up", at(proxied, proxy, &[&get])?),
        Check::new("200 bytes of version 1", "hung up", at(proxied, proxy, &[b"PROXY TCP4 ", &[b'1'; 200]])?),
        Check::new("64 KiB of version 2", "hung up", at(proxied, proxy, &[&V2[..14], &[0xFF; 1_024]])?),
        at_the_deadline("half of version 2", silent),
        Check::new("version 2 of a stranger, on", "400", at(proxied, ground.from, &[V2, &get])?),
    ])
}

fn broken_tls(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let dial = || Line::dial(ground.servers.tls.port, ground.from);
    let mut stalled = dial()?;
    stalled.send(b"\x16\x03\x01\x02\x00\x01\x00\x01");
    let stalled = stalled.hung_up()?;
    let mut checks = vec![at_the_deadline("half a ClientHello", stalled)];
    let junk = [
        ("an oversize record", [&b"\x16\x03\x01\xff\xff"[..], &[1; 20_000]].concat()),
        ("a record of junk", [&b"\x16\x03\x01\x02\x00"[..], &[0xAA; 512]].concat()),
    ];
    for (case, bytes) in junk {
        let mut line = dial()?;
        line.send(&bytes);
        let took = line.hung_up()?;
        checks.push(Check::new(
            case,
            "hung up at once",
            if took < Duration::from_secs(3) { "hung up at once" } else { "late" },
        ));
    }
    let plain = ground.ask_at(&ground.servers.tls, &request("GET", "/v1/signal", &[]))?;
    checks.push(Check::new("plain HTTP", "400 bad-request", plain.context("hung up")?.verdict()));
    Ok(checks)
}

fn early_frames(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let early = frame::whole(TEXT, json!({ "type": "hello", "protocol": 1 }).to_string().as_bytes());
    let protocol = format!("Sec-WebSocket-Protocol: aldis.v1, aldis.bearer.{}", ground.token("ann")?);
    let mut socket = ground.open("/v1/signal", &[&protocol], &early)?;
    let welcome = socket.expect("welcome").map(|_| "welcome");
    let flood = frame::whole(TEXT, &vec![b' '; 100_000]);
    let mut flooded = ground.open("/v1/signal", &[&protocol], &flood)?;
    Ok(vec![
        Check::new("a hello", "welcome", welcome.unwrap_or("no welcome")),
        Check::new("100 KB", "too-large + close 1009", flooded.reaction(&[])?),
    ])
}

fn no_hello(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut socket = ground.greeting(&ground.token("ann")?)?;
    let since = std::time::Instant::now();
    let error = socket.expect("error")?;
    let took = since.elapsed();
    Ok(vec![
        Check::new("the error", "hello-timeout", error["code"].as_str().unwrap_or_default()),
        Check::new(
            "and the close",
            "close 4408",
            match socket.hear()? {
                crate::peer::Heard::Close(code) => format!("close {code}"),
                other => format!("{other:?}"),
            },
        ),
        at_the_deadline("when", took),
    ])
}

fn other_protocol(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut socket = ground.greeting(&ground.token("ann")?)?;
    let seen = socket.reaction_to(&json!({ "type": "hello", "protocol": 99 }).to_string())?;
    Ok(vec![Check::new("99", "protocol-unsupported + close 4426", seen)])
}

//! Failed authentications are answered ever more slowly, and nobody else is slowed down by them.

use serde_json::json;

use crate::support::{Answer, Request, Rig, Socket, Stream, Token, within};

/// Longer than any test: who waits for it waits for ever.
const FOR_EVER_MS: u64 = 3_600_000;

/// A server where so many failures are free, and the answer to the next stays away.
fn patient(free: u64) -> Rig {
    patient_with_places(free, 200)
}

fn patient_with_places(free: u64, places: u64) -> Rig {
    Rig::start(|config| {
        config.limits.auth_failures_free = free;
        config.limits.auth_delay_ms = FOR_EVER_MS;
        config.limits.auth_delay_max_ms = FOR_EVER_MS;
        config.limits.unauthenticated_per_address = places;
        config.drain_window_ms = 200;
    })
}

/// Sends a request whose answer is held back, the `count`th of the server.
async fn held_back(rig: &Rig, request: Request, count: u64) -> Stream {
    let stream = rig.dial().await;
    stream.tcp().try_write(&request.bytes()).expect("sent");
    within("an answer that is held back", async {
        while rig.limit_hits("auth_failures_free") < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stream
}

#[tokio::test]
async fn a_failing_attempt_waits_while_a_valid_token_is_served() {
    let rig = patient(2);
    let forged = rig.mint("ann") + "x";
    let probe = Request::get("/v1/signal").bearer(&forged);
    for _ in 0..2 {
        assert_eq!(rig.ask(probe.clone()).await.problem(), "token-invalid");
    }
    // Probe, raw client and `aldis.v1` alike.
    let mut waiting = [
        held_back(&rig, probe, 1).await,
        held_back(&rig, Request::upgrade("/v1/signal?token=nonsense"), 2).await,
        held_back(&rig, Request::upgrade("/v1/signal").v1(&forged), 3).await,
    ];
    assert_eq!(rig.ask(Request::get("/v1/signal").bearer(&rig.mint("ann"))).await.status, 200);
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    ann.expect_about("peer-joined", &bob.id.clone()).await;
    ann.tell(&bob.id.clone(), 1).await;
    bob.told(&ann.id, 1).await;
    // None of the three has been answered meanwhile.
    assert_eq!(rig.metric("aldis_refused_total{code=\"token-invalid\"}"), 2);
    assert_eq!((rig.limit_hits("auth_delay_max_ms"), rig.limit_hits("auth_delay_ms")), (3, 0));

    // A drain waits for nobody.
    let answers = async {
        let [probe, raw, v1] = &mut waiting;
        for stream in [probe, raw] {
            let (answer, _) = within("the answer", Answer::read(stream)).await;
            assert_eq!((answer.status, answer.problem().as_str()), (401, "token-invalid"));
            // With a good token there is nothing to wait for.
            assert_eq!(answer.header("retry-after"), None);
        }
        within("the answer", Answer::read(v1)).await
    };
    let ((), (answer, behind)) = tokio::join!(rig.server.drain(), answers);
    assert_eq!(answer.status, 101);
    let [_, _, v1] = waiting;
    Socket::new(v1, behind).closed_with(4401, "token-invalid").await;
}

#[tokio::test]
async fn the_delay_begins_small_and_ends() {
    let rig = Rig::start(|config| {
        config.limits.auth_failures_free = 1;
        config.limits.auth_delay_ms = 1;
        config.limits.auth_delay_max_ms = 4;
    });
    for _ in 0..5 {
        assert_eq!(rig.ask(Request::get("/v1/signal")).await.problem(), "token-missing");
    }
    let hits = ["auth_failures_free", "auth_delay_ms", "auth_delay_max_ms"].map(|limit| rig.limit_hits(limit));
    assert_eq!(hits, [4, 2, 2]);
}

#[tokio::test]
async fn what_is_no_guess_is_answered_at_once() {
    let rig = patient(0);
    let expired = rig.mint_ago(Token::of("ann").ttl_s(60), 120_000);
    let good = rig.mint("ann");
    let cases = [
        (Request::get("/v1/signal").bearer(&expired), "token-expired"),
        (Request::get("/v1/signal?room=cellar").bearer(&good), "forbidden"),
        (Request::get("/v1/signal?token=another").bearer(&good), "bad-request"),
        (Request::get("/v1/signal").header("Authorization", "Basic YTpi"), "bad-request"),
        (Request::get("/v1/signal?room=no%20room").bearer(&good), "bad-request"),
    ];
    for (request, code) in cases {
        for _ in 0..3 {
            assert_eq!(rig.ask(request.clone()).await.problem(), code);
        }
    }
    rig.open(Request::upgrade("/v1/signal").v1(&expired)).await.closed_with(4401, "token-expired").await;
    // A connection that is there renews its token at its own pace; its rate is limited already.
    let mut ann = rig.v1("ann").await;
    for token in ["nonsense", "", &expired] {
        ann.send(json!({ "type": "auth", "token": token })).await;
        assert_eq!(ann.expect("error").await["type"], "error");
    }
    assert_eq!((rig.limit_hits("auth_failures_free"), rig.server.node().throttle.lock().tracked()), (0, 0));
}

#[tokio::test]
async fn whoever_waits_keeps_its_place_until_it_goes() {
    for failing in [Request::get("/v1/signal"), Request::upgrade("/v1/signal").v1("nonsense")] {
        let rig = patient_with_places(0, 1);
        let waiting = held_back(&rig, failing, 1).await;
        let expired = Request::get("/v1/signal").bearer(&rig.mint_ago(Token::of("ann").ttl_s(60), 120_000));
        assert_eq!(rig.ask(expired.clone()).await.problem(), "address-limit");
        drop(waiting);
        within("the place of who went", async { while rig.ask(expired.clone()).await.status == 429 {} }).await;
        // It was never answered.
        let refused = ["token-missing", "token-invalid"].map(|code| format!("aldis_refused_total{{code=\"{code}\"}}"));
        assert_eq!(refused.map(|name| rig.metric(&name)), [0, 0]);
    }
}

#[tokio::test]
async fn a_delay_of_zero_is_none() {
    let rig = Rig::start(|config| {
        config.limits.auth_failures_free = 0;
        config.limits.auth_delay_ms = 0;
        config.limits.auth_delay_max_ms = FOR_EVER_MS;
    });
    for _ in 0..20 {
        assert_eq!(rig.ask(Request::get("/v1/signal")).await.status, 401);
    }
    assert_eq!((rig.limit_hits("auth_failures_free"), rig.server.node().throttle.lock().tracked()), (0, 0));
}

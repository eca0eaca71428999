//! Questions to a server on loopback that answers well or badly.

use super::{
    fake::{Answer, Fake},
    *,
};

const CAPS: Caps = Caps { deadline: Duration::from_secs(10), body_bytes: 1_024 };

/// Who may reach loopback and believes this server.
fn friend(fake: &Fake) -> Outbound {
    let networks = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network"));
    config(fake, networks.into_iter().collect())
}

fn config(fake: &Fake, reach: Reach) -> Outbound {
    Outbound::new(&OutboundConfig { reach, ca_file: Some(fake.ca().to_owned()) }).expect("trusts")
}

async fn get(outbound: &Outbound, url: &str, caps: Caps) -> Result<Response<Bytes>, Failure> {
    outbound.ask(Question::get(&url.parse().expect("a URL")), caps).await
}

#[tokio::test]
async fn a_question_is_answered() {
    let fake = Fake::start(Answer::Body("hello".into())).await;
    let url: HttpsUrl = fake.url("/a?b=c").parse().expect("a URL");
    let mut question = Question::get(&url);
    question.method = Method::POST;
    question.headers.push((axum::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    question.body = Bytes::from_static(b"{}");
    let answer = friend(&fake).ask(question, CAPS).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hello"[..]));
    let head = fake.heads().remove(0).to_ascii_lowercase();
    let host = format!("host: localhost:{}", fake.port());
    for part in ["post /a?b=c http/1.1\r\n", &host, "user-agent: aldis/", "content-length: 2", "application/json"] {
        assert!(head.contains(part), "{part}: {head}");
    }
}

#[tokio::test]
async fn any_status_but_a_redirect_is_an_answer() {
    let fake = Fake::start(Answer::Raw("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".into())).await;
    let answer = get(&friend(&fake), &fake.url("/"), CAPS).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (503, &b"busy"[..]));
    let elsewhere = fake.url("/elsewhere");
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        fake.answers(Answer::Raw(head));
        let failure = get(&friend(&fake), &fake.url("/"), CAPS).await.expect_err("refused");
        assert!(matches!(failure, Failure::Redirect(found) if found == status), "{failure}");
    }
    assert_eq!(fake.asked(), 6);
}

#[tokio::test]
async fn a_body_beyond_its_cap_is_not_read() {
    let fake = Fake::start(Answer::Body("x".repeat(CAPS.body_bytes))).await;
    assert_eq!(get(&friend(&fake), &fake.url("/"), CAPS).await.expect("an answer").body().len(), CAPS.body_bytes);
    let one_more = Answer::Body("x".repeat(CAPS.body_bytes + 1));
    for answer in [one_more, Answer::Huge, Answer::Endless] {
        fake.answers(answer);
        let failure = get(&friend(&fake), &fake.url("/"), CAPS).await.expect_err("refused");
        assert!(matches!(failure, Failure::TooLarge { limit: 1_024 }), "{failure}");
    }
}

#[tokio::test]
async fn a_head_beyond_its_cap_is_not_read() {
    let fake = Fake::start(Answer::Raw(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(65_536)))).await;
    let failure = get(&friend(&fake), &fake.url("/"), CAPS).await.expect_err("refused");
    assert!(matches!(failure, Failure::Http(_)), "{failure}");
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_not_waited_for() {
    let caps = Caps { deadline: Duration::from_millis(300), ..CAPS };
    let fake = Fake::start(Answer::Silence).await;
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned();
    assert!(matches!(get(&friend(&fake), &fake.url("/"), caps).await, Err(Failure::Late)));
    fake.answers(Answer::Raw(half));
    assert!(matches!(get(&friend(&fake), &fake.url("/"), CAPS).await, Err(Failure::Cut)));
    fake.answers(Answer::Nothing);
    assert!(matches!(get(&friend(&fake), &fake.url("/"), CAPS).await, Err(Failure::Http(_))));
    // Nobody accepts: the deadline covers connecting and the handshake too.
    let deaf = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
    let port = deaf.local_addr().expect("an address").port();
    let failure = get(&friend(&fake), &format!("https://127.0.0.1:{port}/"), caps).await.expect_err("late");
    assert!(matches!(failure, Failure::Late), "{failure}");
}

#[tokio::test]
async fn private_addresses_are_refused_behind_a_name_and_without_one() {
    let fake = Fake::start(Answer::Body("inside".into())).await;
    let stranger = config(&fake, Reach::default());
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "10.0.0.1"] {
        let url = format!("https://{host}:{}/", fake.port());
        let failure = get(&stranger, &url, CAPS).await.expect_err(host);
        assert!(matches!(failure, Failure::Shut { .. }), "{host}: {failure}");
    }
    assert_eq!(fake.asked(), 0);
    // Another network of the inside does not help.
    let elsewhere = config(&fake, ["10.0.0.0/8".parse().expect("a network")].into_iter().collect());
    assert!(matches!(get(&elsewhere, &fake.url("/"), CAPS).await, Err(Failure::Shut { .. })));
}

#[tokio::test]
async fn who_shows_another_certificate_is_not_asked() {
    let (fake, other) = (Fake::start(Answer::Body("x".into())).await, Fake::start(Answer::Silence).await);
    let failure = get(&friend(&other), &fake.url("/"), CAPS).await.expect_err("not trusted");
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
    let address = format!("https://127.0.0.1:{}/", fake.port());
    let failure = get(&friend(&fake), &address, CAPS).await.expect_err("another name");
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
    assert_eq!(fake.asked(), 0);
    let broken = OutboundConfig { ca_file: Some("/nowhere/ca.pem".into()), ..OutboundConfig::default() };
    let error = Outbound::new(&broken).err().expect("no file").to_string();
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
}

//! `aldis dev --lan`: the page, its token and a call's way over TLS, and nothing of it for pages of others.

use aldis_client::{Connection, Options, Trust};
use aldis_protocol::CloseCode;

use crate::support::{Aldis, Answer, Request, Stream, within};

async fn ask(aldis: &Aldis, request: Request) -> Answer {
    let stream = aldis.dial("listen").await;
    let mut stream = Stream::secure(stream, Trust::anybody().config()).await.expect("a handshake");
    request.ask(&mut stream).await.0
}

#[tokio::test]
async fn a_page_of_the_network_gets_a_token_and_in() {
    let aldis = Aldis::run(&["dev", "--lan"], &[("ALDIS_LOG_FORMAT", "json")]).await;
    let address = aldis.ports()["listen"].as_str().expect("an address").to_owned();
    let token = |host: &str, origin: &str| {
        let request = Request::get("/dev/token?room=demo&identity=ann").without("Host").header("Host", host);
        request.header("Origin", origin)
    };

    let page = ask(&aldis, Request::get("/")).await;
    assert!(page.status == 200 && page.text().contains("/demo/main.js"), "{page:?}");
    let answer = ask(&aldis, token(&address, &format!("https://{address}"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["url"], format!("wss://{address}/v1/signal"));
    let given = answer.json()["token"].as_str().expect("a token").to_owned();
    let options = Options::new(format!("wss://{address}")).room("demo").trust(Trust::anybody());
    let ann = Connection::connect(options.token(aldis_client::Token::Subprotocol(given))).await.expect("welcomed");
    ann.close(CloseCode::Bye).await.expect("a clean end");

    for (host, origin) in [("evil.example", "https://evil.example"), (address.as_str(), "https://evil.example")] {
        let refused = ask(&aldis, token(host, origin)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (403, "origin-forbidden"), "{host} {origin}");
    }
    let plain = aldis.ask("listen", Request::get("/")).await;
    assert_eq!((plain.status, plain.problem().as_str()), (400, "bad-request"));

    aldis.signal("TERM").await;
    let (status, said) = within("the end", aldis.ended()).await;
    let port = address.rsplit_once(':').expect("a port").1;
    assert!(status.success() && said.contains(&format!("https://localhost:{port}/")), "{said}");
    assert!(said.contains("choose to proceed") && said.contains("\"WARN\""), "{said}");
    assert!(said.contains("no other machine can reach this server"), "it listens on loopback: {said}");
}

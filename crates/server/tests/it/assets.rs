//! What the server gives out to browsers.

use crate::support::{Request, Rig};

#[tokio::test]
async fn the_sdk_is_given_out_to_pages_of_any_origin_and_asked_for_again_only_when_it_changed() {
    let rig = Rig::usual();
    let sdk = || Request::get("/sdk.js").header("Origin", "https://app.example.org");
    let answer = rig.ask(sdk()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    // A module is fetched with CORS.
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert!(answer.text().contains("joinRoom"), "it is the SDK");

    let etag = answer.header("etag").expect("a name").to_owned();
    let weak = format!("W/{etag}");
    for (names, status) in [
        (etag.clone(), 304),
        (weak.clone(), 304),
        (format!("\"other\", {weak}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let answer = rig.ask(sdk().header("If-None-Match", &names)).await;
        assert_eq!((answer.status, answer.text().is_empty()), (status, status == 304), "{names}");
    }
}

#[tokio::test]
async fn each_part_of_it_is_given_out_too_and_no_other_brings_it_along() {
    let rig = Rig::usual();
    let own = [
        ("/signaling.js", "SignalingClient"),
        ("/diagnose.js", "turn-unreachable"),
        ("/manual.js", "text-foreign"),
        ("/qr.js", "drawQr"),
    ];
    for (path, word) in own {
        let answer = rig.ask(Request::get(path).header("Origin", "https://app.example.org")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/javascript; charset=utf-8")),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        assert!(answer.text().contains(word), "{path} is what it says");
        assert!(!answer.text().contains("import("), "{path} is one file");
        let etag = answer.header("etag").expect("a name").to_owned();
        assert_eq!(rig.ask(Request::get(path).header("If-None-Match", &etag)).await.status, 304, "{path}");
    }
    let sdk = rig.ask(Request::get("/sdk.js")).await;
    assert!(!sdk.text().contains("turn-unreachable"), "nobody loads the diagnosis who does not ask for it");
    let signaling = rig.ask(Request::get("/signaling.js")).await;
    assert!(!signaling.text().contains("RTCPeerConnection"), "a worker has none");
}

//! The process: signals, ports, exit codes.

use std::time::Instant;

use crate::support::{Aldis, KEY, Request, within};

const ENV: [(&str, &str); 2] = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_LOG_FORMAT", "json")];

#[tokio::test]
async fn an_empty_server_ends_at_once_when_told() {
    for signal in ["TERM", "INT"] {
        let aldis = Aldis::serve(&[], &ENV).await;
        let started = Instant::now();
        aldis.signal(signal).await;
        let (status, said) = aldis.ended().await;
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("SIG{signal}")) && said.contains("\"stopped\""), "{said}");
        assert!(started.elapsed().as_secs() < 3, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    // Somebody is here, and the window is a minute.
    let env = [ENV.as_slice(), &[("ALDIS_DRAIN_WINDOW_MS", "60000")]].concat();
    let aldis = Aldis::serve(&[], &env).await;
    let rig = crate::support::Rig::usual();
    let request = Request::upgrade("/v1/signal").bearer(&rig.mint("ann"));
    let mut stream = aldis.dial("listen").await;
    assert_eq!(request.ask(&mut stream).await.0.status, 101);
    aldis.signal("TERM").await;
    within("the drain", async {
        while aldis.ask("listen", Request::get("/readyz")).await.status != 503 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    aldis.signal("TERM").await;
    let (status, said) = aldis.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped at once"), "{said}");
}

#[tokio::test]
async fn the_operators_endpoints_may_be_elsewhere() {
    let aldis = Aldis::serve(&["--admin", "127.0.0.1:0"], &ENV).await;
    assert_ne!(aldis.ports()["listen"], aldis.ports()["admin"]);
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(aldis.ask("admin", Request::get(path)).await.status, 200, "{path}");
        assert_eq!(aldis.ask("listen", Request::get(path)).await.status, 404, "{path}");
    }
    assert_eq!(aldis.ask("admin", Request::get("/v1/signal")).await.status, 404);
    assert_eq!(aldis.ask("listen", Request::get("/v1/signal")).await.status, 401);
    // Without it they are beside the rest.
    let beside = Aldis::serve(&[], &ENV).await;
    assert!(beside.ports().get("admin").is_none());
    let metrics = beside.ask("listen", Request::get("/metrics")).await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert!(metrics.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_server_without_keys_does_not_start() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_aldis"));
    let output = command.env_clear().args(["serve", "--listen", "127.0.0.1:0"]).output();
    let output = within("the end", output).await.expect("it runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("auth.keys") && said.contains("ALDIS_AUTH_KEYS"), "{said}");
}

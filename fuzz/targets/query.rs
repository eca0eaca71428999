//! Any query of a request: it never panics, and finds what a browser's `URLSearchParams` would, or says that a parameter is there twice.

#![no_main]

use aldis_server::http::query::Query;
use axum::http::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(uri) = Uri::try_from([b"/v1/signal?", bytes].concat()) else { return };
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect::<Vec<_>>();
    let values = |name: &str| pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.clone()).collect::<Vec<_>>();
    let (rooms, tokens) = (values("room"), values("token"));
    match Query::read(&uri) {
        Ok(query) => assert_eq!((query.room.as_slice(), query.token.as_slice()), (&*rooms, &*tokens)),
        Err(error) => assert!(rooms.len() > 1 || tokens.len() > 1, "{}", error.message),
    }
});

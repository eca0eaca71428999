//! Any headers `X-Forwarded-For` and `Forwarded`: they never panic, and whom they name was vouched for by a chain of trusted proxies. A line
//! that begins with `f` is of `Forwarded`, any other of `X-Forwarded-For`.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use aldis_server::{config::TrustedProxies, http::forwarded};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;

/// The one proxy whose word is taken.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = match line.split_first() {
            Some((b'f', rest)) => (header::FORWARDED, rest),
            _ => (HeaderName::from_static("x-forwarded-for"), line),
        };
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        if headers.try_append(name, value).is_err() {
            return;
        }
    }
    let one = TrustedProxies::from_iter([IpNet::from(PROXY)]);
    let client = forwarded::client(PROXY, &headers, &one);
    assert_eq!(client, client.to_canonical());

    // Whatever a client wrote: what the proxy adds at the right is the client.
    let told = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    headers.remove(header::FORWARDED);
    headers.append("x-forwarded-for", HeaderValue::from_static("203.0.113.9"));
    assert_eq!(forwarded::client(PROXY, &headers, &one), told);
});

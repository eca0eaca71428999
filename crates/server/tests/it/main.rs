//! The server over real sockets: one story a file. Every test has a server of its own, on a free port.

mod support;

mod assets;
mod auth;
mod canary;
mod check;
mod counts;
mod deadlines;
mod drain;
mod flood;
mod frames;
mod handshake;
mod ice;
mod lan;
mod panics;
mod probe;
mod process;
mod proxies;
mod proxy_protocol;
mod rates;
mod raw;
mod restart;
mod resume;
mod revocations;
mod revoked;
mod sizes;
mod slow_reader;
mod sse;
mod sse_ends;
mod sse_leave;
mod sse_posts;
mod sse_resume;
mod stay;
mod throttle;
mod tidy;
mod tls;

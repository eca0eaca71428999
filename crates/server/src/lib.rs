//! Aldis, the server: transports, authentication, ICE servers and operation around the pure core.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`serve`], [`banner`], [`server`] | the process, and a whole server inside one |
//! | [`config`] | flags, environment and file |
//! | [`listen`], [`proxy_protocol`], [`http`] | sockets, what proxies say first, endpoints |
//! | [`tls`] | certificates, handshakes, and the record layer under a connection |
//! | [`lan`] | the local network that `aldis dev --lan` serves |
//! | [`ws`] | the WebSocket handshake and frames |
//! | [`sse`] | the event stream, and the POSTs that go with it |
//! | [`connection`] | one client's connection: in, out, time |
//! | [`driver`] | the hubs, and what executes their outputs |
//! | [`node`], [`admission`], [`throttle`], [`turnstile`], [`clock`], [`bell`] | what all connections share |
//! | [`cluster`], [`backplane`] | this node among others; what carries frames between them |
//! | [`auth`], [`resume`], [`mac_ring`], [`ice`] | tokens, resume tokens, keys that change, TURN credentials |
//! | [`reload`] | the configuration and its files when they change |
//! | [`outbound`] | HTTPS requests that this server itself makes |
//! | [`revoking`] | tokens that do not count any more |
//! | [`telemetry`] | metrics and logs |
//! | [`mod@bench`] | the load program |

pub mod admission;
pub mod auth;
pub mod backplane;
pub mod banner;
pub mod bell;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod driver;
pub mod http;
pub mod ice;
pub mod lan;
pub mod listen;
pub mod mac_ring;
pub mod node;
pub mod outbound;
pub mod proxy_protocol;
pub mod reload;
pub mod resume;
pub mod revoking;
pub mod serve;
pub mod server;
pub mod sse;
mod sync;
pub mod telemetry;
pub mod throttle;
pub mod tls;
pub mod turnstile;
pub mod ws;

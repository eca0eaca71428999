//! A server in this process, and clients that are as bad as a test needs them.

mod events;
#[path = "../../../src/outbound/fake.rs"]
#[expect(dead_code, reason = "the library's own tests need more of it")]
pub(crate) mod fake;
mod http;
mod process;
mod provider;
mod proxy;
mod reader;
mod rig;
mod socket;
mod stream;

pub(crate) use events::{EventPeer, EventStream, request as events_request};
pub(crate) use http::{Answer, Request, is_deserted, open};
pub(crate) use process::Aldis;
pub(crate) use provider::{Asked, Provider};
pub(crate) use proxy::Proxy;
pub(crate) use reader::Frame;
pub(crate) use rig::{KEY, Rig, Token};
pub(crate) use socket::{NO_CODE, Opcode, Peer, Socket};
pub(crate) use stream::{Certificate, Over, Stream};

use std::{future::Future, time::Duration};

/// Longer than anything here takes: whoever waits for it waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for an event that must come.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

//! Nodes that listen.

mod node;

pub(crate) use node::{Hears, Node, back, heal, lobby, room};

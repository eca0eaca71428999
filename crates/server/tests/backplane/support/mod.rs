//! Nodes that listen.

mod node;

pub(crate) use node::{Hears, Node, room};

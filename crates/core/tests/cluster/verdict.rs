//! What must hold in the end, when nothing goes wrong any more.

use std::collections::BTreeMap;

use aldis_protocol::PeerId;

use crate::{
    client::Check,
    world::{Sent, World},
};

impl World {
    /// The nodes agree.
    pub(crate) fn all_is_well(&self) -> Check {
        self.everybody_is_seen()?;
        self.every_session_has_one_node()?;
        self.every_identity_is_there_once()
    }

    /// Everybody who is connected sees everybody else who is, as here, and of each pair exactly one yields.
    pub(crate) fn everybody_is_seen(&self) -> Check {
        for (viewer, others) in self.connected() {
            for other in others {
                let (me, you) = (&self.clients[viewer], &self.clients[other]);
                let (Some(mine), Some(yours)) = (me.id(), you.id()) else { continue };
                let seen = me.roster.get(yours).copied();
                ensure!(seen == Some(aldis_protocol::Presence::Here), "{mine} sees {yours} as {seen:?}");
                let (yields, back) = (me.yields.get(yours), you.yields.get(mine));
                ensure!(yields.is_some() && yields != back, "{mine} and {yours} yield {yields:?} and {back:?}");
                let older = you.place() < me.place();
                ensure!(yields == Some(&older), "{mine} yields to {yours}: {yields:?}, which is not their order");
                ensure!(!self.is_remembered(yours), "{yours} lives, and was said to be dead");
            }
        }
        Ok(())
    }

    /// Of every stay at most one node has a session, and none of one that is dead for ever.
    pub(crate) fn every_session_has_one_node(&self) -> Check {
        for id in self.stays.keys() {
            let owners = self.owners(id);
            ensure!(owners.len() <= 1, "{id} is on the nodes {owners:?}");
            ensure!(owners.is_empty() || !self.is_remembered(id), "{id} lives at {owners:?}, and is dead");
        }
        Ok(())
    }

    /// Whether a living node knows that a stay is over: it may die with what it knew.
    fn is_remembered(&self, id: &PeerId) -> bool {
        (0..self.nodes.len()).any(|node| self.nodes[node].alive && self.buried.contains(&(node, id.clone())))
    }

    /// Where tokens say so, an identity is once in its room.
    pub(crate) fn every_identity_is_there_once(&self) -> Check {
        let inside = self.clients.iter().filter(|client| client.link.is_some() && client.seated);
        let mut identities: Vec<_> = inside.map(|client| (client.room, client.identity)).collect();
        identities.sort_unstable();
        let twice = identities.windows(2).find(|pair| pair[0] == pair[1]);
        ensure!(twice.is_none() || self.duplicates == aldis_core::Duplicates::Allow, "{twice:?} is there twice");
        Ok(())
    }

    /// And nobody else.
    pub(crate) fn nobody_else_is_seen(&self) -> Check {
        for (viewer, others) in self.connected() {
            let mut expected: Vec<_> = others.iter().filter_map(|other| self.clients[*other].id()).collect();
            expected.sort();
            let seen: Vec<_> = self.clients[viewer].roster.keys().collect();
            ensure!(seen == expected, "{:?} sees {seen:?}, not {expected:?}", self.clients[viewer].id());
        }
        Ok(())
    }

    /// Every message whose sender's connection lived on has its answer.
    pub(crate) fn everything_is_settled(&self) -> Check {
        for (number, Sent { link, at, answers }) in self.sent.iter().enumerate() {
            let lives = self.clients[self.links[*link].client].link == Some(*link);
            ensure!(!lives || *answers == 1, "message {number}, sent at {at}, was answered {answers} times");
        }
        Ok(())
    }

    /// Everybody who is connected, each with the others of its room.
    fn connected(&self) -> Vec<(usize, Vec<usize>)> {
        let mut rooms: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (client, state) in self.clients.iter().enumerate().filter(|(_, state)| state.link.is_some() && state.seated)
        {
            rooms.entry(state.room).or_default().push(client);
        }
        let others = |room: &Vec<usize>, viewer| room.iter().copied().filter(|other| *other != viewer).collect();
        rooms.values().flat_map(|room| room.iter().map(move |viewer| (*viewer, others(room, *viewer)))).collect()
    }
}

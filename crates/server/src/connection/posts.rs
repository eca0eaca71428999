//! POSTs to messages: the way in of an event stream.
//!
//! The requests are somebody else's tasks; what they bring waits in the [`Mailbox`]. The socket of the stream itself brings nothing but
//! its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aldis_protocol::{CloseCode, Post, limits::Limit};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Connection, Inbound, Stage,
    outlet::{Handle, Last},
};
use crate::{
    auth::Verified,
    driver::Dirty,
    node::{Node, random_bits},
    sse::{
        mailbox::{Delivery, Fate, Mailbox, Work},
        mailboxes::ConnectionId,
        parted::Kept,
    },
};

/// How much of what nobody asked for is read at once.
const JUNK_BYTES: usize = 1_024;

/// Where the messages of a client come from.
pub(super) struct Posts {
    id: ConnectionId,
    mailbox: Arc<Mailbox>,
}

impl Posts {
    /// Opens a mailbox under a name that nobody can guess.
    pub(super) fn open(node: &Node, token: &Verified, owner: Handle) -> Self {
        let id = ConnectionId::from_random(random_bits());
        let mailbox = Mailbox::new(token.identity.clone(), token.room.clone(), owner, &node.limits);
        let mailbox = Arc::new(mailbox);
        node.mailboxes.open(id, Arc::clone(&mailbox));
        Self { id, mailbox }
    }

    /// The path that the client POSTs to.
    pub(super) fn path(&self, node: &Node) -> String {
        node.mailboxes.path(self.id)
    }

    /// The connection has ended.
    pub(super) fn close(&self, node: &Node) {
        if node.mailboxes.close(self.id, node.clock.now(), &node.limits) == Kept::Fewer {
            node.metrics.limit(Limit::parted_streams);
        }
    }
}

impl Connection {
    /// Handles one POST; pending when there is none.
    pub(super) fn poll_posts(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Inbound::Posts(posts) = &self.inbound else { return Poll::Pending };
        match posts.mailbox.take() {
            Some(delivery) => {
                self.heard();
                self.handle_delivery(delivery);
                Poll::Ready(())
            }
            None => self.poll_hangup(cx),
        }
    }

    /// Waits for the end of the socket. A request that somebody pipelined behind the one of the stream is never answered.
    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut junk = [0; JUNK_BYTES];
        let mut window = ReadBuf::new(&mut junk);
        match Pin::new(&mut self.reader).poll_read(cx, &mut window) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if !window.filled().is_empty() => self.charge(window.filled().len()),
            // The end of the stream, or an error: the connection is over.
            Poll::Ready(_) => self.leave(),
        }
        Poll::Ready(())
    }

    fn handle_delivery(&mut self, mut delivery: Delivery) {
        let work = std::mem::replace(&mut delivery.work, Work::Repeat(0));
        // The hub may have closed the outlet since.
        self.notice_close();
        let fate = match (&self.stage, work) {
            (Stage::Seated(_), Work::Post(body)) => self.handle_post(&body),
            (Stage::Seated(_), Work::Repeat(bytes)) => {
                self.charge(bytes);
                Fate::Handled
            }
            (Stage::Seated(_), Work::Broken(bytes, code)) => {
                // Its answer says what was wrong.
                self.charge(bytes);
                self.strike(code);
                Fate::Handled
            }
            (
                Stage::Greeting { .. } | Stage::Supplying(_) | Stage::Joining(_) | Stage::Closing { .. } | Stage::Ended,
                _,
            ) => self.ended(),
        };
        delivery.answer(fate);
    }

    fn handle_post(&mut self, body: &str) -> Fate {
        // It was parsed before it got its place; here once more, because what borrows a text cannot travel with it.
        let Ok(post) = Post::parse(body) else { return Fate::Gone };
        if post.messages.is_empty() {
            self.charge(0);
        }
        let mut dirty = Dirty::default();
        let mut messages = post.messages.into_iter();
        while matches!(self.stage, Stage::Seated(_))
            && let Some(message) = messages.next()
        {
            self.handle_text(message.get(), &mut dirty);
        }
        self.node.driver.flush(dirty);
        self.notice_close();
        // Whoever said `leave`, or struck out with the last of them, has been heard in full.
        if messages.len() == 0 { Fate::Handled } else { self.ended() }
    }

    /// What a POST is told that came too late.
    fn ended(&self) -> Fate {
        match self.handle.0.last() {
            Some(Last::Ours(CloseCode::Superseded)) => Fate::Superseded,
            Some(_) | None => Fate::Gone,
        }
    }
}

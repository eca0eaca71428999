//! The order of POSTs, without a request or a socket.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use aldis_core::Moment;
use proptest::prelude::*;

use super::*;
use crate::connection::outlet::{Framing, Outlet, Wire};

struct NoWire;

impl Wire for NoWire {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

fn mailbox(posts_waiting: u64) -> Mailbox {
    let outlet = Outlet::new(Box::new(NoWire), Framing::EventStream, 1_024, Moment(1));
    let limits = Limits { posts_waiting, ..Limits::default() };
    let identity = Identity::parse("ann").expect("an identity");
    Mailbox::new(identity, RoomId::parse("lobby").expect("a room"), Handle(Arc::new(outlet)), &limits)
}

fn body(seq: u64) -> String {
    format!("body {seq}")
}

#[test]
fn they_are_handed_on_in_order_and_each_once() {
    let mailbox = mailbox(4);
    let mut waiting: Vec<_> = [2, 3, 1, 2].map(|seq| mailbox.post(seq, body(seq)).expect("a place")).into();
    let works: Vec<_> = std::iter::from_fn(|| mailbox.take())
        .map(|mut delivery| {
            let work = std::mem::replace(&mut delivery.work, Work::Repeat(0));
            delivery.answer(Fate::Handled);
            work
        })
        .collect();
    assert_eq!(works, [Work::Post(body(1)), Work::Post(body(2)), Work::Post(body(3)), Work::Repeat(6)]);
    assert!(waiting.iter_mut().all(|fate| fate.try_recv() == Ok(Fate::Handled)));
}

#[test]
fn what_came_early_twice_is_handed_on_once() {
    let mailbox = mailbox(4);
    let _waiting = [3, 2, 2, 3, 1].map(|seq| mailbox.post(seq, body(seq)).expect("a place"));
    let works: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|delivery| delivery.work).collect();
    let expected = [Work::Post(body(1)), Work::Post(body(2)), Work::Post(body(3)), Work::Repeat(6), Work::Repeat(6)];
    assert_eq!(works.len(), expected.len());
    for work in expected {
        assert!(works.contains(&work), "{works:?}");
    }
    let posts: Vec<_> = works.into_iter().filter(|work| matches!(work, Work::Post(_))).collect();
    assert_eq!(posts, [1, 2, 3].map(|seq| Work::Post(body(seq))));
}

#[test]
fn a_copy_that_was_given_up_makes_room_for_the_next() {
    let mailbox = mailbox(1);
    let given_up = mailbox.post(2, "given up".to_owned()).expect("a place");
    assert_eq!(mailbox.post(3, body(3)).expect_err("no place"), Refused::Early);
    drop(given_up);
    let _kept = mailbox.post(2, body(2)).expect("a place");
    let _first = mailbox.post(1, body(1)).expect("a place: it is next");
    let works: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|delivery| delivery.work).collect();
    assert_eq!(works, [Work::Post(body(1)), Work::Post(body(2))]);
}

#[test]
fn only_so_many_wait_for_their_turn() {
    let mailbox = mailbox(2);
    let _taken = [1, 2].map(|seq| mailbox.post(seq, body(seq)).expect("a place"));
    assert_eq!(mailbox.post(3, body(3)).expect_err("no place"), Refused::Full);
    assert_eq!(mailbox.post(1, body(1)).expect_err("no place"), Refused::Full);
    assert_eq!(mailbox.broken(7, ErrorCode::BadJson).expect_err("no place"), Refused::Full);
    // What was refused took no place in the order.
    assert!(mailbox.take().is_some());
    let _third = mailbox.post(3, body(3)).expect("a place");
    let works: Vec<_> = std::iter::from_fn(|| mailbox.take()).map(|delivery| delivery.work).collect();
    assert_eq!(works, [Work::Post(body(2)), Work::Post(body(3))]);
}

#[test]
fn a_closed_one_takes_nothing_and_leaves_nobody_waiting() {
    let mailbox = mailbox(2);
    let mut waiting = [1, 3].map(|seq| mailbox.post(seq, body(seq)).expect("a place"));
    mailbox.close();
    assert!(waiting.iter_mut().all(|fate| fate.try_recv() == Err(oneshot::error::TryRecvError::Closed)));
    for seq in [1, 2, 9] {
        assert_eq!(mailbox.post(seq, body(seq)).expect_err("closed"), Refused::Gone);
    }
    assert!(mailbox.take().is_none());
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_each_is_handed_on_once_and_in_order(
        sent in prop::collection::vec((1_u64..12, prop::bool::ANY, prop::bool::ANY), 0..60),
    ) {
        let mailbox = mailbox(3);
        let (mut waiting, mut handed) = (Vec::new(), Vec::new());
        let mut told = Vec::new();
        let drain = |handed: &mut Vec<u64>| {
            while let Some(mut delivery) = mailbox.take() {
                if let Work::Post(text) = std::mem::replace(&mut delivery.work, Work::Repeat(0)) {
                    handed.push(text.strip_prefix("body ").and_then(|seq| seq.parse().ok()).expect("a number"));
                }
                delivery.answer(Fate::Handled);
            }
        };
        for (seq, gives_up, runs) in sent {
            if let Ok(fate) = mailbox.post(seq, body(seq)) && !gives_up {
                waiting.push((seq, fate));
            }
            if runs {
                drain(&mut handed);
            }
        }
        drain(&mut handed);
        prop_assert_eq!(&handed, &(1..=handed.len() as u64).collect::<Vec<_>>());
        for (seq, mut fate) in waiting {
            if fate.try_recv() == Ok(Fate::Handled) {
                told.push(seq);
            }
        }
        prop_assert!(told.iter().all(|seq| handed.contains(seq)), "{told:?} of {handed:?}");
    }
}

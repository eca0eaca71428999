//! An outlet over a wire that takes as many bytes as a test lets it.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::ws::codec;

const NOW: Moment = Moment(1);

/// What was written, and how much more is taken.
#[derive(Default)]
struct Narrow {
    room: AtomicUsize,
    written: Mutex<Vec<u8>>,
}

struct NarrowWire(Arc<Narrow>);

impl Wire for NarrowWire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.0.room.load(Ordering::Relaxed).min(bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.fetch_sub(room, Ordering::Relaxed);
        self.0.written.lock().extend_from_slice(&bytes[..room]);
        Ok(room)
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

fn outlet(max_bytes: usize) -> (Outlet, Arc<Narrow>) {
    let narrow = Arc::new(Narrow::default());
    (Outlet::new(Box::new(NarrowWire(Arc::clone(&narrow))), Framing::WebSocket, max_bytes, NOW), narrow)
}

fn pong(number: usize) -> Frame {
    Frame::Pong(number.to_be_bytes().into())
}

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

/// These frames as they are written.
fn encoded(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| Framing::WebSocket.encode(frame, &mut bytes));
    bytes
}

/// Lets so many bytes go, and returns all that have gone.
fn go(outlet: &Outlet, narrow: &Narrow, bytes: usize) -> Vec<u8> {
    narrow.room.store(bytes, Ordering::Relaxed);
    outlet.flush(NOW);
    narrow.written.lock().clone()
}

#[test]
fn of_pings_that_cannot_be_answered_the_first_and_the_last_are() {
    let (outlet, narrow) = outlet(1 << 20);
    for number in 0..100_000 {
        let pushed = outlet.push(pong(number), NOW);
        assert!(matches!((number, pushed), (0, Push::First) | (1.., Push::Behind)));
    }
    assert_eq!(outlet.queue.lock().bytes, codec::encoded_len(8));
    assert!(matches!(outlet.push(text("a"), NOW), Push::Behind));
    // Half of the first has left when the last is replaced once more.
    go(&outlet, &narrow, 5);
    outlet.push(pong(7), NOW);
    let expected = [pong(0), text("a"), pong(7)];
    assert_eq!(go(&outlet, &narrow, usize::MAX), encoded(&expected));
    assert_eq!((outlet.health(), outlet.queue.lock().bytes), (Health::Idle, 0));
    // Whoever reads has every one answered.
    narrow.written.lock().clear();
    for number in 0..3 {
        assert!(matches!(outlet.push(pong(number), NOW), Push::First));
        outlet.flush(NOW);
    }
    assert_eq!(*narrow.written.lock(), encoded(&[pong(0), pong(1), pong(2)]));
}

#[test]
fn a_pong_that_does_not_fit_is_none_that_waits() {
    let (outlet, narrow) = outlet(10);
    assert!(matches!(outlet.push(text("12345678"), NOW), Push::First));
    assert!(matches!(outlet.push(pong(1), NOW), Push::Full(Frame::Pong(_))));
    go(&outlet, &narrow, usize::MAX);
    assert!(matches!(outlet.push(pong(2), NOW), Push::First));
    assert!(matches!(outlet.push(pong(3), NOW), Push::Behind));
}

#[test]
fn nothing_follows_the_last_frame_also_no_pong() {
    for closes in [
        |outlet: &Outlet| drop(outlet.close(Farewell { error: None, last: Last::Ours(CloseCode::Bye) }, NOW)),
        |outlet: &Outlet| drop(outlet.push(Frame::Close(Last::Ours(CloseCode::Bye)), NOW)),
    ] {
        let (outlet, narrow) = outlet(1 << 20);
        outlet.push(pong(1), NOW);
        outlet.push(pong(2), NOW);
        // The first has begun, so it has to end.
        go(&outlet, &narrow, 5);
        closes(&outlet);
        let expected = [pong(1), Frame::Close(Last::Ours(CloseCode::Bye))];
        assert_eq!(go(&outlet, &narrow, usize::MAX), encoded(&expected));
        assert_eq!(outlet.health(), Health::Finished);
    }
}

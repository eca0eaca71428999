//! The outbound side of a connection: a bounded queue in front of a socket.
//!
//! Whoever has something for the peer pushes it under the room's lock and flushes after it; the socket is written directly, under
//! the outlet's own lock. What the socket does not take stays queued as it was, so that it can be brought back to the hub when the
//! connection dies: nothing that did not leave is lost. An empty outlet holds no buffer.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    net::Shutdown,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use aldis_core::{Moment, Parcel, Seat};
use aldis_protocol::{CloseCode, MsgId, PeerId, RoomId, ServerMessage};
use futures_util::task::AtomicWaker;
use socket2::SockRef;

pub use super::frame::{Farewell, Frame, Framing, Last};
use super::pongs::Pongs;
use crate::{driver::Prelude, sync::Mutex};

/// How much is encoded for one write.
const WRITE_CHUNK: usize = 64 * 1024;

thread_local! {
    /// Where frames are encoded: one buffer a thread, none a connection.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The writing half of a transport.
pub trait Wire: Send + Sync {
    /// Writes what the transport takes at once. `bytes` begin with those that are [committed](Self::committed).
    ///
    /// # Errors
    /// `WouldBlock` where it takes nothing now; any other means that it is dead.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// How many bytes of those that were offered last and not written will arrive before any others, if the transport lives: they
    /// cannot be taken back. If it dies, none of them does.
    fn committed(&self) -> usize {
        0
    }

    /// Waits until the transport may take bytes. Only the connection's owner calls it.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Nothing follows what was written. May be said more than once.
    fn end(&self) {}
}

impl Wire for tokio::net::tcp::OwnedWriteHalf {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.as_ref().try_write(bytes)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().poll_write_ready(cx)
    }

    fn end(&self) {
        // It fails only where the connection is over already.
        let _ = SockRef::from(self.as_ref()).shutdown(Shutdown::Write);
    }
}

/// A queued frame, and since when.
struct Queued {
    frame: Frame,
    since: Moment,
    /// Whether the sender's receipt has been settled already.
    overdue: bool,
}

/// What became of a push.
#[derive(Debug)]
pub enum Push {
    /// It is the only frame, or one too many to wait: whoever pushed must flush.
    First,
    /// Others wait before it, and somebody else will flush.
    Behind,
    /// The queue is full; the peer does not read. The frame comes back.
    Full(Frame),
    /// The connection is closing or dead. The frame comes back.
    Closed(Frame),
}

/// What a flush did.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Senders whose receipts are due: the parcel has left.
    pub written: Vec<(PeerId, MsgId)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// This close frame is queued or was written; nothing follows it.
    Closing(Last),
    Dead,
}

/// What becomes of the messages of the server that wait beside the parcels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Stays,
    Goes,
}

struct Queue {
    framing: Framing,
    frames: VecDeque<Queued>,
    /// How many encoded bytes of the first frame have been written.
    written: usize,
    bytes: usize,
    pongs: Pongs,
    stage: Stage,
    /// Since when the socket takes nothing.
    blocked: Option<Moment>,
    /// What the connection prepared for its `welcome`.
    prelude: Option<Box<Prelude>>,
}

/// Where a connection sits, once it does.
#[derive(Debug, Clone)]
pub struct Seating {
    /// The room.
    pub room: RoomId,
    /// The stay.
    pub peer: PeerId,
    /// The place in the room's order.
    pub seq: u64,
    /// The generation.
    pub generation: u64,
}

/// The outbound side of one connection; see the module.
pub struct Outlet {
    queue: Mutex<Queue>,
    wire: Box<dyn Wire>,
    max_bytes: usize,
    owner: AtomicWaker,
    framing: Framing,
    /// When the last byte came in.
    heard: AtomicU64,
    /// When the last byte went out on an event stream.
    wrote: AtomicU64,
    /// When somebody last asked for a probe; zero is never.
    probe: AtomicU64,
    /// How many others are in the room, for the rates that grow with it.
    others: AtomicU32,
    seating: OnceLock<Box<Seating>>,
}

/// What its owner has to know to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing waits.
    Idle,
    /// Bytes wait for the socket.
    Blocked {
        /// Since when.
        since: Moment,
        /// When the oldest parcel whose receipt is not settled was queued.
        receipt_since: Option<Moment>,
    },
    /// The last frame was written.
    Finished,
    /// The socket is dead.
    Dead,
}

impl Outlet {
    /// An outlet in front of `wire` that queues at most `max_bytes`.
    #[must_use]
    pub fn new(wire: Box<dyn Wire>, framing: Framing, max_bytes: usize, now: Moment) -> Self {
        Self {
            queue: Mutex::new(Queue {
                framing,
                frames: VecDeque::new(),
                written: 0,
                bytes: 0,
                pongs: Pongs::None,
                stage: Stage::Open,
                blocked: None,
                prelude: None,
            }),
            wire,
            max_bytes,
            owner: AtomicWaker::new(),
            framing,
            heard: AtomicU64::new(now.0),
            wrote: AtomicU64::new(now.0),
            probe: AtomicU64::new(0),
            others: AtomicU32::new(0),
            seating: OnceLock::new(),
        }
    }

    /// Queues a frame. Called under the room's lock wherever its order matters.
    pub fn push(&self, frame: Frame, now: Moment) -> Push {
        let mut queue = self.queue.lock();
        if queue.stage != Stage::Open {
            return Push::Closed(frame);
        }
        let frame = match frame {
            Frame::Pong(payload) => match queue.pongs.answer(payload) {
                Some(payload) => Frame::Pong(payload),
                None => return Push::Behind,
            },
            frame => frame,
        };
        let size = self.framing.len(&frame);
        if let Frame::Close(last) = frame {
            queue.stage = Stage::Closing(last);
        } else if queue.bytes + size > self.max_bytes && !queue.frames.is_empty() {
            return Push::Full(frame);
        }
        queue.bytes += size;
        // One that waits in a crowd is not to be taken for one that does not read.
        let first = queue.frames.is_empty() || queue.blocked.is_none() && queue.bytes > WRITE_CHUNK;
        if queue.blocked.is_some() && matches!(&frame, Frame::Parcel(parcel) if parcel.receipt().is_some()) {
            // Its deadline may come before whatever the owner waits for.
            self.owner.wake();
        }
        if first {
            // A burst of candidates fits without growing again and again.
            queue.frames.reserve(8);
        }
        if let Frame::Pong(_) = frame {
            queue.pongs = Pongs::Queued;
        }
        queue.frames.push_back(Queued { frame, since: now, overdue: false });
        if first { Push::First } else { Push::Behind }
    }

    /// Writes what the socket takes. What it does not take wakes the owner, which waits for the socket.
    pub fn flush(&self, now: Moment) -> Flushed {
        let mut flushed = Flushed::default();
        let mut queue = self.queue.lock();
        if queue.stage == Stage::Dead {
            return flushed;
        }
        while !queue.frames.is_empty() {
            let wrote = SCRATCH.with_borrow_mut(|scratch| {
                queue.encode(scratch);
                self.wire.try_write(scratch)
            });
            match wrote {
                Ok(0) => queue.stage = Stage::Dead,
                Ok(bytes) => {
                    queue.advance(bytes, &mut flushed.written);
                    queue.blocked = None;
                    if self.framing == Framing::EventStream {
                        self.wrote.store(now.0, Ordering::Relaxed);
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    queue.blocked.get_or_insert(now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => queue.stage = Stage::Dead,
            }
            break;
        }
        if self.framing == Framing::EventStream && matches!(queue.stage, Stage::Closing(_)) && queue.frames.is_empty() {
            // The end of the bytes is the end of the body; a WebSocket has its own handshake for that.
            self.wire.end();
        }
        if queue.stage != Stage::Open || queue.blocked.is_some() {
            self.owner.wake();
        }
        flushed
    }

    /// Marks the connection as dead and takes back the parcels that never left, oldest first.
    pub fn kill(&self) -> Vec<Parcel> {
        let mut queue = self.queue.lock();
        queue.stage = Stage::Dead;
        queue.prelude = None;
        let unsent = queue.take_unsent(Rest::Goes, self.wire.committed());
        self.owner.wake();
        unsent
    }

    /// Takes back the parcels that a dead connection still holds. A closing one has given them back when it was closed.
    pub fn reclaim(&self) -> Vec<Parcel> {
        let mut queue = self.queue.lock();
        if queue.stage == Stage::Dead { queue.take_unsent(Rest::Goes, self.wire.committed()) } else { Vec::new() }
    }

    /// Takes back the parcels that never left and queues the last frames instead of them, where the socket may still take them.
    /// One that is closing or dead already stays as it is.
    pub fn close(&self, farewell: Farewell, now: Moment) -> Vec<Parcel> {
        let mut queue = self.queue.lock();
        if queue.stage != Stage::Open {
            return Vec::new();
        }
        queue.stage = Stage::Closing(farewell.last);
        // Whoever does not read gets the short version; anybody else still gets the answers that are due.
        let rest = if farewell.last == Last::Ours(CloseCode::SlowReader) { Rest::Goes } else { Rest::Stays };
        let unsent = queue.take_unsent(rest, self.wire.committed());
        let error = farewell.error.map(|error| Frame::Text(ServerMessage::Error(error).to_json().into()));
        for frame in error.into_iter().chain([Frame::Close(farewell.last)]) {
            queue.bytes += self.framing.len(&frame);
            queue.frames.push_back(Queued { frame, since: now, overdue: false });
        }
        self.owner.wake();
        unsent
    }

    /// What the owner has to wait for.
    pub fn health(&self) -> Health {
        let queue = self.queue.lock();
        match (queue.stage, queue.frames.is_empty()) {
            (Stage::Dead, _) => Health::Dead,
            (Stage::Closing(_), true) => Health::Finished,
            (Stage::Open, true) => Health::Idle,
            (Stage::Open | Stage::Closing(_), false) => match queue.blocked {
                Some(since) => Health::Blocked { since, receipt_since: queue.oldest_receipt() },
                // Somebody has pushed and is about to flush.
                None => Health::Idle,
            },
        }
    }

    /// Whether the last frame is queued or was written.
    pub fn is_closing(&self) -> bool {
        self.last().is_some()
    }

    /// The last frame, where it is queued or was written.
    pub fn last(&self) -> Option<Last> {
        match self.queue.lock().stage {
            Stage::Closing(last) => Some(last),
            Stage::Open | Stage::Dead => None,
        }
    }

    /// How frames are spelled.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Settles the receipts of parcels queued before `before`: their senders have waited long enough.
    pub fn overdue(&self, before: Moment) -> Vec<(PeerId, MsgId)> {
        let mut queue = self.queue.lock();
        let late = queue.frames.iter_mut().filter(|queued| !queued.overdue && queued.since <= before);
        late.filter_map(|queued| {
            let Frame::Parcel(parcel) = &queued.frame else { return None };
            let receipt = parcel.receipt().map(|re| (parcel.from.clone(), re.clone()));
            queued.overdue = receipt.is_some();
            receipt
        })
        .collect()
    }

    /// Waits until the socket may take bytes.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_writable(cx)
    }

    /// Registers the owner to be woken.
    pub fn register(&self, cx: &Context<'_>) {
        self.owner.register(cx.waker());
    }

    /// Notes a sign of life.
    pub fn hear(&self, now: Moment) {
        self.heard.store(now.0, Ordering::Relaxed);
    }

    /// When the last byte came in.
    pub fn heard(&self) -> Moment {
        Moment(self.heard.load(Ordering::Relaxed))
    }

    /// Since when the connection is quiet. An event stream is kept alive for the proxies on its way too: there the client may be heard
    /// while nothing is written.
    pub fn quiet_since(&self) -> Moment {
        match self.framing {
            Framing::WebSocket => self.heard(),
            Framing::EventStream => self.heard().min(Moment(self.wrote.load(Ordering::Relaxed))),
        }
    }

    /// Wakes the owner: something has come for it another way than by its socket.
    pub fn wake(&self) {
        self.owner.wake();
    }

    /// Asks the owner to ping the client now.
    pub fn request_probe(&self, now: Moment) {
        self.probe.store(now.0.max(1), Ordering::Release);
        self.owner.wake();
    }

    /// Takes a request for a probe.
    pub fn take_probe(&self) -> bool {
        // The common case is a plain load.
        self.probe.load(Ordering::Relaxed) != 0 && self.probe.swap(0, Ordering::AcqRel) != 0
    }

    /// How many others are in the room.
    pub fn others(&self) -> u32 {
        self.others.load(Ordering::Relaxed)
    }

    /// Sets how many others are in the room.
    pub fn set_others(&self, others: usize) {
        self.others.store(u32::try_from(others).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Counts one more in the room.
    pub fn one_more(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less in the room.
    pub fn one_less(&self) {
        self.others.fetch_sub(1, Ordering::Relaxed);
    }

    /// Where the connection sits, once it does.
    pub fn seating(&self) -> Option<&Seating> {
        self.seating.get().map(Box::as_ref)
    }

    /// Seats the connection; only the first time counts.
    pub fn seat(&self, seating: Seating) {
        let _ = self.seating.set(Box::new(seating));
    }

    /// Keeps what the connection prepared for its `welcome`.
    pub fn set_prelude(&self, prelude: Prelude) {
        self.queue.lock().prelude = Some(Box::new(prelude));
    }

    /// Takes what the connection prepared for its `welcome`.
    pub fn take_prelude(&self) -> Option<Box<Prelude>> {
        self.queue.lock().prelude.take()
    }
}

impl Queue {
    /// Encodes from the first unwritten byte, up to a chunk.
    fn encode(&self, scratch: &mut Vec<u8>) {
        scratch.clear();
        for queued in &self.frames {
            self.framing.encode(&queued.frame, scratch);
            if scratch.len() >= WRITE_CHUNK + self.written {
                break;
            }
        }
        scratch.drain(..self.written);
    }

    /// Accounts for written bytes: whole frames are gone, a begun one is remembered by its offset.
    fn advance(&mut self, mut bytes: usize, receipts: &mut Vec<(PeerId, MsgId)>) {
        while let Some(queued) = self.frames.front() {
            let size = self.framing.len(&queued.frame);
            if self.written + bytes < size {
                self.written += bytes;
                return;
            }
            bytes -= size - self.written;
            self.written = 0;
            self.bytes = self.bytes.saturating_sub(size);
            match self.frames.pop_front() {
                Some(Queued { frame: Frame::Parcel(parcel), overdue: false, .. }) => {
                    receipts.extend(parcel.receipt().map(|re| (parcel.from.clone(), re.clone())));
                }
                Some(Queued { frame: Frame::Pong(_), since, .. }) => self.follow_pong(since),
                _ => {}
            }
        }
        // Idle connections hold nothing.
        self.frames = VecDeque::new();
    }

    /// A pong has left. If pings came meanwhile, the newest is answered now, unless the last frame is there already.
    fn follow_pong(&mut self, since: Moment) {
        if let (Some(payload), Stage::Open) = (self.pongs.left(), self.stage) {
            let frame = Frame::Pong(payload);
            self.bytes += self.framing.len(&frame);
            self.pongs = Pongs::Queued;
            self.frames.push_back(Queued { frame, since, overdue: false });
        }
    }

    /// Takes out the parcels and, if it goes, the rest. A frame that has begun must end before another may begin: it stays.
    fn take_unsent(&mut self, rest: Rest, committed: usize) -> Vec<Parcel> {
        let frames = std::mem::take(&mut self.frames);
        // On a living socket a begun frame still arrives; on a dead one it never does.
        let begun = if self.stage == Stage::Dead { 0 } else { self.written + committed };
        let mut start = 0;
        let mut unsent = Vec::new();
        for queued in frames {
            let has_begun = start < begun;
            start += self.framing.len(&queued.frame);
            match queued {
                queued if has_begun => self.frames.push_back(queued),
                Queued { frame: Frame::Text(_), .. } if rest == Rest::Stays => self.frames.push_back(queued),
                Queued { frame: Frame::Parcel(mut parcel), overdue, .. } => {
                    if overdue {
                        // Its sender has had its answer.
                        parcel.naming = aldis_protocol::Naming::Anonymous;
                    }
                    unsent.push(parcel);
                }
                Queued { .. } => {}
            }
        }
        self.bytes = self.frames.iter().map(|queued| self.framing.len(&queued.frame)).sum();
        // The connection closes or is dead: nobody waits for it any more.
        self.pongs = Pongs::None;
        unsent
    }

    fn oldest_receipt(&self) -> Option<Moment> {
        let waiting = self.frames.iter().filter(|queued| !queued.overdue);
        waiting
            .filter(|queued| matches!(&queued.frame, Frame::Parcel(parcel) if parcel.receipt().is_some()))
            .map(|queued| queued.since)
            .min()
    }
}

/// The hub's handle of a connection.
#[derive(Clone)]
pub struct Handle(pub Arc<Outlet>);

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Handle {}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&Arc::as_ptr(&self.0)).finish()
    }
}

/// Where a connection sits, or sat before it was closed.
#[must_use]
pub fn seat(connection: &Handle) -> Option<Seat<Handle>> {
    let Seating { room, peer, .. } = connection.0.seating()?;
    Some(Seat { room: room.clone(), peer: peer.clone(), connection: connection.clone() })
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;

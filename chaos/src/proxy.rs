//! A way that can be broken: a TCP proxy which holds back, slows down and forgets.
//!
//! A cut is silence, not an end: nothing passes, an end neither, and what was on its way arrives when the way is whole again. That is what
//! networks do to TCP, and what makes partitions worse than deaths.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

/// What passes at once.
const CHUNK: usize = 16 * 1_024;

/// What passes at once of a trickle, and how long nothing follows: 8 KiB/s.
const DROP: usize = 2 * 1_024;
const DROP_PAUSE: Duration = Duration::from_millis(250);

/// How much the system keeps for this proxy of what comes from the server: little, so that the server notices a trickle.
const RECEIVE_BUFFER: u32 = 16 * 1_024;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Everything.
    Free,
    /// Nothing, until it is free again.
    Cut,
    /// Everything towards the server, and a trickle back.
    Trickle,
}

/// The state of the way.
#[derive(Debug, Clone, Copy)]
struct State {
    flow: Flow,
    /// How many connections there have been, which is the number of the last.
    opened: u64,
    /// Connections up to this number are cut for ever.
    forgotten: u64,
}

/// A proxy; its connections end with it.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// A free way to a port of this machine.
    pub(crate) async fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = watch::Sender::new(State { flow: Flow::Free, opened: 0, forgotten: 0 });
        let task = AbortOnDropHandle::new(tokio::spawn(serve(listener, target, state.clone())));
        Ok(Self { port, state, _task: task })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets more or less pass.
    pub(crate) fn set(&self, flow: Flow) {
        self.state.send_modify(|state| state.flow = flow);
    }

    /// Cuts all connections of now for ever, and lets others pass: both ends believe in what is long gone.
    pub(crate) fn forget(&self) {
        self.state.send_modify(|state| state.forgotten = state.opened);
    }
}

/// Takes connections; while there is a cut, they meet silence.
async fn serve(listener: TcpListener, target: u16, state: watch::Sender<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // One that is gone already is none.
                let Ok((client, _)) = accepted else { continue };
                let mut number = 0;
                state.send_modify(|state| {
                    state.opened += 1;
                    number = state.opened;
                });
                connections.spawn(carry(client, target, Way { number, state: state.subscribe() }));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection to its end: a server that is not there is an end too.
async fn carry(client: TcpStream, target: u16, mut way: Way) -> io::Result<()> {
    way.carries(Direction::Up).await;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let server = socket.connect(([127, 0, 0, 1], target).into()).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Where one direction fails, the other has nobody to talk to.
    tokio::try_join!(
        pump(from_client, to_server, Direction::Up, way.clone()),
        pump(from_server, to_client, Direction::Down, way),
    )?;
    Ok(())
}

/// Carries one direction of a connection to its end.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, direction: Direction, mut way: Way) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let pace = way.carries(direction).await;
        let read = from.read(&mut buffer[..pace.chunk]).await;
        // It may have been cut while it waited; then nobody hears of an end either.
        way.carries(direction).await;
        match read? {
            0 => return to.shutdown().await,
            length => to.write_all(&buffer[..length]).await?,
        }
        if let Some(pause) = pace.pause {
            sleep(pause).await;
        }
    }
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// To the server.
    Up,
    /// Back.
    Down,
}

/// How much passes at once, and what follows it.
struct Pace {
    chunk: usize,
    pause: Option<Duration>,
}

/// The way of one connection.
#[derive(Debug, Clone)]
struct Way {
    number: u64,
    state: watch::Receiver<State>,
}

impl Way {
    /// Waits until something passes, and says how much.
    async fn carries(&mut self, direction: Direction) -> Pace {
        let number = self.number;
        let open = |state: &State| state.forgotten < number && state.flow != Flow::Cut;
        let Ok(state) = self.state.wait_for(open).await else {
            // The proxy ends, and this task with it.
            return std::future::pending().await;
        };
        match (state.flow, direction) {
            (Flow::Trickle, Direction::Down) => Pace { chunk: DROP, pause: Some(DROP_PAUSE) },
            _ => Pace { chunk: CHUNK, pause: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// Longer than loopback takes, and short: what is not to come is waited for so long.
    const A_WHILE: Duration = Duration::from_millis(200);

    /// Both ends of a connection through a proxy.
    async fn connected(listener: &TcpListener, proxy: &Proxy) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("connected");
        let (server, _) = listener.accept().await.expect("accepted");
        (client, server)
    }

    async fn says(from: &mut TcpStream, to: &mut TcpStream, word: u8) {
        from.write_all(&[word]).await.expect("written");
        assert_eq!(to.read_u8().await.expect("read"), word);
    }

    async fn rig() -> (TcpListener, Proxy) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy::start(listener.local_addr().expect("bound").port()).await.expect("a proxy");
        (listener, proxy)
    }

    #[tokio::test]
    async fn what_was_on_its_way_arrives_after_the_cut() {
        let (listener, proxy) = rig().await;
        let (mut client, mut server) = connected(&listener, &proxy).await;
        says(&mut client, &mut server, 1).await;
        says(&mut server, &mut client, 2).await;
        proxy.set(Flow::Cut);
        client.write_all(&[3]).await.expect("written");
        drop(client);
        assert!(timeout(A_WHILE, server.read_u8()).await.is_err(), "neither a byte nor the end passes");
        proxy.set(Flow::Free);
        assert_eq!(server.read_u8().await.expect("read"), 3);
        assert!(server.read_u8().await.is_err(), "the end");
    }

    #[tokio::test]
    async fn what_is_forgotten_never_comes_back_and_what_is_new_passes() {
        let (listener, proxy) = rig().await;
        let (mut old_client, mut old_server) = connected(&listener, &proxy).await;
        says(&mut old_client, &mut old_server, 1).await;
        proxy.forget();
        let (mut client, mut server) = connected(&listener, &proxy).await;
        old_client.write_all(&[2]).await.expect("written");
        says(&mut client, &mut server, 3).await;
        assert!(timeout(A_WHILE, old_server.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn a_trickle_is_slow_one_way_only() {
        let (listener, proxy) = rig().await;
        let (mut client, mut server) = connected(&listener, &proxy).await;
        proxy.set(Flow::Trickle);
        says(&mut client, &mut server, 1).await;
        server.write_all(&[0; 4 * DROP]).await.expect("written");
        let mut much = [0; 4 * DROP];
        assert!(timeout(DROP_PAUSE, client.read_exact(&mut much)).await.is_err(), "it takes three pauses");
    }
}

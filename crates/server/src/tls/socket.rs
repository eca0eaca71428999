//! The two halves of a TLS connection, as `TcpStream::into_split` gives them for a plain one.
//!
//! They share one `Session` behind a lock that is held for as long as a record takes to be made or read, and never across a wait.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::session::Session;
use crate::connection::outlet::Wire;

struct Shared {
    tcp: TcpStream,
    session: Mutex<Session>,
}

/// The reading half. Its owner is the connection's task.
pub struct Reader(Arc<Shared>);

/// The writing half. When it goes, TLS says goodbye.
pub struct Writer(Arc<Shared>);

/// Takes the TLS state out of tokio-rustls, whose writes belong to one task.
#[must_use]
pub fn split(stream: TlsStream<TcpStream>) -> (Reader, Writer) {
    let (tcp, tls) = stream.into_inner();
    let shared = Arc::new(Shared { tcp, session: Mutex::new(Session::new(tls)) });
    (Reader(Arc::clone(&shared)), Writer(shared))
}

/// A socket that never waits, as rustls wants it.
struct Now<'a>(&'a TcpStream);

impl Read for Now<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, chunks: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(chunks)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Shared { tcp, session } = &*self.0;
        loop {
            let (read, answered) = {
                let mut session = session.lock();
                (session.read(&mut Now(tcp), buf), session.answer(&mut Now(tcp)))
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => return Poll::Ready(read),
            }
            match answered {
                Ok(()) => {}
                // An answer that did not fit wakes this task too: nobody else knows of it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if tcp.poll_write_ready(cx)?.is_ready() {
                        continue;
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(tcp.poll_read_ready(cx))?;
        }
    }
}

impl Wire for Writer {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.session.lock().write(&mut Now(&self.0.tcp), bytes)
    }

    fn committed(&self) -> usize {
        self.0.session.lock().committed()
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tcp.poll_write_ready(cx)
    }

    fn end(&self) {
        self.0.session.lock().close(&mut Now(&self.0.tcp));
        // It fails only where the connection is over already.
        let _ = SockRef::from(&self.0.tcp).shutdown(Shutdown::Write);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.session.lock().close(&mut Now(&self.0.tcp));
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;

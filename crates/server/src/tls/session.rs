//! Plaintext to records and back.
//!
//! A record cannot be taken back once it is made: its number is used up. So bytes that became a record which the socket did not take
//! are *committed*. They count as not written, the caller keeps them, and it offers them again until the record has left. There is
//! never more than one such record: if the connection dies, the peer has nothing of it, because half a record cannot be read.

use std::io::{self, Read, Write};

use rustls::ServerConnection;
use tokio::io::ReadBuf;

/// The most plaintext that one record carries. Half of what TLS allows: a whole record must leave before it counts as a sign of life of
/// a slow reader.
const RECORD: usize = 8_192;

/// The TLS state of a connection.
pub(super) struct Session {
    tls: ServerConnection,
    /// How many of the bytes that are offered are in a record that has not left whole.
    committed: usize,
}

impl Session {
    /// A session after its handshake, perhaps with plaintext in it that nobody has read.
    pub(super) fn new(tls: ServerConnection) -> Self {
        Self { tls, committed: 0 }
    }

    /// Reads what `socket` has, as far as `buf` takes it. Nothing new in `buf` is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing; any other means that the connection is over.
    pub(super) fn read(&mut self, socket: &mut dyn Read, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = buf.filled().len();
        let read = self.fill(socket, buf);
        // What came before the trouble counts, and the trouble is still there at the next read.
        if buf.filled().len() > before { Ok(()) } else { read }
    }

    fn fill(&mut self, socket: &mut dyn Read, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            let processed = self.tls.process_new_packets();
            match self.tls.reader().read(buf.initialize_unfilled()) {
                // The buffer is full, or the peer has said goodbye.
                Ok(0) => return Ok(()),
                Ok(read) => buf.advance(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What is broken comes after what could be read before it.
                    processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                    self.tls.read_tls(socket)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes up to a record of `bytes`, which must begin with those that are committed.
    ///
    /// # Errors
    /// `WouldBlock` where not all of a record has left; any other means that the connection is over.
    pub(super) fn write(&mut self, socket: &mut dyn Write, bytes: &[u8]) -> io::Result<usize> {
        debug_assert!(bytes.len() >= self.committed, "committed bytes were taken back");
        self.push(socket)?;
        if self.committed == 0 {
            let record = &bytes[..bytes.len().min(RECORD)];
            self.committed = self.tls.writer().write(record)?;
            self.push(socket)?;
        }
        Ok(std::mem::take(&mut self.committed))
    }

    /// How many of the bytes that were offered last are in a record that has not left whole.
    pub(super) fn committed(&self) -> usize {
        self.committed
    }

    /// Writes what TLS itself has to say, as an alert. Not what is committed: its owner may have given it up since.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(super) fn answer(&mut self, socket: &mut dyn Write) -> io::Result<()> {
        if self.committed == 0 { self.push(socket) } else { Ok(()) }
    }

    /// Says goodbye, if the socket takes it: behind half a record nothing can be said.
    pub(super) fn close(&mut self, socket: &mut dyn Write) {
        self.tls.send_close_notify();
        let _ = self.answer(socket);
    }

    fn push(&mut self, socket: &mut dyn Write) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

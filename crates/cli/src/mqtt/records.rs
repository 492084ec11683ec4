//! Standard input in pieces, read by a thread of its own so that the connection is looked after meanwhile.

use std::io::{self, BufRead, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use mio::Waker;

use crate::ending::Ending;

/// Pieces of standard input as they come.
#[derive(Debug)]
pub(super) struct Records {
    received: Receiver<Record>,
    /// The other side is to wake us with its next piece.
    is_waiting: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Record {
    Piece(Vec<u8>),
    End,
    TooLong,
    Failed(io::Error),
}

/// What a look at the input found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Piece(Vec<u8>),
    /// Nothing yet: the waker will be used.
    Nothing,
    End,
}

impl Records {
    /// Reads pieces that end with this byte.
    ///
    /// # Errors
    /// If there is no thread.
    pub(super) fn read(end: u8, waker: Arc<Waker>) -> io::Result<Self> {
        let (send, received) = sync_channel(RECORDS);
        let is_waiting = Arc::new(AtomicBool::new(false));
        let waiting = Arc::clone(&is_waiting);
        let read = move || {
            read_all(&mut io::stdin().lock(), end, &send, &|| {
                if waiting.swap(false, Ordering::AcqRel) {
                    // Without it the session hears of the piece when something else wakes it.
                    drop(waker.wake());
                }
            })
        };
        thread::Builder::new().name("input".to_owned()).spawn(read)?;
        Ok(Self { received, is_waiting })
    }

    /// The next piece without its end.
    ///
    /// # Errors
    /// How the command ends if the input cannot be read.
    pub(super) fn next(&self) -> Result<Found, Ending> {
        let record = match self.received.try_recv() {
            Err(TryRecvError::Empty) => {
                self.is_waiting.store(true, Ordering::Release);
                // It may have come between the two.
                self.received.try_recv()
            }
            found => found,
        };
        match record {
            Ok(Record::Piece(piece)) => Ok(Found::Piece(piece)),
            Ok(Record::End) | Err(TryRecvError::Disconnected) => Ok(Found::End),
            Ok(Record::TooLong) => Err(Ending::Failed(format!(
                "the input has a message of more than {RECORD_BYTES_MAX} bytes: it and what follows was not sent"
            ))),
            Ok(Record::Failed(error)) => Err(cannot_read(&error)),
            Err(TryRecvError::Empty) => Ok(Found::Nothing),
        }
    }
}

/// All of standard input as one piece.
///
/// # Errors
/// How the command ends if it cannot be read, or is longer than a message can be.
pub(super) fn read_whole() -> Result<Vec<u8>, Ending> {
    let mut whole = Vec::new();
    io::stdin().lock().take(limit()).read_to_end(&mut whole).map_err(|error| cannot_read(&error))?;
    if whole.len() > RECORD_BYTES_MAX {
        return Err(Ending::Failed(format!("the input has more than {RECORD_BYTES_MAX} bytes")));
    }
    Ok(whole)
}

fn cannot_read(error: &io::Error) -> Ending {
    Ending::Failed(format!("cannot read the input: {error}"))
}

fn read_all(input: &mut impl BufRead, end: u8, records: &SyncSender<Record>, wake: &dyn Fn()) {
    loop {
        let record = match read_one(input, end) {
            Ok(None) => Record::End,
            Ok(Some(piece)) if piece.len() > RECORD_BYTES_MAX => Record::TooLong,
            Ok(Some(piece)) => Record::Piece(piece),
            Err(error) => Record::Failed(error),
        };
        let is_last = !matches!(record, Record::Piece(_));
        let is_gone = records.send(record).is_err();
        wake();
        if is_gone || is_last {
            return;
        }
    }
}

fn read_one(input: &mut impl BufRead, end: u8) -> io::Result<Option<Vec<u8>>> {
    let mut piece = Vec::new();
    if input.take(limit()).read_until(end, &mut piece)? == 0 {
        return Ok(None);
    }
    piece.pop_if(|last| *last == end);
    if end == b'\n' {
        piece.pop_if(|last| *last == b'\r');
    }
    Ok(Some(piece))
}

fn limit() -> u64 {
    u64::try_from(RECORD_BYTES_MAX).map_or(u64::MAX, |bytes| bytes + 1)
}

/// Pieces that wait for the session.
const RECORDS: usize = 64;
/// The longest payload that [`::client::limits::PACKET_BYTES_MAX`] lets through anywhere, as base64 in a line of
/// JSON with properties.
const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], end: u8) -> Vec<String> {
        let (send, received) = sync_channel(16);
        let mut input = input;
        read_all(&mut input, end, &send, &|| ());
        drop(send);
        received
            .iter()
            .map(|record| match record {
                Record::Piece(piece) if piece.len() < 100 => String::from_utf8(piece).unwrap(),
                Record::Piece(piece) => piece.len().to_string(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn pieces_end_with_their_byte_or_the_input() {
        assert_eq!(pieces(b"a\r\n\nb\0c", b'\n'), ["a", "", "b\0c", "End"]);
        assert_eq!(pieces(b"a\r\n\0\0b", 0), ["a\r\n", "", "b", "End"]);
        assert_eq!(pieces(b"", 0), ["End"]);
    }

    #[test]
    fn an_endless_piece_does_not_fill_the_memory() {
        let mut input = b"a\n".to_vec();
        input.resize(RECORD_BYTES_MAX + 7, b'x');
        assert_eq!(pieces(&input, b'\n'), ["a", "TooLong"]);
    }
}

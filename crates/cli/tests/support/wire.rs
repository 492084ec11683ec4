//! A way between client and server that a test can cut.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, thread};

/// A wire between client and server that can be cut.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    server: Arc<AtomicU16>,
    /// Both ends of everything that is connected; `None` while it is cut.
    ends: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Wire {
    pub(crate) fn to(server: u16) -> Self {
        let server = Arc::new(AtomicU16::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let ends = Arc::new(Mutex::new(Some(Vec::new())));
        let wire = Self { port, server: Arc::clone(&server), ends: Arc::clone(&ends) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut ends = ends.lock().expect("nobody panics");
                let Some(ends) = ends.as_mut() else { continue };
                let server = server.load(Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (copy_of(from), copy_of(to));
                    thread::spawn(move || {
                        drop(io::copy(&mut from, &mut to));
                        // The end comes through as well, unless there is nobody any more.
                        to.shutdown(Shutdown::Write).ok();
                    });
                }
                ends.extend([client, server]);
            }
        });
        wire
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, and each new one at once.
    pub(crate) fn cut(&self) {
        for end in self.ends.lock().expect("nobody panics").take().into_iter().flatten() {
            end.shutdown(Shutdown::Both).ok(); // the other side may have been faster
        }
    }

    /// From now on it leads to another server.
    pub(crate) fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::Relaxed);
    }

    pub(crate) fn mend(&self) {
        *self.ends.lock().expect("nobody panics") = Some(Vec::new());
    }
}

fn copy_of(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a file descriptor")
}

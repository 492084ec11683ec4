//! Bounds and pauses of the client, each with its reason.

use std::time::Duration;

/// Bytes taken from the socket in one read.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// Events that wait for the session: with reads of [`READ_BYTES`] at most 2 MiB.
pub(super) const INBOX_EVENTS: usize = 32;
/// Bytes of one received line that are held back until it ends: the server's largest
/// message and the words in front of it. A longer line is shown in pieces.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024 + 4096;
/// The same for a JSON line that is taken apart: of the largest message each byte may stand there as
/// six, and of topic and name.
pub(super) const JSON_LINE_BYTES_MAX: usize = 6 * 1024 * 1024 + 16 * 1024;
/// Bytes of one line of input. Above any limit a server is likely to have, so that the
/// server judges; it only keeps the client's memory bounded.
pub(super) const INPUT_LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that a server may say before and after the role: a prompt, or why not.
pub(super) const DIALOGUE_BYTES_MAX: usize = 4096;

/// A hello without a line end stands alone this long, so that a server that takes each
/// read for one message does not read the first message together with it.
pub(super) const HELLO_PAUSE: Duration = Duration::from_millis(200);
/// The same between two messages, where they are typed …
pub(super) const MESSAGE_PAUSE: Duration = Duration::from_millis(20);
/// … and between the first so many of a pipe: two thirds of a second at most.
pub(super) const PAUSED_MESSAGES: u32 = 32;
/// Typed messages that stand alone although they come at once: a short paste reaches every server as
/// it is, a long one does not make its user wait for 20 ms a line.
pub(super) const PASTE_ALONE: u32 = 10;
/// Bytes of lines of a longer paste that go in one write: no more than the documents' servers read at
/// once, and little enough for one packet, so that no read ends within a line.
pub(super) const PASTE_BYTES: usize = 1024;
/// A line without an end is shown after this silence, …
pub(super) const SILENCE: Duration = Duration::from_millis(50);
/// … or after this one if it is longer than [`SHORT_LINE_BYTES`]: more of it may come.
pub(super) const LONG_LINE_SILENCE: Duration = Duration::from_secs(1);
/// What a server sends at once that relays reads of 1024 bytes, with the words in front.
pub(super) const SHORT_LINE_BYTES: usize = 2048;

/// Time for one address to accept a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence on the wire before the kernel asks whether the server is still there.
pub(super) const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Pause between such questions, and how many stay unanswered before the server is lost.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEEPALIVE_INTERVAL`].
pub(super) const KEEPALIVE_RETRIES: u32 = 3;

/// Time for a server that prompts to do so; ours does after 250 ms.
pub(super) const PROMPT_WAIT: Duration = Duration::from_secs(3);
/// Silence of a server after which the user is told that nothing was heard yet.
pub(super) const SILENCE_REMARK: Duration = Duration::from_secs(1);
/// Time for `Waiting for messages...`, which goes once around all shards.
pub(super) const WAITING_WAIT: Duration = Duration::from_secs(1);
/// Time for the line that says why a role was refused.
pub(super) const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// Time for the server to read everything and close, after piped input has ended, …
pub(super) const DRAIN_PIPED: Duration = Duration::from_secs(5);
/// … after a human said goodbye, …
pub(super) const DRAIN_TYPED: Duration = Duration::from_secs(2);
/// … and after Ctrl+C or a signal.
pub(super) const DRAIN_SIGNAL: Duration = Duration::from_secs(1);
/// Time for the server of a subscriber to see that it leaves. There is nothing to be lost.
pub(super) const DRAIN_SUBSCRIBER: Duration = Duration::from_millis(300);

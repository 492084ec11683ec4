//! Bounds and waits of a client, each with its reason.

use std::time::Duration;

/// Packets that a client accepts, unless it asks for another bound: more than any message that a
/// broker takes by default, and all that it may make us hold.
pub const PACKET_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Messages of QoS 1 and 2 that wait for us to acknowledge them. The server keeps to it.
pub const RECEIVE_MAX: u16 = 256;
/// Messages of QoS 1 and 2 that wait for the server, however many it would take …
pub const INFLIGHT_MAX: usize = 256;
/// … and after how many bytes of them there is no room for another one. One may be longer.
pub const INFLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Encoded bytes that wait for the socket. Beyond that nothing more is published, and nothing is
/// read that would have to be answered. One message may be longer.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Bytes taken from the socket in one read.
pub const READ_BYTES: usize = 64 * 1024;
/// SUBSCRIBE packets that a client repeats to a server that has forgotten it.
pub const SUBSCRIPTIONS_MAX: usize = 1024;
/// Messages that came while a call waited for something else, in bytes of topic and payload. One
/// may be longer.
pub const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Time for one address to accept a connection.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for a server to answer CONNECT or SUBSCRIBE.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Time for a server to answer a PINGREQ; less if the keep-alive is less.
pub const PING_TIME: Duration = Duration::from_secs(20);
/// Time to send what is left and for the server to read it and close.
pub const FAREWELL_TIME: Duration = Duration::from_secs(5);

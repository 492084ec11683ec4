//! An MQTT 5 client for any broker: what `tidings pub`, `sub` and `req` are made of.
//!
//! [`Engine`] is the protocol without a socket, for those who have a loop of their own; [`Client`] gives it a
//! socket and calls that wait. Everything that a server can make grow is bounded, see [`limits`]. There
//! is no TLS, no WebSocket, no will, no topic alias and no version before 5.
//!
//! A thermometer that wants each of its messages to arrive, and hears what it is asked:
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use client::{Client, ConnectOptions, Event, Message, News, Outcome, QoS, Reconnect, SessionEnd, Subscription};
//!
//! # fn main() -> Result<(), client::Error> {
//! let mut options = ConnectOptions::new("thermometer-7");
//! options.session_expiry_s = 300;
//! let address = "localhost:1883".parse().expect("an address");
//! let (mut client, _) = Client::connect(address, options, Reconnect::Always)?;
//! client.subscribe(&Subscription::to("kitchen/thermometer/set", QoS::AtLeastOnce))?;
//! client.publish(&Message::new("kitchen/temperature", "21.5").qos(QoS::AtLeastOnce))?;
//!
//! let until = Instant::now() + Duration::from_secs(60);
//! while let Some(news) = client.next(Some(until))? {
//!     match news {
//!         News::Event(Event::Message(message, receipt)) => {
//!             println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
//!             // Only now may the server forget it.
//!             client.acknowledge(receipt);
//!         }
//!         News::Event(Event::Published(_, Outcome::Accepted)) => println!("it has arrived"),
//!         News::Event(event) => println!("{event:?}"),
//!         News::Lost(loss) => println!("{loss}; coming back"),
//!     }
//! }
//! client.disconnect(SessionEnd::Discard)
//! # }
//! ```

#![deny(clippy::indexing_slicing)]

mod address;
mod blocking;
mod engine;
mod event;
pub mod limits;
mod message;
mod options;
mod pauses;
mod socket;
mod subscription;

pub use address::{Address, AddressError, PORT_DEFAULT};
pub use blocking::{Client, Error, Loss, News, Reconnect};
pub use engine::{Engine, SessionEnd, Silent, TakeError};
pub use event::{
    Connected, Event, Goodbye, Outcome, ProtocolError, Receipt, SessionState, Ticket, reason_words,
};
pub use message::{Message, MessageError, MessageProperties, PayloadFormat};
pub use options::{ConnectOptions, Replies, Start};
pub use pauses::{Pauses, random};
pub use subscription::Subscription;
pub use wire::mqtt::{DecodeError, Kind, QoS, Reason, RetainHandling, SubscribeOptions};

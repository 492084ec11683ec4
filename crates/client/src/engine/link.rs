//! The connection, as the engine knows it: how far it is, what its server allows, and when
//! something has to be said.
//!
//! ```text
//! down ── CONNECT ──▶ asking ── CONNACK ──▶ up ── DISCONNECT ──▶ over ──▶ down
//! ```

use std::time::{Duration, Instant};

use wire::mqtt::{ConnAck, Property, QoS};

use crate::limits::PING_TIME;

#[derive(Debug)]
pub(super) enum Link {
    Down,
    /// Until then the server may answer.
    Asking {
        until: Instant,
    },
    Up(Terms, KeepAlive),
    /// One of the two has said goodbye.
    Over,
}

/// What the server allows and offers (MQTT5 3.2.2.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) receive_max: u16,
    pub(super) packet_bytes_max: usize,
    pub(super) qos_max: QoS,
    pub(super) keeps_retained: bool,
}

impl Terms {
    pub(super) fn of(ack: &ConnAck<'_>) -> Self {
        let mut terms = Self {
            receive_max: u16::MAX,
            packet_bytes_max: usize::MAX,
            qos_max: QoS::ExactlyOnce,
            keeps_retained: true,
        };
        for property in ack.properties {
            match property {
                Property::ReceiveMaximum(max) => terms.receive_max = max,
                Property::MaximumPacketSize(max) => {
                    terms.packet_bytes_max = usize::try_from(max).unwrap_or(usize::MAX);
                }
                Property::MaximumQoS(qos) => terms.qos_max = qos,
                Property::RetainAvailable(is) => terms.keeps_retained = is,
                _ => {}
            }
        }
        terms
    }
}

/// When this client has to show that it is there, and the server in return.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// Zero: never.
    period: Duration,
    sent: Instant,
    /// A PINGREQ without an answer.
    asked: Option<Instant>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// The server has not answered the last one.
    Loss,
}

impl KeepAlive {
    pub(super) fn new(seconds: u16, now: Instant) -> Self {
        Self { period: Duration::from_secs(seconds.into()), sent: now, asked: None }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    pub(super) fn answered(&mut self) {
        self.asked = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.period.is_zero() {
            return None;
        }
        Some(self.asked.map_or(self.sent + self.period, |asked| asked + self.period.min(PING_TIME)))
    }

    pub(super) fn tick(&mut self, now: Instant) -> Due {
        match (self.deadline().is_some_and(|due| due <= now), self.asked) {
            (false, _) => Due::Nothing,
            (true, None) => {
                self.asked = Some(now);
                Due::Ping
            }
            (true, Some(_)) => Due::Loss,
        }
    }
}

//! Which protocol a load is put on with, and how the command line asks for it.

use std::fmt;
use std::num::NonZeroU16;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};
use wire::mqtt::{QoS, Version};

use super::args::Pace;
use super::forms::{Forms, Heard, Published};
use super::framed::Framing;
use super::mqtt::{Carrier, Mqtt};
use super::payload::NEWLINE;

/// What publishers and subscribers speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Lines.
    #[default]
    Text,
    /// Packets, with acknowledgements at QoS 1 and 2.
    Mqtt(Mqtt),
    /// What another broker speaks.
    Framed(&'static Framing),
    /// What else the broker has: HTTP, Server-Sent Events, JSON over WebSocket, lines with answers.
    Forms(Forms),
}

#[derive(Debug, Args)]
pub(super) struct ProtocolArgs {
    /// What publishers and subscribers speak
    #[arg(long, default_value = "text", value_name = "PROTOCOL")]
    proto: ProtocolName,
    /// What publishers send, where text, sse, ws or http is spoken [default: text; http where that is spoken]
    #[arg(long, value_name = "FORM")]
    publish: Option<Published>,
    /// Of messages and subscriptions (mqtt) [default: 0]
    #[arg(long, value_name = "QOS", value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: Option<u8>,
    /// 3.1.1, or 5 (mqtt) [default: 3.1.1]
    #[arg(long, value_name = "VERSION")]
    mqtt_version: Option<VersionName>,
    /// Messages a publisher may have unacknowledged at QoS 1 and 2, of which a server of 5 may allow fewer, or unanswered
    /// [default: the window, or 1024 at a rate]
    #[arg(long, value_name = "MESSAGES")]
    unacked: Option<NonZeroU16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProtocolName {
    /// Lines
    Text,
    /// Packets, to any MQTT broker
    Mqtt,
    /// The same over WebSocket, at /mqtt
    MqttWs,
    /// Subscribers hear Server-Sent Events
    Sse,
    /// Subscribers hear JSON over WebSocket
    Ws,
    /// Publishers send requests; subscribers hear lines
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum VersionName {
    #[value(name = "3.1.1")]
    V311,
    #[value(name = "5")]
    V5,
}

impl ProtocolName {
    /// What clients that only hear speak.
    pub(super) fn idle(self) -> anyhow::Result<Protocol> {
        let pace = Pace::Window(1);
        match self {
            ProtocolName::Mqtt => Protocol::mqtt(Version::V311, 0, Carrier::Socket, None, pace),
            ProtocolName::MqttWs => Protocol::mqtt(Version::V311, 0, Carrier::Frames, None, pace),
            ProtocolName::Text => Ok(Protocol::Text),
            ProtocolName::Sse => Protocol::forms(Heard::Events, Published::Lines, None, pace),
            ProtocolName::Ws => Protocol::forms(Heard::Frames, Published::Lines, None, pace),
            ProtocolName::Http => bail!("who publishes by HTTP hears nothing: sse is for those who hear"),
        }
    }
}

impl ProtocolArgs {
    /// The protocol that is asked for, under a load of this pace.
    pub(super) fn check(&self, pace: Pace) -> anyhow::Result<Protocol> {
        let (heard, default) = match self.proto {
            ProtocolName::Mqtt => return self.check_mqtt(Carrier::Socket, pace),
            ProtocolName::MqttWs => return self.check_mqtt(Carrier::Frames, pace),
            ProtocolName::Text => (Heard::Lines, Published::Lines),
            ProtocolName::Sse => (Heard::Events, Published::Lines),
            ProtocolName::Ws => (Heard::Frames, Published::Lines),
            ProtocolName::Http => (Heard::Lines, Published::Posts),
        };
        let of_mqtt = self.qos.is_some() || self.mqtt_version.is_some();
        ensure!(!of_mqtt, "--qos and --mqtt-version need --proto mqtt or mqtt-ws");
        let published = self.publish.unwrap_or(default);
        let is_answered = published != Published::Lines;
        ensure!(is_answered || self.unacked.is_none(), "--unacked needs --proto mqtt or http, or --publish");
        Protocol::forms(heard, published, self.unacked, pace)
    }

    fn check_mqtt(&self, carrier: Carrier, pace: Pace) -> anyhow::Result<Protocol> {
        ensure!(self.publish.is_none(), "over MQTT, publishers speak MQTT: --publish is for the others");
        let version = match self.mqtt_version.unwrap_or(VersionName::V311) {
            VersionName::V311 => Version::V311,
            VersionName::V5 => Version::V5,
        };
        Protocol::mqtt(version, self.qos.unwrap_or(0), carrier, self.unacked, pace)
    }
}

impl Protocol {
    /// MQTT. As many messages as the window holds may be unacknowledged, where nothing else is given.
    ///
    /// # Errors
    /// If there is no such QoS.
    pub fn mqtt(
        version: Version,
        qos: u8,
        carrier: Carrier,
        unacked_max: Option<NonZeroU16>,
        pace: Pace,
    ) -> anyhow::Result<Protocol> {
        let qos = QoS::of(qos).context("QoS is 0, 1 or 2")?;
        let unacked_max = unacked(unacked_max, pace)?;
        Ok(Protocol::Mqtt(Mqtt { version, qos, unacked_max, carrier }))
    }

    /// What else the broker has. As many messages as the window holds may be unanswered, where nothing else is given.
    ///
    /// # Errors
    /// If the window is empty.
    pub fn forms(
        heard: Heard,
        published: Published,
        unanswered_max: Option<NonZeroU16>,
        pace: Pace,
    ) -> anyhow::Result<Protocol> {
        if (heard, published) == (Heard::Lines, Published::Lines) {
            return Ok(Protocol::Text);
        }
        let unanswered_max = unacked(unanswered_max, pace)?;
        Ok(Protocol::Forms(Forms { heard, published, unanswered_max }))
    }

    /// Whether a message may be lost without anyone being told.
    pub(super) fn may_lose(self) -> bool {
        match self {
            Protocol::Text | Protocol::Forms(_) => false,
            Protocol::Mqtt(mqtt) => mqtt.qos == QoS::AtMostOnce,
            Protocol::Framed(_) => true,
        }
    }

    /// What follows a payload that is delivered.
    pub(super) fn tail(self) -> &'static str {
        match self {
            Protocol::Text => NEWLINE,
            Protocol::Mqtt(_) => "",
            Protocol::Framed(framing) => framing.tail,
            Protocol::Forms(forms) => forms.heard_tail(),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Text => f.write_str("text"),
            Protocol::Mqtt(mqtt) => mqtt.fmt(f),
            Protocol::Framed(framing) => f.write_str(framing.name),
            Protocol::Forms(forms) => forms.fmt(f),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is given, or the window.
fn unacked(given: Option<NonZeroU16>, pace: Pace) -> anyhow::Result<NonZeroU16> {
    let default = match pace {
        Pace::Window(messages) => u16::try_from(messages).unwrap_or(u16::MAX),
        Pace::Rate(_) => UNACKED_AT_A_RATE,
    };
    given.or(NonZeroU16::new(default)).context("a window of 0 messages")
}

const UNACKED_AT_A_RATE: u16 = 1024;

//! The brokers that are measured: what each is called, speaks and is started with.
//!
//! Each listens on a port of 127.0.0.1, takes anybody, keeps nothing on disk and logs next to nothing. Bounds that would
//! make it lose messages of a subscriber that reads, or wait for acknowledgements every few messages, are lifted: the
//! generator's window is what bounds all of them alike.

use std::num::NonZeroU16;

use cli::bench::{Carrier, Framing, Heard, Hello, Pace, Protocol, Published, Version};

/// A broker, and how it is started.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) speaks: Speaks,
    /// The environment variable that tells where its binary is.
    pub(super) variable: &'static str,
    /// What the binary is called otherwise.
    pub(super) program: &'static str,
    /// `PORT` and `CONFIG` stand for what it listens on and the path of its configuration.
    pub(super) arguments: &'static [&'static str],
    /// What it listens on goes in place of `PORT`.
    pub(super) config: &'static str,
    /// Further lines where latency is measured.
    pub(super) paced: &'static str,
    /// What the file is called: some go by the extension.
    pub(super) config_name: &'static str,
    pub(super) version_flag: &'static str,
    pub(super) looked_at: LookedAt,
}

/// Whether a monitor and a page look at it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookedAt {
    Never,
    EachSecond,
}

/// What clients of a broker speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Mqtt,
    /// In frames of WebSocket.
    MqttWs,
    Text,
    /// What else Tidings has.
    Forms(Heard, Published),
    Framed(&'static Framing),
}

impl Speaks {
    /// The protocol for a load, of this QoS where there is such a thing. Publishers may have `unacked` messages
    /// unacknowledged, or as many as the load lets them.
    ///
    /// # Errors
    /// If there is no such QoS.
    pub(super) fn protocol(
        self,
        version: Version,
        qos: u8,
        unacked: Option<NonZeroU16>,
        pace: Pace,
    ) -> anyhow::Result<Protocol> {
        match self {
            Speaks::Mqtt => Protocol::mqtt(version, qos, Carrier::Socket, unacked, pace),
            Speaks::MqttWs => Protocol::mqtt(version, qos, Carrier::Frames, unacked, pace),
            Speaks::Forms(heard, published) => Protocol::forms(heard, published, unacked, pace),
            Speaks::Text => Ok(Protocol::Text),
            Speaks::Framed(framing) => Ok(Protocol::Framed(framing)),
        }
    }
}

/// What the others are compared to. `--server` tells where its binary is.
pub(super) const TIDINGS: Kind = Kind {
    name: "tidings",
    speaks: Speaks::Mqtt,
    variable: "",
    program: "tidings",
    arguments: &["server", "PORT"],
    config: "",
    paced: "",
    config_name: "unused",
    version_flag: "--version",
    looked_at: LookedAt::Never,
};

/// The same over its own protocol of lines.
pub(super) const TIDINGS_TEXT: Kind = Kind { name: "tidings-text", speaks: Speaks::Text, ..TIDINGS };

/// Ours in other ways. They and `mosquitto-ws` take part where a scenario names them.
pub(super) const TIDINGS_FORMS: &[Kind] = &[
    Kind { name: "tidings-sse", speaks: Speaks::Forms(Heard::Events, Published::Lines), ..TIDINGS },
    Kind { name: "tidings-ws", speaks: Speaks::Forms(Heard::Frames, Published::Lines), ..TIDINGS },
    Kind { name: "tidings-http", speaks: Speaks::Forms(Heard::Lines, Published::Posts), ..TIDINGS },
    Kind { name: "tidings-ack", speaks: Speaks::Forms(Heard::Lines, Published::AckedLines), ..TIDINGS },
    Kind { name: "tidings-mqtt-ws", speaks: Speaks::MqttWs, ..TIDINGS },
    Kind { name: "tidings-watched", looked_at: LookedAt::EachSecond, ..TIDINGS },
];

/// 0 is "no limit". With the defaults it would have 20 messages under way to a subscriber, and drop what 1,000 more
/// are waiting before. Without delay it writes every packet at once and is slower where there are many; with it, it
/// waits for up to 40 ms where there are few.
const MOSQUITTO: Kind = Kind {
    name: "mosquitto",
    speaks: Speaks::Mqtt,
    variable: "MOSQUITTO",
    program: "mosquitto",
    arguments: &["-c", "CONFIG"],
    config: "\
listener PORT 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
persistence false
log_dest stderr
log_type error
",
    paced: "set_tcp_nodelay true\n",
    config_name: "mosquitto.conf",
    version_flag: "-h",
    looked_at: LookedAt::Never,
};

pub(super) const KINDS: &[Kind] = &[
    MOSQUITTO,
    // The same with `protocol websockets` for its listener. 2.0.11 does not start without a listener of another kind, which
    // is a socket in its directory; as another user than root's it could not make that one there.
    Kind {
        name: "mosquitto-ws",
        speaks: Speaks::MqttWs,
        config: "\
listener PORT 127.0.0.1
protocol websockets
listener 0 unused.sock
user root
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
persistence false
log_dest stderr
log_type error
",
        ..MOSQUITTO
    },
    // Its own example, but for more under way than 100, a larger segment of the log that all read from, and no pause
    // between connections.
    Kind {
        name: "rumqttd",
        speaks: Speaks::Mqtt,
        variable: "RUMQTTD",
        program: "rumqttd",
        arguments: &["--config", "CONFIG"],
        config: "\
id = 0

[router]
id = 0
max_connections = 20010
max_outgoing_packet_count = 1024
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = \"v4-1\"
listen = \"127.0.0.1:PORT\"
next_connection_delay_ms = 0

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1024
dynamic_filters = true
",
        paced: "",
        config_name: "rumqttd.toml",
        version_flag: "--version",
        looked_at: LookedAt::Never,
    },
    // With its defaults it would drop what 512 messages or 64 KiB are under way before.
    Kind {
        name: "flashmq",
        speaks: Speaks::Mqtt,
        variable: "FLASHMQ",
        program: "flashmq",
        arguments: &["--config-file", "CONFIG"],
        config: "\
listen {
    protocol mqtt
    port PORT
    inet_protocol ip4
    inet4_bind_address 127.0.0.1
}
allow_anonymous true
max_qos_msg_pending_per_client 65535
max_qos_bytes_pending_per_client 268435456
log_level warning
",
        paced: "",
        config_name: "flashmq.conf",
        version_flag: "--version",
        looked_at: LookedAt::Never,
    },
    Kind {
        name: "redis",
        speaks: Speaks::Framed(&RESP),
        variable: "REDIS",
        program: "redis-server",
        arguments: &["CONFIG"],
        config: REDIS_CONFIG,
        paced: "",
        config_name: "redis.conf",
        version_flag: "--version",
        looked_at: LookedAt::Never,
    },
    Kind {
        name: "valkey",
        speaks: Speaks::Framed(&RESP),
        variable: "VALKEY",
        program: "valkey-server",
        arguments: &["CONFIG"],
        config: REDIS_CONFIG,
        paced: "",
        config_name: "valkey.conf",
        version_flag: "--version",
        looked_at: LookedAt::Never,
    },
    // With its defaults it would close a connection before which 64 MB are waiting, or a write of 10 s.
    Kind {
        name: "nats",
        speaks: Speaks::Framed(&NATS),
        variable: "NATS",
        program: "nats-server",
        arguments: &["-c", "CONFIG"],
        config: "\
host: \"127.0.0.1\"
port: PORT
max_pending: 1GB
write_deadline: \"60s\"
ping_interval: \"1h\"
",
        paced: "",
        config_name: "nats.conf",
        version_flag: "--version",
        looked_at: LookedAt::Never,
    },
];

/// With the default it would close a subscriber before which 8 MB are waiting for a minute, or 32 MB at all. In protected
/// mode it lets in nobody but 127.0.0.1, and other addresses of this machine connect as well.
const REDIS_CONFIG: &str = "\
bind 127.0.0.1
port PORT
protected-mode no
save \"\"
appendonly no
maxclients 20000
client-output-buffer-limit pubsub 0 0 0
loglevel warning
";

/// The protocol of Redis and Valkey. Publishers ask for no replies, of which there would be one for each message: nobody
/// waits for them, and other brokers send none.
const RESP: Framing = Framing {
    name: "RESP",
    publisher: Hello {
        says: "*1\r\n$4\r\nPING\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n",
        answer: "+PONG\r\n",
    },
    subscriber: Hello {
        says: "*2\r\n$9\r\nSUBSCRIBE\r\n${length}\r\n{topic}\r\n",
        answer: "*3\r\n$9\r\nsubscribe\r\n${length}\r\n{topic}\r\n:1\r\n",
    },
    published: "*3\r\n$7\r\nPUBLISH\r\n${length}\r\n{topic}\r\n${size}\r\n",
    delivered: "*3\r\n$7\r\nmessage\r\n${length}\r\n{topic}\r\n${size}\r\n",
    tail: "\r\n",
    asides: &[],
};

/// A PING comes two seconds after connecting, and then every hour; two may be unanswered.
const NATS: Framing = Framing {
    name: "NATS",
    publisher: Hello {
        says: "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n",
        answer: "PONG\r\n",
    },
    subscriber: Hello {
        says: "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB {topic} 1\r\nPING\r\n",
        answer: "PONG\r\n",
    },
    published: "PUB {topic} {size}\r\n",
    delivered: "MSG {topic} 1 {size}\r\n",
    tail: "\r\n",
    asides: &["PING\r\n"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_has_a_place_for_the_port_and_is_used() {
        for kind in KINDS {
            assert_eq!(kind.config.matches("PORT").count(), 1, "{}", kind.name);
            assert_eq!(kind.variable, kind.name.trim_end_matches("-ws").to_uppercase());
            assert!(kind.arguments.contains(&"CONFIG"), "{}", kind.name);
        }
    }
}

//! Reason codes (MQTT5 2.4), and the return codes of 3.1 and 3.1.1 in their terms.

use super::{Kind, Version};

/// Why something was done or refused. A number of 0x80 or more is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub u8);

impl Reason {
    pub const SUCCESS: Self = Self(0x00);
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    pub const GRANTED_QOS_0: Self = Self(0x00);
    pub const GRANTED_QOS_1: Self = Self(0x01);
    pub const GRANTED_QOS_2: Self = Self(0x02);
    pub const DISCONNECT_WITH_WILL: Self = Self(0x04);
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    pub const REAUTHENTICATE: Self = Self(0x19);
    /// Also the one failure that a SUBACK of 3.1.1 knows.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    pub const MALFORMED_PACKET: Self = Self(0x81);
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    pub const SERVER_BUSY: Self = Self(0x89);
    pub const BANNED: Self = Self(0x8a);
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8b);
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8c);
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8d);
    pub const SESSION_TAKEN_OVER: Self = Self(0x8e);
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8f);
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    pub const PACKET_ID_IN_USE: Self = Self(0x91);
    pub const PACKET_ID_NOT_FOUND: Self = Self(0x92);
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9a);
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9b);
    pub const USE_ANOTHER_SERVER: Self = Self(0x9c);
    pub const SERVER_MOVED: Self = Self(0x9d);
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9e);
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9f);
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xa0);
    pub const SUBSCRIPTION_IDS_NOT_SUPPORTED: Self = Self(0xa1);
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xa2);

    /// Whether something was refused or failed.
    #[inline]
    #[must_use]
    pub fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// The return code of a CONNACK of 3.1 and 3.1.1 (MQTT311 3.2.2.3). What those cannot say
    /// becomes "server unavailable", so that the client tries again later.
    #[must_use]
    pub fn return_code(self) -> u8 {
        match self {
            Self::UNSUPPORTED_PROTOCOL_VERSION => 1,
            Self::CLIENT_IDENTIFIER_NOT_VALID => 2,
            Self::BAD_USER_NAME_OR_PASSWORD => 4,
            Self::NOT_AUTHORIZED | Self::BANNED | Self::BAD_AUTHENTICATION_METHOD => 5,
            reason if reason.is_error() => 3,
            _ => 0,
        }
    }

    /// The reason that a return code of 3.1 and 3.1.1 stands for; `None` for a reserved one.
    pub(super) fn of_return_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::SUCCESS,
            1 => Self::UNSUPPORTED_PROTOCOL_VERSION,
            2 => Self::CLIENT_IDENTIFIER_NOT_VALID,
            3 => Self::SERVER_UNAVAILABLE,
            4 => Self::BAD_USER_NAME_OR_PASSWORD,
            5 => Self::NOT_AUTHORIZED,
            _ => return None,
        })
    }

    /// Whether a packet of this kind may say it, from whichever side.
    pub(super) fn is_one_of(self, version: Version, kind: Kind) -> bool {
        match (version, kind) {
            //= MQTT311-3.9.3-2
            (Version::V31 | Version::V311, Kind::SubAck) => matches!(self.0, 0..=2 | 0x80),
            // A CONNACK of those has a return code, the others have none.
            (Version::V31 | Version::V311, _) => false,
            (Version::V5, _) => self.is_in_packet_of_v5(kind),
        }
    }

    fn is_in_packet_of_v5(self, kind: Kind) -> bool {
        match kind {
            //= MQTT5-3.2.2-8
            Kind::ConnAck => matches!(
                self.0,
                0 | 0x80..=0x8a | 0x8c | 0x90 | 0x95 | 0x97 | 0x99..=0x9d | 0x9f
            ),
            //= MQTT5-3.4.2-1
            //= MQTT5-3.5.2-1
            Kind::PubAck | Kind::PubRec => {
                matches!(self.0, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            //= MQTT5-3.6.2-1
            //= MQTT5-3.7.2-1
            Kind::PubRel | Kind::PubComp => matches!(self.0, 0 | 0x92),
            //= MQTT5-3.9.3-2
            Kind::SubAck => {
                matches!(self.0, 0..=2 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91 | 0x97 | 0x9e | 0xa1 | 0xa2)
            }
            //= MQTT5-3.11.3-2
            Kind::UnsubAck => matches!(self.0, 0 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91),
            //= MQTT5-3.14.2-1
            Kind::Disconnect => matches!(
                self.0,
                0 | 0x04
                    | 0x80..=0x83
                    | 0x87
                    | 0x89
                    | 0x8b
                    | 0x8d..=0x90
                    | 0x93..=0xa2
            ),
            //= MQTT5-3.15.2-1
            Kind::Auth => matches!(self.0, 0 | 0x18 | 0x19),
            Kind::Connect
            | Kind::Publish
            | Kind::Subscribe
            | Kind::Unsubscribe
            | Kind::PingReq
            | Kind::PingResp => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_codes_of_the_older_versions() {
        for code in 0..=5 {
            assert_eq!(Reason::of_return_code(code).unwrap().return_code(), code);
        }
        assert_eq!(Reason::of_return_code(6), None);
        assert_eq!(Reason::BANNED.return_code(), 5);
        assert_eq!(Reason::QUOTA_EXCEEDED.return_code(), 3);
    }

    /// The numbers of table 2-6, by packet.
    #[test]
    fn every_packet_has_its_own_reasons() {
        let check = |kind: Kind, expected: &[u8]| {
            let allowed = (0..=255).filter(|code| Reason(*code).is_one_of(Version::V5, kind));
            assert_eq!(allowed.collect::<Vec<_>>(), expected, "{kind:?}");
        };
        check(
            Kind::ConnAck,
            &[
                0, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 140, 144, 149, 151, 153, 154, 155,
                156, 157, 159,
            ],
        );
        check(Kind::PubAck, &[0, 16, 128, 131, 135, 144, 145, 151, 153]);
        check(Kind::PubRec, &[0, 16, 128, 131, 135, 144, 145, 151, 153]);
        check(Kind::PubRel, &[0, 146]);
        check(Kind::PubComp, &[0, 146]);
        check(Kind::SubAck, &[0, 1, 2, 128, 131, 135, 143, 145, 151, 158, 161, 162]);
        check(Kind::UnsubAck, &[0, 17, 128, 131, 135, 143, 145]);
        check(
            Kind::Disconnect,
            &[
                0, 4, 128, 129, 130, 131, 135, 137, 139, 141, 142, 143, 144, 147, 148, 149, 150, 151, 152,
                153, 154, 155, 156, 157, 158, 159, 160, 161, 162,
            ],
        );
        check(Kind::Auth, &[0, 24, 25]);
        check(Kind::Publish, &[]);
    }
}

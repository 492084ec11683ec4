//! Which property may stand where, and how often (MQTT5 table 2-4).

use super::Property;
use crate::mqtt::Kind;

/// What has properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Connect,
    /// The properties of the will in a CONNECT.
    Will,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

impl Place {
    /// Where the properties of a packet stand, those of a will aside. `None` for the two that have
    /// none.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Connect => Self::Connect,
            Kind::ConnAck => Self::ConnAck,
            Kind::Publish => Self::Publish,
            Kind::PubAck => Self::PubAck,
            Kind::PubRec => Self::PubRec,
            Kind::PubRel => Self::PubRel,
            Kind::PubComp => Self::PubComp,
            Kind::Subscribe => Self::Subscribe,
            Kind::SubAck => Self::SubAck,
            Kind::Unsubscribe => Self::Unsubscribe,
            Kind::UnsubAck => Self::UnsubAck,
            Kind::Disconnect => Self::Disconnect,
            Kind::Auth => Self::Auth,
            Kind::PingReq | Kind::PingResp => return None,
        })
    }

    /// Whether the property may stand here.
    pub(super) fn allows(self, property: &Property<'_>) -> bool {
        match property {
            Property::PayloadFormat(_)
            | Property::MessageExpiry(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_) => matches!(self, Self::Publish | Self::Will),
            Property::SubscriptionId(_) => matches!(self, Self::Publish | Self::Subscribe),
            Property::SessionExpiry(_) => matches!(self, Self::Connect | Self::ConnAck | Self::Disconnect),
            Property::AuthMethod(_) | Property::AuthData(_) => {
                matches!(self, Self::Connect | Self::ConnAck | Self::Auth)
            }
            Property::RequestProblemInformation(_) | Property::RequestResponseInformation(_) => {
                self == Self::Connect
            }
            Property::WillDelay(_) => self == Self::Will,
            Property::ServerReference(_) => matches!(self, Self::ConnAck | Self::Disconnect),
            Property::ReasonString(_) => !matches!(
                self,
                Self::Connect | Self::Will | Self::Publish | Self::Subscribe | Self::Unsubscribe
            ),
            Property::ReceiveMaximum(_) | Property::TopicAliasMaximum(_) | Property::MaximumPacketSize(_) => {
                matches!(self, Self::Connect | Self::ConnAck)
            }
            Property::TopicAlias(_) => self == Self::Publish,
            Property::User(..) => true,
            Property::AssignedClientId(_)
            | Property::ServerKeepAlive(_)
            | Property::ResponseInformation(_)
            | Property::MaximumQoS(_)
            | Property::RetainAvailable(_)
            | Property::WildcardSubscriptionAvailable(_)
            | Property::SubscriptionIdAvailable(_)
            | Property::SharedSubscriptionAvailable(_) => self == Self::ConnAck,
        }
    }

    /// Whether the property may be there more than once: a message has one identifier for each
    /// subscription that it matched (MQTT5 3.3.2.3.8).
    pub(super) fn repeats(self, property: &Property<'_>) -> bool {
        match property {
            Property::User(..) => true,
            Property::SubscriptionId(_) => self == Self::Publish,
            _ => false,
        }
    }
}

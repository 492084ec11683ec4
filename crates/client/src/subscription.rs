//! What a client asks to hear.

use wire::mqtt::{Filters, Properties, PropertyWriter, QoS, SubscribeOptions, Version, put_filter};

use crate::message::{MessageError, check_length, put_user};

/// Filters that are asked for together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    pub filters: Vec<(String, SubscribeOptions)>,
    /// User properties of the SUBSCRIBE. They go with the first one only, not with those that repeat it
    /// to a server that has lost the session: a wish for history is fulfilled once.
    pub user: Vec<(String, String)>,
}

impl Subscription {
    /// One filter. Messages come with the QoS that they were published with, up to `qos`, and with
    /// their retain flag as it was published.
    #[must_use]
    pub fn to(filter: impl Into<String>, qos: QoS) -> Self {
        Self::default()
            .and(filter, SubscribeOptions { retain_as_published: true, ..SubscribeOptions::of_qos(qos) })
    }

    /// One filter more.
    #[must_use]
    pub fn and(mut self, filter: impl Into<String>, options: SubscribeOptions) -> Self {
        self.filters.push((filter.into(), options));
        self
    }

    pub(crate) fn encode(&self) -> Result<Request, MessageError> {
        let mut request = Request { count: self.filters.len(), ..Request::default() };
        for (filter, options) in &self.filters {
            check_length("a filter", filter.len())?;
            put_filter(&mut request.filters, filter, *options);
        }
        Filters::parse(Version::V5, &request.filters)?;
        put_user(&mut PropertyWriter::new(&mut request.properties), &self.user)?;
        Properties::parse(wire::mqtt::Place::Subscribe, &request.properties)?;
        Ok(request)
    }
}

/// A subscription as it stands in its packet.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) filters: Vec<u8>,
    /// How many of them.
    pub(crate) count: usize,
    pub(crate) properties: Vec<u8>,
}

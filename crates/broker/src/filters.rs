//! The filters of one subscription: one, or several that are granted together.

use std::sync::Arc;

use topic::Filter;

/// One filter nearly always; several have one cut between history and what is live.
#[derive(Debug, Clone)]
pub enum Filters {
    One(Filter),
    Several(Arc<[Filter]>),
}

impl Filters {
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new(filters: &[Filter]) -> Self {
        match filters {
            [] => panic!("a subscription has a filter"),
            [one] => Self::One(one.clone()),
            several => Self::Several(several.into()),
        }
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Filter] {
        match self {
            Self::One(filter) => std::slice::from_ref(filter),
            Self::Several(filters) => filters,
        }
    }
}

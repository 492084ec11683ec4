//! Who is connected, as an operator sees it.

use crate::connection::{ClientRow, RoleName};
use crate::station::Station;

/// How many connections of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Said that they publish.
    pub publishers: u64,
    /// Said that they subscribe.
    pub subscribers: u64,
    /// Connected by MQTT: may do both.
    pub clients: u64,
    /// Have not said anything yet, or are ending.
    pub others: u64,
}

impl Station {
    /// All connections as an operator sees them, at most `rows_max`.
    #[must_use]
    pub fn clients(&self, rows_max: usize) -> Vec<ClientRow> {
        let connections = self.connections.iter().take(rows_max);
        let rows = connections.map(|(conn, connection)| {
            let row = connection.row();
            ClientRow { queued_bytes: row.queued_bytes + self.queue_bytes(conn), ..row }
        });
        rows.collect()
    }

    /// How many connections of each kind there are.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for (_, connection) in self.connections.iter() {
            match connection.role() {
                RoleName::Publisher => census.publishers += 1,
                RoleName::Subscriber => census.subscribers += 1,
                RoleName::Client => census.clients += 1,
                RoleName::Unknown => census.others += 1,
            }
        }
        census
    }
}

//! What is asked of the server, on a thread that may wait.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::super::answers::{Client, Page, Shard, Shards, Status, Topic};
use super::super::api::{Api, ApiError};
use super::super::{clients, kick, topics};
use super::inputs::Input;

/// What the user looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    Clients {
        sort: clients::Sort,
        text: String,
    },
    /// Topics that begin like the text, or that it matches if it has wildcards.
    Topics {
        text: String,
    },
    Shards,
}

/// What the server told at once.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) status: Status,
    pub(super) rows: Rows,
}

/// The first rows of a list; or why there are none although there is a status, as with a filter that is none.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    Clients(View, Page<Client>),
    Topics(View, Page<Topic>),
    Shards(Vec<Shard>),
    Wrong(View, String),
}

/// The thread that asks.
#[derive(Debug)]
pub(super) struct Fetcher {
    orders: Sender<Order>,
}

#[derive(Debug)]
enum Order {
    LookAt(View),
    Kick(String),
}

impl Fetcher {
    /// Asks every `interval` and tells `inputs` the answers.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn start(api: Api, interval: Duration, inputs: Sender<Input>) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let ask = move || keep_asking(&api, interval, &ordered, &inputs);
        thread::Builder::new().name("fetch".to_owned()).spawn(ask)?;
        Ok(Self { orders })
    }

    pub(super) fn look_at(&self, view: View) {
        self.order(Order::LookAt(view));
    }

    pub(super) fn kick(&self, id: String) {
        self.order(Order::Kick(id));
    }

    fn order(&self, order: Order) {
        // The thread ends only with its program.
        drop(self.orders.send(order));
    }
}

fn keep_asking(api: &Api, interval: Duration, ordered: &Receiver<Order>, inputs: &Sender<Input>) {
    let mut view = View::Clients { sort: clients::Sort::Id, text: String::new() };
    let mut next = Instant::now() + interval;
    loop {
        match ordered.recv_timeout(next.saturating_duration_since(Instant::now())) {
            // Only the last one matters of those that came while an answer was waited for; the others are
            // answered in no time.
            Ok(Order::LookAt(wanted)) => view = wanted,
            Ok(Order::Kick(id)) => {
                let words = kick::kick(api, &id).unwrap_or_else(|ending| ending.into_words());
                if inputs.send(Input::Kicked(words)).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let fetched = Input::Fetched(Box::new(fetch(api, view.clone())));
        if inputs.send(fetched).is_err() {
            return;
        }
        // After the answer: a server that is slow is not asked more than it answers.
        next = Instant::now() + interval;
    }
}

/// Asks for the status and the rows that the user looks at.
///
/// # Errors
/// Why there is no status. What is wrong with the rows alone stands in their place.
pub(super) fn fetch(api: &Api, view: View) -> Result<Fetched, ApiError> {
    let status = api.get("/api/v1/status", &[])?;
    let rows = match rows(api, &view) {
        Ok(rows) => rows,
        Err(ApiError::Problem { problem, .. }) => Rows::Wrong(view, problem.to_string()),
        Err(error) => return Err(error),
    };
    Ok(Fetched { status, rows })
}

fn rows(api: &Api, view: &View) -> Result<Rows, ApiError> {
    let mut query = vec![("limit", ROWS_MAX)];
    Ok(match view {
        View::Clients { sort, text } => {
            query.push(("sort", sort.name()));
            query.extend(Some(("text", text.as_str())).filter(|_| !text.is_empty()));
            Rows::Clients(view.clone(), api.get(clients::PATH, &query)?)
        }
        View::Topics { text } => {
            let is_filter = text.contains(['+', '#']);
            let name = if is_filter { "filter" } else { "prefix" };
            query.extend(Some((name, text.as_str())).filter(|_| !text.is_empty()));
            Rows::Topics(view.clone(), api.get(topics::PATH, &query)?)
        }
        View::Shards => {
            let Shards { shards } = api.get("/api/v1/shards", &[])?;
            Rows::Shards(shards)
        }
    })
}

/// A page. Nobody scrolls through more.
const ROWS_MAX: &str = "1000";

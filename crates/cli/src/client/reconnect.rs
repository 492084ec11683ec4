//! Back to a lost server: pauses, and the introduction once more.

use std::time::{Duration, Instant};

use ::client::{Pauses, random};

use super::dialogue::{self, Interruption};
use super::session::Session;
use super::subscriber::{Introduction, Line, wish};
use crate::ending::Ending;

/// Tries until the server is back or the user leaves.
pub(super) fn return_to(
    session: &mut Session,
    introduction: &Introduction,
    pauses: &mut Pauses,
) -> Result<Line, Ending> {
    let lost = Instant::now();
    loop {
        pause(session, pauses.next(random()))?;
        // The server is not back yet, for whatever reason: that is what the pauses are for.
        let Ok(connection) = session.address.connect(&session.events) else { continue };
        let request = introduction.request.resumed(lost.elapsed());
        match dialogue::repeat(session, connection, &request, introduction.topic.as_deref()) {
            Ok(line) => return Ok(line),
            Err(Interruption::Lost(_)) => {}
            Err(Interruption::Ended(ending)) => return Err(ending),
        }
    }
}

fn pause(session: &mut Session, pause: Duration) -> Result<(), Ending> {
    let until = Instant::now() + pause;
    while let Some(event) = session.inbox.next(Some(until)) {
        if let Some(wish) = wish(session, event) {
            return Err(wish.ending());
        }
    }
    Ok(())
}

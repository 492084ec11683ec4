//! Attacks by connecting: more newcomers than anyone can want, and such as never say who they are.

use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::floods::in_threads;
use super::sockets::{Goodbye, Room, send_once};

/// Three threads connect, subscribe and close, as fast as they can.
pub(crate) fn hellos(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let counts = in_threads(3, || {
        let (mut hellos, mut failed) = (0_u64, 0_u64);
        while Instant::now() < until {
            // A reset now and then: it is noticed in another place than a close.
            let goodbye = if hellos % 4 == 0 { Goodbye::Reset } else { Goodbye::Close };
            match field.door.greet(Room::Usual, b"sub x\n") {
                Ok(peer) => peer.end(goodbye),
                Err(_) => failed += 1,
            }
            hellos += 1;
        }
        Ok((hellos, failed))
    })?;
    let (hellos, failed) =
        counts.iter().fold((0, 0), |sum, (hellos, failed)| (sum.0 + hellos, sum.1 + failed));
    field.note(format!("{hellos} hellos, {failed} connects failed"));
    Ok(())
}

/// Thousands of connections say nothing, or `P` and nothing more, and time out together.
pub(crate) fn half_hellos(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(8000, 4000));
    let until = field.begin();
    let mut rounds = 0;
    while Instant::now() < until {
        let mut crowd = field.door.crowd(size, Room::Usual, |_| String::new())?;
        let (half, _) = crowd.split_at_mut(size / 2);
        send_once(half, b"P", until);
        thread::sleep(PROMPT_DELAY * 2);
        crowd.into_iter().for_each(|peer| peer.end(Goodbye::Reset));
        rounds += 1;
    }
    field.note(format!("{rounds} rounds of {size} connections"));
    Ok(())
}

/// After this long a silent client is asked for its role.
const PROMPT_DELAY: Duration = Duration::from_millis(250);

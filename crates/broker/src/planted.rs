//! Bugs on purpose, to show that the simulator finds them.
//!
//! Without the feature `planted` the question [`is`] is a constant `false` and the compiler
//! removes every planted line. One bug at a time, per thread.

/// A mistake that a careful person could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Overflow drops without counting.
    ForgetGap,
    /// Overflow drops the newest messages, not the oldest.
    DropNewest,
    /// A queue has no bound.
    NoQueueBound,
    /// A remote publish is delivered even before that shard has granted.
    DeliverBeforeGrant,
    /// The acknowledgement does not wait for the other shards.
    AckBeforeGrant,
    /// A shard answers `Want` without noting the interest.
    GrantWithoutInterest,
    /// A new filter leaves the cached routes as they are.
    StaleRoute,
    /// The first of several subscribers that leaves takes the interest along.
    UnwantTooEarly,
    /// The last subscriber leaves and nobody is told.
    NeverUnwant,
    /// History is cut one message short.
    HistoryOneShort,
    /// History of several shards is put one after the other instead of merged.
    HistoryUnmerged,
    /// A brake is never released and never times out.
    BrakeForever,
    /// A run for several shards is mailed to the first one only.
    MailFirstShardOnly,
    /// A closed publisher's unfinished line is published.
    PublishUnfinished,
    /// The rest of a read behind the last newline is lost.
    LoseCarry,
    /// `terminate` is broadcast like any message.
    BroadcastTerminate,
    /// A receiver gets the bytes of another receiver's layout.
    WrongLayout,
    /// A gap is told one message too small.
    GapOneShort,
    /// Who waits for history and leaves is read for all the same.
    NeverCancel,
    /// What is published while history is read is missing from the answer.
    MissBehindWalk,
    /// A step reads history to its end, however long it is.
    StepWithoutBound,
    /// What a receiver had no room for is lost.
    LoseRest,
    /// A gap is told before the rest of a run that stood before it.
    RestBehindGap,
    /// The places of a queue stay charged when its session goes.
    KeepPlaces,
    /// A hello's timer runs although more has been said and not been read.
    TimerBeforeRead,
    /// Who waits for memory to finish a message is never read again.
    NeverResume,
    /// A queue that has lost messages brakes at once again.
    BrakeBehind,
    /// A queue that has lost messages never brakes again.
    BehindForever,
    /// The bound on answers that are not read is ignored.
    IgnoreReplies,
    /// History that is cut for want of memory is not announced.
    CutUnannounced,
    /// Messages are dropped and not counted.
    DropUncounted,
    /// What an unfinished message cost is never given back.
    KeepUnfinished,
    /// What was encoded for several receivers is never forgotten.
    KeepEncoded,
    /// An operator's kick does nothing.
    KickNobody,
    /// A message of exactly the limit is refused if its line end comes later.
    RefuseLongest,
    /// Reading history stops at a message that is too old, although the clock was set back there.
    StopAtJump,
    /// A queue drops messages when it is three quarters full.
    DropEarly,
    /// The time for a topic ends although one has come and has not been read.
    TimerBeforeTopic,
    /// Whoever is next when a message was refused for want of memory is not read on.
    RefuseAndStop,
    /// MQTT: what is sent again on a new connection lacks the first message.
    ForgetUnacked,
    /// MQTT: a message of QoS 2 that its client sends again is published again.
    PublishTwice,
    /// MQTT: what is sent again comes in the wrong order.
    ResendBackwards,
    /// MQTT: what is sent again has new packet ids.
    ResendNewIds,
    /// MQTT: what is sent again does not say so.
    ResendUnmarked,
    /// MQTT: a connection that has lost its session stays.
    KeepOldConnection,
    /// MQTT: more is under way than the client allows.
    IgnoreReceiveMax,
    /// MQTT: a session is resumed without what was not acknowledged.
    DropWindow,
    /// MQTT: a session is resumed without what its client has sent at QoS 2.
    ForgetReceived,
    /// MQTT: CONNACK does not say that the session is there.
    SessionUntold,
    /// MQTT: what a client did not get is not counted.
    LostUncounted,
    /// MQTT: the will of a client that has said goodbye is published.
    WillAfterDisconnect,
    /// MQTT: no will is published.
    WillNever,
    /// MQTT: the delay of a will is ignored.
    WillAtOnce,
    /// An empty retained message clears nothing.
    KeepRetained,
    /// A retained message does not take the place of the one before.
    RetainNothing,
    /// Messages that are worth nothing any more are delivered.
    IgnoreExpiry,
    /// What a member of a group was sent and did not acknowledge goes to nobody else.
    ShareUnacked,
    /// What a member was sent at QoS 2 goes to another one, and it gets it as well.
    ShareExactlyOnce,
    /// What is given to a member that has gone is lost.
    ShareGone,
    /// A member has joined before its group's subscription stands.
    JoinBeforeGrant,
    /// A group is not told that a member has room again.
    ForgetRoom,
    /// A position is one message too far.
    PositionAhead,
    /// Who goes on where it stood is not told that something is gone.
    ResumeUntold,
    /// HTTP: a request is answered and its message not published, if too many answers wait.
    AnswerUnpublished,
    /// HTTP: a body in chunks is published in front of what was pipelined before it.
    OvertakePipelined,
    /// HTTP: a line that ends with a chunk is published twice.
    RepeatLine,
    /// HTTP: a request of no lines waits for another byte.
    WaitForNothing,
    /// WebSocket: an answer has the id of the message before.
    AnswerIdBefore,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 68] = [
        Self::ForgetGap,
        Self::DropNewest,
        Self::NoQueueBound,
        Self::DeliverBeforeGrant,
        Self::AckBeforeGrant,
        Self::GrantWithoutInterest,
        Self::StaleRoute,
        Self::UnwantTooEarly,
        Self::NeverUnwant,
        Self::HistoryOneShort,
        Self::HistoryUnmerged,
        Self::BrakeForever,
        Self::MailFirstShardOnly,
        Self::PublishUnfinished,
        Self::LoseCarry,
        Self::BroadcastTerminate,
        Self::WrongLayout,
        Self::GapOneShort,
        Self::NeverCancel,
        Self::MissBehindWalk,
        Self::StepWithoutBound,
        Self::LoseRest,
        Self::RestBehindGap,
        Self::KeepPlaces,
        Self::TimerBeforeRead,
        Self::NeverResume,
        Self::BrakeBehind,
        Self::BehindForever,
        Self::IgnoreReplies,
        Self::CutUnannounced,
        Self::DropUncounted,
        Self::KeepUnfinished,
        Self::KeepEncoded,
        Self::KickNobody,
        Self::RefuseLongest,
        Self::StopAtJump,
        Self::DropEarly,
        Self::TimerBeforeTopic,
        Self::RefuseAndStop,
        Self::ForgetUnacked,
        Self::PublishTwice,
        Self::ResendBackwards,
        Self::ResendNewIds,
        Self::ResendUnmarked,
        Self::KeepOldConnection,
        Self::IgnoreReceiveMax,
        Self::DropWindow,
        Self::ForgetReceived,
        Self::SessionUntold,
        Self::LostUncounted,
        Self::WillAfterDisconnect,
        Self::WillNever,
        Self::WillAtOnce,
        Self::KeepRetained,
        Self::RetainNothing,
        Self::IgnoreExpiry,
        Self::ShareUnacked,
        Self::ShareExactlyOnce,
        Self::ShareGone,
        Self::JoinBeforeGrant,
        Self::ForgetRoom,
        Self::PositionAhead,
        Self::ResumeUntold,
        Self::AnswerUnpublished,
        Self::OvertakePipelined,
        Self::RepeatLine,
        Self::WaitForNothing,
        Self::AnswerIdBefore,
    ];
}

#[cfg(feature = "planted")]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or pulls it out again.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this bug is planted: never in this build.
#[cfg(not(feature = "planted"))]
#[inline(always)]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

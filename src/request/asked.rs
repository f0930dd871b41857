use std::{fmt, ops::Deref};

use algedonic_transport::{EventId, Metadata};
use tokio::time::Instant;

use crate::event::Cause;

/// A request in the hands of its responder; derefs to the request.
pub struct Asked<R> {
    request: R,
    metadata: Metadata,
    deadline: Instant,
}

impl<R> Asked<R> {
    pub(super) fn new(request: R, metadata: Metadata, deadline: Instant) -> Self {
        Self {
            request,
            metadata,
            deadline,
        }
    }

    /// The request itself.
    pub fn into_request(self) -> R {
        self.request
    }

    /// Who asked, when, why, in which conversation.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The identity of this request.
    pub fn id(&self) -> EventId {
        self.metadata.id
    }

    /// What an event has to carry that is published because of this request. Inside the responder
    /// it does without the caller's doing.
    pub fn cause(&self) -> Cause {
        Cause::of(&self.metadata)
    }

    /// When the asker stops waiting, and the responder's work with it.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl<R> Deref for Asked<R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.request
    }
}

impl<R> fmt::Debug for Asked<R> {
    /// Without the request, which may hold what does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("metadata", &self.metadata)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

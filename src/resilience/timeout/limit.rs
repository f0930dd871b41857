use std::time::Duration;

/// Says how long a request itself allows, such as one that came with a deadline.
///
/// Any function of the request is one: `|request: &Request| -> Option<Duration>`. It runs in the call.
pub trait Limit<Request> {
    /// How long; none if it does not say. It counts where it is shorter than what is configured: it
    /// never prolongs. With zero only what is answered at once is in time.
    fn limit(&self, request: &Request) -> Option<Duration>;
}

/// No request says anything: what is configured counts. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsConfigured;

impl<Request> Limit<Request> for AsConfigured {
    #[inline]
    fn limit(&self, _: &Request) -> Option<Duration> {
        None
    }
}

impl<Request, F: Fn(&Request) -> Option<Duration>> Limit<Request> for F {
    fn limit(&self, request: &Request) -> Option<Duration> {
        self(request)
    }
}

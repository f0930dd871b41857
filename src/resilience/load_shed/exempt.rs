/// Says which requests are never shed, such as signals, or those of a priority.
///
/// Any function of a request is one: `|request: &Request| -> bool`. It runs in the call, and only while the service
/// inside is not ready.
pub trait Exempt<Request> {
    /// Whether this one waits where others are refused.
    fn is_exempt(&self, request: &Request) -> bool;
}

/// No request is exempt. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

impl<Request> Exempt<Request> for Nothing {
    #[inline]
    fn is_exempt(&self, _: &Request) -> bool {
        false
    }
}

impl<Request, F: Fn(&Request) -> bool> Exempt<Request> for F {
    fn is_exempt(&self, request: &Request) -> bool {
        self(request)
    }
}

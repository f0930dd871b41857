use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::{Mutex, PoisonError},
};

use tower::{Service, util::Oneshot};

/// Answers in place of a service that failed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer a `{Request}` with a `{T}` when there is a `{E}`",
    note = "`respond` wants a function `Fn(&Error) -> Response`, `recover` one of the request and the error, whose \
            future gives a `Result<Response, _>`, and `service` a service of the same request and response that is `Clone`; \
            but for `respond` the request has to be `Clone`"
)]
pub trait Backup<Request, T, E> {
    /// What it needs of the request, from before the call until it is clear that the service has not failed.
    type Kept;
    /// Why it may fail itself.
    type Error;
    /// Its answer.
    type Future: Future<Output = Result<T, Self::Error>>;

    /// Takes from the request what it needs. For each call, before it.
    fn keep(&self, request: &Request) -> Self::Kept;

    /// Answers. At most once for each call; what the service had held for it is free.
    fn answer(&self, kept: Self::Kept, error: &E) -> Self::Future;
}

/// A function of the error; see [`respond`](super::FallbackBuilder::respond).
#[derive(Clone, Copy)]
pub struct Respond<F>(pub(super) F);

impl<Request, T, E, F: Fn(&E) -> T> Backup<Request, T, E> for Respond<F> {
    type Kept = ();
    type Error = Infallible;
    type Future = Ready<Result<T, Infallible>>;

    #[inline]
    fn keep(&self, _: &Request) {}

    fn answer(&self, (): (), error: &E) -> Self::Future {
        ready(Ok((self.0)(error)))
    }
}

/// A function of the request and the error; see [`recover`](super::FallbackBuilder::recover).
#[derive(Clone, Copy)]
pub struct Recover<F>(pub(super) F);

impl<Request, T, E, X, F, Answer> Backup<Request, T, E> for Recover<F>
where
    Request: Clone,
    F: Fn(Request, &E) -> Answer,
    Answer: Future<Output = Result<T, X>>,
{
    type Kept = Request;
    type Error = X;
    type Future = Answer;

    #[inline]
    fn keep(&self, request: &Request) -> Request {
        request.clone()
    }

    fn answer(&self, request: Request, error: &E) -> Answer {
        (self.0)(request, error)
    }
}

/// Another service; see [`service`](super::FallbackBuilder::service).
// In a lock, so that a service that is `Send` will do: it is cloned by futures that share it.
pub struct Another<S>(Mutex<S>);

impl<S> Another<S> {
    pub(super) const fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }
}

impl<S: Clone> Another<S> {
    fn service(&self) -> S {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl<S: Clone> Clone for Another<S> {
    fn clone(&self) -> Self {
        Self::new(self.service())
    }
}

impl<Request, T, E, S> Backup<Request, T, E> for Another<S>
where
    Request: Clone,
    S: Service<Request, Response = T> + Clone,
{
    type Kept = Request;
    type Error = S::Error;
    type Future = Oneshot<S, Request>;

    #[inline]
    fn keep(&self, request: &Request) -> Request {
        request.clone()
    }

    fn answer(&self, request: Request, _: &E) -> Self::Future {
        Oneshot::new(self.service(), request)
    }
}

macro_rules! debug_by_name {
    ($($name:ident)*) => {$(
        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_name!(Respond Recover Another);

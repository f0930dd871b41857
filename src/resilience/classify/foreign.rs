//! What the errors of others mean.

use std::{convert::Infallible, error::Error as StdError, io, sync::Arc};

use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

use super::{Class, Classify, Kind};
use crate::{
    Error, ErrorKind,
    resilience::{Rejection, timeout},
};

impl Classify for Infallible {
    fn class(&self) -> Class {
        match *self {}
    }
}

impl Classify for str {
    fn class(&self) -> Class {
        Class::of(Kind::Dependency)
    }
}

impl Classify for String {
    fn class(&self) -> Class {
        self.as_str().class()
    }
}

impl<E: Classify + ?Sized> Classify for &E {
    fn class(&self) -> Class {
        (**self).class()
    }
}

impl<E: Classify + ?Sized> Classify for Box<E> {
    fn class(&self) -> Class {
        (**self).class()
    }
}

impl<E: Classify + ?Sized> Classify for Arc<E> {
    fn class(&self) -> Class {
        (**self).class()
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        let kind = match self.kind() {
            ErrorKind::Busy => Kind::LocalRejection,
            ErrorKind::Closed => Kind::Cancelled,
            ErrorKind::Malformed | ErrorKind::TooLarge | ErrorKind::Unsupported => Kind::Invalid,
            ErrorKind::TimedOut => Kind::Timeout,
            _ => Kind::Dependency,
        };
        Class::of(kind).with_verdict(self.verdict())
    }
}

impl Classify for io::Error {
    fn class(&self) -> Class {
        use io::ErrorKind::{InvalidInput, TimedOut, Unsupported};
        let inside = self.get_ref().and_then(|inside| first_known(inside));
        inside.unwrap_or_else(|| {
            Class::of(match self.kind() {
                TimedOut => Kind::Timeout,
                InvalidInput | Unsupported => Kind::Invalid,
                _ => Kind::Dependency,
            })
        })
    }
}

impl Classify for tokio::time::error::Elapsed {
    fn class(&self) -> Class {
        Class::of(Kind::Timeout)
    }
}

impl Classify for Elapsed {
    fn class(&self) -> Class {
        Class::of(Kind::Timeout)
    }
}

impl Classify for Overloaded {
    fn class(&self) -> Class {
        Class::of(Kind::LocalRejection)
    }
}

impl Classify for dyn StdError + 'static {
    fn class(&self) -> Class {
        first_known(self).unwrap_or(Class::of(Kind::Dependency))
    }
}

impl Classify for dyn StdError + Send + 'static {
    fn class(&self) -> Class {
        let error: &(dyn StdError + 'static) = self;
        error.class()
    }
}

impl Classify for dyn StdError + Send + Sync + 'static {
    fn class(&self) -> Class {
        let error: &(dyn StdError + 'static) = self;
        error.class()
    }
}

/// What the first one says that has a say, from the outside in.
fn first_known(error: &(dyn StdError + 'static)) -> Option<Class> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(class) = known(error) {
            return Some(class);
        }
        next = error.source();
    }
    None
}

fn known(error: &(dyn StdError + 'static)) -> Option<Class> {
    fn of<E: StdError + Classify + 'static>(error: &(dyn StdError + 'static)) -> Option<Class> {
        error.downcast_ref::<E>().map(Classify::class)
    }
    of::<Rejection>(error)
        .or_else(|| of::<timeout::Elapsed>(error))
        .or_else(|| of::<Error>(error))
        .or_else(|| of::<io::Error>(error))
        .or_else(|| of::<tokio::time::error::Elapsed>(error))
        .or_else(|| of::<Elapsed>(error))
        .or_else(|| of::<Overloaded>(error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Verdict,
        resilience::{Name, Reason},
    };

    type BoxError = Box<dyn StdError + Send + Sync>;

    /// What an application wraps its errors into.
    #[derive(Debug)]
    struct Wrapped(BoxError);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl StdError for Wrapped {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn a_known_error_is_found_below_any_wrapping() {
        let second = Duration::from_secs(1);
        let rejection =
            || Rejection::new(Name::from_static("db"), Reason::BreakerOpen, Some(second));
        let expected = Class::of(Kind::LocalRejection).with_retry_after(second);
        let boxed: BoxError = Box::new(rejection());
        assert_eq!(boxed.class(), expected);
        let wrapped: BoxError = Box::new(Wrapped(boxed));
        assert_eq!(wrapped.class(), expected);
        assert_eq!(io::Error::other(Wrapped(wrapped)).class(), expected);
    }

    #[test]
    fn what_nothing_is_known_of_is_the_dependencys_doing() {
        let boxed: BoxError = "lost".into();
        assert_eq!(boxed.class(), Class::of(Kind::Dependency));
        assert_eq!(Wrapped(boxed).0.class(), "lost".class());
    }

    #[test]
    fn a_verdict_of_ours_is_kept() {
        let denied = Error::permanent(ErrorKind::Denied, "log in").class();
        assert_eq!(
            (denied.kind(), denied.verdict()),
            (Kind::Dependency, Verdict::Permanent)
        );
        let late: BoxError = Box::new(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(late.class(), Class::of(Kind::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_of_tokio_or_tower_is_one() {
        let elapsed =
            tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert_eq!(elapsed.expect_err("late").class().kind(), Kind::Timeout);
        let boxed: BoxError = Box::new(Elapsed::new());
        assert_eq!(boxed.class().kind(), Kind::Timeout);
        let boxed: BoxError = Box::new(Overloaded::new());
        assert_eq!(boxed.class().kind(), Kind::LocalRejection);
    }
}

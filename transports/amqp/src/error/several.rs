//! What is said when none of several addresses works?

use std::{error::Error as _, io};

use algedonic_transport::{Error, ErrorKind};

use super::During;

/// No configured address worked. The worst that can be said of all of them, so that one that waiting may mend is
/// tried again soon.
pub(crate) fn all_failed(errors: Vec<Error>) -> Error {
    let transient = errors.iter().position(Error::is_transient);
    failed(errors, transient.unwrap_or(0))
}

/// No address of one name worked. Most often it is one machine, and nobody listens at its other addresses: then what
/// is permanent at one is so at all.
pub(crate) fn name_failed(errors: Vec<Error>) -> Error {
    let permanent = errors.iter().position(|error| !error.is_transient());
    match permanent {
        Some(permanent)
            if errors
                .iter()
                .all(|one| !one.is_transient() || is_refused(one)) =>
        {
            failed(errors, permanent)
        }
        _ => all_failed(errors),
    }
}

/// Nobody listens there.
fn is_refused(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    source.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The one of them at `worst` speaks for all.
fn failed(mut errors: Vec<Error>, worst: usize) -> Error {
    if errors.len() == 1 {
        return errors.remove(0);
    }
    let operation = During::Connect.operation();
    let lead = format!("failed to {operation}: ");
    let told: Vec<_> = errors
        .iter()
        .map(ToString::to_string)
        .map(|text| text.strip_prefix(&lead).map(str::to_owned).unwrap_or(text))
        .collect();
    let worst = errors.get(worst);
    let kind = worst.map_or(ErrorKind::Unavailable, Error::kind);
    let all = match worst {
        Some(worst) if !worst.is_transient() => Error::permanent(kind, operation),
        _ => Error::transient(kind, operation),
    };
    let all = all.with_detail(told.join("; "));
    match worst {
        Some(worst) => all.with_source(worst.clone()),
        None => all,
    }
}

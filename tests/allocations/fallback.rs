use algedonic::resilience::{
    Notice,
    breaker::{BreakerConfig, BreakerLayer},
    fallback::{FallbackConfig, FallbackLayer},
};
use tower::Layer;

use crate::{
    Case,
    inner::{Answer, AtOnce, Never, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![responded(), recovered(), another(), works(), dropped()]
}

/// By a function of the error, with an observer, and who is not answered.
fn responded() -> Case {
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .observer(|_: Notice| ())
        .respond(|_: &&'static str| ())
        .when(|error: &&'static str| *error == "lost")
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("fallback: a function of the error", move || {
        for (answer, is_answered) in [(Ok(()), true), (Err("lost"), true), (Err("no"), false)] {
            let answered = call(&mut service, answer).expect("at once");
            assert_eq!(answered.is_ok(), is_answered);
        }
    })
}

fn recovered() -> Case {
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .recover(|_: Answer, error: &&'static str| std::future::ready(Err::<(), _>(*error)))
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("fallback: both fail", move || {
        let both = call(&mut service, Err("lost")).expect("at once");
        assert!(both.is_err_and(|error| error.backup() == Some(&"lost")));
    })
}

fn another() -> Case {
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .service(AtOnce)
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("fallback: another service", move || {
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

/// A clone of this one would allocate: there is none while the service works.
fn works() -> Case {
    let breaker = BreakerLayer::new(BreakerConfig::default()).expect("good");
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .service(breaker.layer(AtOnce))
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("fallback: not needed", move || {
        assert!(call(&mut service, Ok(())).expect("at once").is_ok());
    })
}

fn dropped() -> Case {
    let layer = FallbackLayer::builder(FallbackConfig::default())
        .service(AtOnce)
        .build()
        .expect("good");
    let mut service = layer.layer(Never);
    Case::new("fallback: dropped", move || {
        assert!(call(&mut service, Ok(())).is_none());
    })
}

//! Another fallback, where it differs from the properties, and so from ours. A test here fails when a new release of
//! theirs has mended what it shows; then the comparison is to be told anew.

use tower::{Layer, Service};
use tower_resilience_fallback::FallbackLayer as TheirLayer;

use crate::resilience::{
    Kind,
    fallback::{Error, FallbackConfig, FallbackLayer},
    probe::{Answer, Ask, Dependency, Does, Failed, Probe},
    rig::{End, Rig},
};

const PRIMARY: Failed = Failed::of(Kind::Dependency);
const BACKUP: Failed = Failed::of(Kind::Timeout);

fn ours(
    primary: &Dependency,
    backup: &Dependency,
) -> impl Service<Ask, Response = u64, Error = Error<Failed, Failed>> + Clone + use<> {
    let builder = FallbackLayer::builder(FallbackConfig::default()).service(backup.service());
    builder.build().expect("good").layer(primary.service())
}

fn theirs(
    primary: &Dependency,
    backup: &Dependency,
) -> impl Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone + use<> {
    let layer = TheirLayer::<Ask, u64, Failed>::tower_service(backup.service());
    Layer::<Probe>::layer(&layer, primary.service())
}

/// What a caller hears when both fail.
fn both_fail<S>(service: impl FnOnce(&Dependency, &Dependency) -> S) -> End<S::Error>
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let dependencies = [(); 2].map(|()| Dependency::with_places(usize::MAX));
    let [primary, backup] = &dependencies;
    let mut rig = Rig::new(vec![service(primary, backup)]);
    let call = rig.call(0, Does::Wait).expect("ready");
    for (dependency, failed) in [(primary, PRIMARY), (backup, BACKUP)] {
        assert!(dependency.answer(call, Answer::Fails(failed)));
        rig.settle();
    }
    rig.ends.remove(&call).expect("it has ended")
}

/// FB-3: theirs forgets why the service itself had failed.
#[test]
fn fb_3_both_fail() {
    let heard = both_fail(ours);
    let both = |error: &Error<Failed, Failed>| matches!(error, Error::Both { primary, backup } if (*primary, *backup) == (PRIMARY, BACKUP));
    assert!(matches!(&heard, End::Result(Err(error)) if both(error)));
    let heard = format!("{:?}", both_fail(theirs));
    assert!(
        heard.contains("Timeout") && !heard.contains("Dependency"),
        "{heard}"
    );
}

/// Two calls wait for a fallback without a place; the first leaves, and there are places. Whether the second is served.
fn answered_after_the_first_left<S>(service: impl FnOnce(&Dependency, &Dependency) -> S) -> bool
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let (primary, backup) = (
        Dependency::with_places(usize::MAX),
        Dependency::with_places(0),
    );
    let mut rig = Rig::new(vec![service(&primary, &backup)]);
    let calls = [(); 2].map(|()| rig.call(0, Does::Wait).expect("ready"));
    for call in calls {
        assert!(primary.answer(call, Answer::Fails(PRIMARY)));
    }
    rig.settle();
    rig.forget(0);
    backup.set_places(2);
    rig.settle();
    backup.running() == [calls[1]]
}

/// FB-4: who waits for the fallback is served when another of them leaves, here and there.
#[test]
fn fb_4_who_waits_for_the_fallback_while_another_leaves() {
    assert!(answered_after_the_first_left(ours));
    assert!(answered_after_the_first_left(theirs));
}

use std::{
    any::TypeId,
    collections::{HashMap, hash_map::Entry},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use algedonic_transport::{Error, ErrorKind, Key, Message, Metadata, Pattern};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Outage,
    feed::{AnyFeed, LaneFeed},
};
use crate::{
    event::{Event, codec},
    local::{Local, Taps},
};

pub(crate) type Routes = HashMap<TypeId, Route>;

/// Opens the lane of a type, by its place among the taps, to what leaves the process.
type Open = fn(&Route, &Local, &Taps, usize, Duration) -> Box<dyn AnyFeed>;
type Dispatch = fn(Arc<Local>, &Message) -> Result<Dispatched, Error>;
/// The delivery of one received event; it may wait for subscribers that chose `Block`.
pub(crate) type Dispatched = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How events of one type are mirrored: where serde meets the bus.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    type_id: TypeId,
    pub(crate) name: Key,
    pub(crate) version: u32,
    pub(crate) keys: Pattern,
    pub(super) outage: Outage,
    pub(super) open: Option<Open>,
    pub(crate) dispatch: Option<Dispatch>,
}

impl Route {
    /// # Errors
    ///
    /// A pattern that breaks the rules, or a name that belongs to the bus.
    pub(crate) fn of<E: Event>() -> Result<Self, Error> {
        let misconfigured = || Error::permanent(ErrorKind::Misconfigured, "register an event type");
        let name = const { Key::from_static(E::NAME) };
        if E::NAME.starts_with("algedonic.") {
            return Err(misconfigured().with_detail(format!(
                "the name {name} begins with algedonic., which belongs to the bus"
            )));
        }
        let keys = Pattern::new(E::KEYS).map_err(|error| {
            misconfigured()
                .with_detail(format!("the keys of {name}: {error}"))
                .with_source(error)
        })?;
        Ok(Self {
            type_id: TypeId::of::<E>(),
            name,
            version: E::VERSION,
            keys,
            outage: Outage::LocalOnly,
            open: None,
            dispatch: None,
        })
    }

    pub(crate) fn both<E: Event + Serialize + DeserializeOwned>(self) -> Self {
        self.outbound::<E>().inbound::<E>()
    }

    pub(crate) fn outbound<E: Event + Serialize>(mut self) -> Self {
        self.open = Some(open::<E>);
        self
    }

    pub(super) fn outage(mut self, outage: Outage) -> Self {
        self.outage = outage;
        self
    }

    pub(crate) fn inbound<E: Event + DeserializeOwned>(mut self) -> Self {
        self.dispatch = Some(dispatch::<E>);
        self
    }
}

/// Adds a route, or joins the other direction to one that is there.
pub(super) fn add(routes: &mut Routes, route: Route) -> Result<(), Error> {
    let taken = |other: &&Route| other.name == route.name && other.type_id != route.type_id;
    if let Some(other) = routes.values().find(taken) {
        return Err(
            Error::permanent(ErrorKind::Misconfigured, "register an event type")
                .with_detail(format!("two types have the name {}", other.name)),
        );
    }
    match routes.entry(route.type_id) {
        Entry::Vacant(new) => {
            new.insert(route);
        }
        Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.outage = known.outage.max(route.outage);
            known.open = known.open.or(route.open);
            known.dispatch = known.dispatch.or(route.dispatch);
        }
    }
    Ok(())
}

fn open<E: Event + Serialize>(
    route: &Route,
    local: &Local,
    taps: &Taps,
    index: usize,
    timeout: Duration,
) -> Box<dyn AnyFeed> {
    let named = route.keys.matches(&route.name);
    let tap = local.tap::<E>(taps, index, named);
    let capacity = usize::try_from(taps.keep).unwrap_or(usize::MAX);
    Box::new(LaneFeed::new(tap, codec::encode::<E>, capacity, timeout))
}

fn dispatch<E: Event + DeserializeOwned>(
    local: Arc<Local>,
    message: &Message,
) -> Result<Dispatched, Error> {
    let event: E = codec::decode(&message.body)?;
    Ok(deliver(local, message.metadata.clone(), event))
}

fn deliver<E: Event>(local: Arc<Local>, metadata: Metadata, event: E) -> Dispatched {
    Box::pin(async move { local.deliver(metadata, event).await })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    macro_rules! event {
        ($type:ident, $name:literal $(, $keys:literal)?) => {
            #[derive(Serialize, Deserialize)]
            struct $type;
            impl Event for $type {
                const NAME: &'static str = $name;
                $(const KEYS: &'static str = $keys;)?
            }
        };
    }
    event!(One, "thing.one");
    event!(SameName, "thing.one");
    event!(BusName, "algedonic.mine");
    event!(BadKeys, "thing.two", "a.#.b.#.c.#");

    #[test]
    fn names_and_patterns_are_checked_when_a_type_is_registered() {
        for (route, wrong) in [
            (Route::of::<BusName>(), "belongs to the bus"),
            (Route::of::<BadKeys>(), "thing.two"),
        ] {
            let error = route.expect_err(wrong);
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn two_types_cannot_share_a_name() {
        let mut routes = Routes::new();
        add(&mut routes, Route::of::<One>().expect("good").both::<One>()).expect("first");
        let other = Route::of::<SameName>().expect("good").both::<SameName>();
        assert!(
            add(&mut routes, other)
                .expect_err("taken")
                .to_string()
                .contains("thing.one")
        );
    }

    #[test]
    fn directions_registered_apart_are_joined() {
        let mut routes = Routes::new();
        add(
            &mut routes,
            Route::of::<One>().expect("good").outbound::<One>(),
        )
        .expect("out");
        add(
            &mut routes,
            Route::of::<One>().expect("good").inbound::<One>(),
        )
        .expect("in");
        let route = routes.values().next().expect("one route");
        assert!(route.open.is_some() && route.dispatch.is_some());
    }
}

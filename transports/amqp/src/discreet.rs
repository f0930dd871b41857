//! What of lapin's logs must nobody read?
//!
//! At the level TRACE lapin logs every frame that it writes, and every frame that it could not write any
//! more. One of them holds the password. Where that level is on, its events of that kind are left out.

use std::cell::RefCell;

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    dispatcher::{DefaultGuard, get_default, set_default},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

/// All that another subscriber is told, but for frames.
struct Discreet(Dispatch);

fn tells_frames(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::TRACE
        && ["lapin::io_loop", "lapin::frames"]
            .iter()
            .any(|target| metadata.target().starts_with(target))
}

impl Subscriber for Discreet {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if tells_frames(metadata) {
            Interest::never()
        } else {
            self.0.register_callsite(metadata)
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !tells_frames(metadata) && self.0.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // It is there only while that level is on.
        Some(LevelFilter::TRACE)
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.0.new_span(attributes)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &span::Id, follows: &span::Id) {
        self.0.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        if !tells_frames(event.metadata()) {
            self.0.event(event);
        }
    }

    fn enter(&self, span: &span::Id) {
        self.0.enter(span);
    }

    fn exit(&self, span: &span::Id) {
        self.0.exit(span);
    }

    fn clone_span(&self, span: &span::Id) -> span::Id {
        self.0.clone_span(span)
    }

    fn try_close(&self, span: span::Id) -> bool {
        self.0.try_close(span)
    }
}

/// Where lapin may log to from this thread; none where there is nothing to leave out.
pub(crate) fn dispatch() -> Option<Dispatch> {
    if LevelFilter::current() < LevelFilter::TRACE {
        return None;
    }
    let current = get_default(Dispatch::clone);
    if current.is::<Discreet>() {
        return Some(current);
    }
    Some(Dispatch::new(Discreet(current)))
}

/// Leaves it out of all that this thread logs from now on. lapin's own threads end with their
/// connection.
pub(crate) fn hush_this_thread() {
    thread_local! {
        static HUSHED: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
    }
    if let Some(dispatch) = dispatch() {
        HUSHED.with_borrow_mut(|hushed| {
            // The guard before would put back what was there before it.
            if hushed.is_none() {
                *hushed = Some(set_default(&dispatch));
            }
        });
    }
}

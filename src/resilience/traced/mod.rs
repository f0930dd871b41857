//! How does what happens to components come into the log?

#[cfg(test)]
mod tests;

use tracing::{Level, event};

use super::{
    Notice, Observer, Reason, What,
    breaker::State,
    registry::{Health, Report},
};

/// An [`Observer`] that writes an event of [`tracing`] for whatever it is told, with a name of its own that stays the
/// same (requirements 1.16 to 1.18).
///
/// The target is `algedonic::resilience`. The events:
///
/// | name | level | when, and what is in it |
/// |---|---|---|
/// | `breaker.state_change` | warn if it opens, else info | at once: `from`, `to`, `generation` |
/// | `breaker.failure`, `breaker.rejected` | warn | of each at most one in a second: `count` |
/// | `breaker.metrics` | debug | once in a period: `state`, `calls`, `succeeded`, `failed`, `ignored`, `rejected` |
/// | `bulkhead.rejected`, `bulkhead.timeout` | warn | of each at most one in a second: `count` |
/// | `bulkhead.overflow` | info | the same |
/// | `bulkhead.metrics` | debug | once in a period: `available`, `busy`, `waiting`, `checkouts`, `admitted`, `rejected`, `timed_out` |
/// | `rate_limit.rejected`, `load_shed.rejected`, `retry.gave_up`, `timeout.elapsed` | warn | of each at most one in a second: `count` |
/// | `fallback.used` | info | the same |
/// | `resilience.health` | debug; info, warn or error when it has changed, by how it is now | once in a period: `overall`; when it has changed: `from`, `to` |
/// | `resilience.metrics` | debug | once in a period: sums over all components |
///
/// `component` is the name of the component, or of the registry. What comes once in a period needs a
/// [supervisor](super::registry::Supervisor). Single calls are no events, so that they cost nothing: they are counted, as
/// `calls` and `checkouts`.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::{Alarms, Bus, resilience::{Traced, registry::Registry}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = Bus::local();
/// let registry = Registry::builder()
///     .standard()
///     .observer(bus.alarms(Alarms::new()))
///     .observer(Traced)
///     .build()?;
/// let supervisor = registry.supervise(Duration::from_secs(10));
/// # drop(supervisor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Traced;

/// One event: its name is also its message, for who prints no names.
macro_rules! write_event {
    ($level:ident, $name:literal, $($field:tt)*) => {
        event!(name: $name, target: "algedonic::resilience", Level::$level, $($field)*, $name)
    };
}

impl Observer for Traced {
    fn notice(&self, notice: Notice) {
        let Notice {
            name: component,
            what,
            generation,
            count,
            ..
        } = notice;
        match what {
            What::Breaker { from, to } if matches!(to, State::Open | State::ForcedOpen) => {
                write_event!(WARN, "breaker.state_change", %component, %from, %to, generation);
            }
            What::Breaker { from, to } => {
                write_event!(INFO, "breaker.state_change", %component, %from, %to, generation);
            }
            What::Failed => write_event!(WARN, "breaker.failure", %component, count),
            What::Rejected(Reason::BreakerOpen) => {
                write_event!(WARN, "breaker.rejected", %component, count);
            }
            What::Rejected(Reason::BulkheadFull) => {
                write_event!(WARN, "bulkhead.rejected", %component, count);
            }
            What::Rejected(Reason::BulkheadTimeout) => {
                write_event!(WARN, "bulkhead.timeout", %component, count);
            }
            What::Rejected(Reason::RateLimited) => {
                write_event!(WARN, "rate_limit.rejected", %component, count);
            }
            What::Rejected(Reason::Shed) => {
                write_event!(WARN, "load_shed.rejected", %component, count);
            }
            What::Overflow => write_event!(INFO, "bulkhead.overflow", %component, count),
            What::FellBack => write_event!(INFO, "fallback.used", %component, count),
            What::TimedOut => write_event!(WARN, "timeout.elapsed", %component, count),
            What::GaveUp(why) => write_event!(WARN, "retry.gave_up", %component, ?why, count),
            What::Health { from, to } => match to {
                Health::Healthy => {
                    write_event!(INFO, "resilience.health", %component, %from, %to);
                }
                Health::Degraded => {
                    write_event!(WARN, "resilience.health", %component, %from, %to);
                }
                Health::Unhealthy => {
                    write_event!(ERROR, "resilience.health", %component, %from, %to);
                }
            },
        }
    }

    fn report(&self, report: &Report) {
        for breaker in &report.metrics.breakers {
            let counts = breaker.counts;
            write_event!(
                DEBUG, "breaker.metrics",
                component = %breaker.name, state = %breaker.state, calls = counts.calls,
                succeeded = counts.succeeded, failed = counts.failed, ignored = counts.ignored,
                rejected = counts.rejected
            );
        }
        for bulkhead in &report.metrics.bulkheads {
            let counts = bulkhead.counts;
            write_event!(
                DEBUG, "bulkhead.metrics",
                component = %bulkhead.name, available = bulkhead.available, busy = bulkhead.busy,
                waiting = bulkhead.waiting, checkouts = counts.checkouts,
                admitted = counts.admitted, rejected = counts.rejected,
                timed_out = counts.timed_out
            );
        }
        let component = report.name;
        let total = report.metrics.total();
        write_event!(
            DEBUG, "resilience.metrics",
            %component, calls = total.breakers.calls, succeeded = total.breakers.succeeded,
            failed = total.breakers.failed, ignored = total.breakers.ignored,
            rejected = total.breakers.rejected, checkouts = total.bulkheads.checkouts,
            admitted = total.bulkheads.admitted, full = total.bulkheads.rejected,
            timed_out = total.bulkheads.timed_out
        );
        write_event!(DEBUG, "resilience.health", %component, overall = %report.health.overall);
    }
}

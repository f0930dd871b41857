use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::core::{BUCKETS, MOST};
use crate::resilience::{
    ConfigError,
    config::{Check, duration},
};

/// When a breaker opens, and how it closes again.
///
/// The defaults are those of requirement 1.07; where it is silent the number is ours, and says so.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::breaker::{BreakerConfig, Trip};
///
/// let config = BreakerConfig::default()
///     .trip(Trip::Consecutive { failure_threshold: 5 })
///     .reset_timeout(Duration::from_secs(20));
/// # assert!(config.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// reset_timeout = "2m"
/// half_open_timeout = 30000
///
/// [trip]
/// rule = "failures"
/// failure_threshold = 3
/// window = "60s"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// What opens it. Default: 5 failures within 60 s.
    pub trip: Trip,
    /// So many successful probes close it. 1 to 2,047, default 3.
    pub success_threshold: u32,
    /// So many probes are under way at a time while it is half-open; a place that becomes free is given
    /// away again. 1 to 2,047, default 3 (ours).
    pub half_open_permits: u32,
    /// Probes that have not ended by then are given up: when all places are taken, and no probe was
    /// admitted for this long, it opens again. Longer than the slowest call that succeeds. Default 30 s.
    #[serde(with = "duration")]
    pub half_open_timeout: Duration,
    /// How long it stays open before the first probe. Default 60 s.
    #[serde(with = "duration")]
    pub reset_timeout: Duration,
    /// Each time it opens again without having closed, the open period is as many times longer. At
    /// least 1, the default (ours): always the same.
    pub reset_multiplier: f64,
    /// What the open period may grow to. Default 10 min (ours).
    #[serde(with = "duration")]
    pub reset_timeout_max: Duration,
    /// The open period is longer by a random part of it, this share at most, so that breakers which opened together do
    /// not probe together. 0 to 1, default 0.1 (ours).
    pub reset_jitter: f64,
    /// After it has closed it admits a share of the calls that grows evenly from none to all, in this
    /// time. Default none (ours): all calls at once.
    #[serde(with = "duration::option")]
    pub ramp: Option<Duration>,
    /// What a call says that is dropped before it has ended. Default (ours): a failure if it was under way for half
    /// a second, else nothing. So a dependency that hangs opens the breaker also where a timeout further out
    /// ends its calls, of a second or more; who usually waits longer than that and may lose interest sets more.
    pub on_cancel: OnCancel,
}

/// What opens a breaker. Only a failure does, or a slow call where those count; never a success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Trip {
    /// So many failures in a row, however long that takes; a success between them starts anew.
    ///
    /// For few callers. Many at once rarely fail in a row, unless all fail.
    Consecutive {
        /// How many. 1 to 2,047.
        failure_threshold: u32,
    },
    /// So many failures, the first of them less than the window before the last; to the nanosecond. The
    /// cheapest rule: a success reads no clock and writes nothing.
    ///
    /// Whatever the traffic: five in a million calls open it too. Where that is normal use
    /// [`RateInWindow`](Self::RateInWindow) with `minimum_failures`.
    Failures {
        /// How many. 1 to 2,047.
        failure_threshold: u32,
        /// Within which time.
        #[serde(with = "duration")]
        window: Duration,
    },
    /// A share of the last calls; exactly of so many, or of all since it closed while they are fewer.
    RateOfCalls {
        /// How many calls are remembered. 1 to 100,000; a call takes two bytes.
        calls: u32,
        /// The share of failures. Above 0, at most 1.
        failure_rate: f64,
        /// Fewer calls than these do not open it. 1 to `calls`.
        minimum_calls: u32,
        /// Opens it for slow calls, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<Slow>,
    },
    /// A share of the calls of a window of time. Each call reads the clock.
    ///
    /// It is counted in ten buckets, so that the oldest tenth of the window is forgotten as a whole.
    RateInWindow {
        /// The time. At least 10 ms.
        #[serde(with = "duration")]
        window: Duration,
        /// The share of failures. Above 0, at most 1.
        failure_rate: f64,
        /// Fewer calls than these do not open it. At least 1.
        minimum_calls: u32,
        /// Fewer failures than these do not open it. At least 1, the default.
        #[serde(default = "one")]
        minimum_failures: u32,
        /// Opens it for slow calls, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<Slow>,
    },
}

const fn one() -> u32 {
    1
}

/// Slow calls. Each call reads the clock twice then.
///
/// A probe that is slow counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// A call is slow when it takes this long or longer.
    #[serde(with = "duration")]
    pub duration: Duration,
    /// The share of slow calls that opens the breaker. Above 0, at most 1.
    pub rate: f64,
}

/// What a call says that is dropped before it has ended: because its caller went away, or by a timeout further out.
///
/// A probe that says nothing gives its place to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCancel {
    /// Nothing. A dependency that hangs never opens the breaker, unless something inside ends its calls.
    Ignore,
    /// That it failed.
    Failure,
    /// That it failed, if it had been waiting this long. What its caller soon lost interest in says nothing.
    FailureIfOlderThan(#[serde(with = "duration")] Duration),
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            trip: Trip::default(),
            success_threshold: 3,
            half_open_permits: 3,
            half_open_timeout: Duration::from_secs(30),
            reset_timeout: Duration::from_secs(60),
            reset_multiplier: 1.0,
            reset_timeout_max: Duration::from_secs(600),
            reset_jitter: 0.1,
            ramp: None,
            on_cancel: OnCancel::FailureIfOlderThan(Duration::from_millis(500)),
        }
    }
}

impl Default for Trip {
    fn default() -> Self {
        Self::Failures {
            failure_threshold: 5,
            window: Duration::from_secs(60),
        }
    }
}

impl BreakerConfig {
    /// Sets what opens it.
    pub const fn trip(mut self, trip: Trip) -> Self {
        self.trip = trip;
        self
    }

    /// Sets how many probes have to succeed.
    pub const fn success_threshold(mut self, probes: u32) -> Self {
        self.success_threshold = probes;
        self
    }

    /// Sets how many probes are under way at a time.
    pub const fn half_open_permits(mut self, probes: u32) -> Self {
        self.half_open_permits = probes;
        self
    }

    /// Sets when probes are given up.
    pub const fn half_open_timeout(mut self, timeout: Duration) -> Self {
        self.half_open_timeout = timeout;
        self
    }

    /// Sets how long it stays open.
    pub const fn reset_timeout(mut self, timeout: Duration) -> Self {
        self.reset_timeout = timeout;
        self
    }

    /// Lets the open period grow, so many times each time, up to this.
    pub const fn reset_backoff(mut self, multiplier: f64, most: Duration) -> Self {
        self.reset_multiplier = multiplier;
        self.reset_timeout_max = most;
        self
    }

    /// Sets by which share of it the open period may be longer; 0 for exact times.
    pub const fn reset_jitter(mut self, share: f64) -> Self {
        self.reset_jitter = share;
        self
    }

    /// Sets in which time all calls are admitted after it has closed.
    pub const fn ramp(mut self, ramp: Duration) -> Self {
        self.ramp = Some(ramp);
        self
    }

    /// Sets what a dropped call says.
    pub const fn on_cancel(mut self, rule: OnCancel) -> Self {
        self.on_cancel = rule;
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = self.trip.validate(Check::of("breaker"))?;
        count(check, "success_threshold", self.success_threshold)?;
        count(check, "half_open_permits", self.half_open_permits)?;
        check.positive("half_open_timeout", self.half_open_timeout)?;
        check.positive("reset_timeout", self.reset_timeout)?;
        let (multiplier, most) = (self.reset_multiplier, self.reset_timeout_max);
        let grows = multiplier >= 1.0 && multiplier.is_finite();
        check.holds(
            "reset_multiplier",
            multiplier,
            grows,
            "at least 1, and finite",
        )?;
        check.positive("reset_timeout_max", most)?;
        // Without a multiplier it means nothing, and its default may be any.
        let in_order = multiplier <= 1.0 || most >= self.reset_timeout;
        check.holds(
            "reset_timeout_max",
            most,
            in_order,
            "at least reset_timeout",
        )?;
        let jitter = self.reset_jitter;
        check.holds(
            "reset_jitter",
            jitter,
            (0.0..=1.0).contains(&jitter),
            "0 to 1",
        )?;
        if let Some(ramp) = self.ramp {
            check.positive("ramp", ramp)?;
        }
        if let OnCancel::FailureIfOlderThan(age) = self.on_cancel {
            check.positive("on_cancel.failure_if_older_than", age)?;
        }
        Ok(())
    }

    /// How long a call may take, if slow ones count.
    pub(super) const fn slow_from(&self) -> Option<Duration> {
        match &self.trip {
            Trip::RateOfCalls {
                slow: Some(slow), ..
            }
            | Trip::RateInWindow {
                slow: Some(slow), ..
            } => Some(slow.duration),
            _ => None,
        }
    }
}

impl Trip {
    fn validate(&self, check: Check) -> Result<Check, ConfigError> {
        let slow = match self {
            Self::Consecutive { failure_threshold } => {
                count(check, "trip.failure_threshold", *failure_threshold)?;
                &None
            }
            Self::Failures {
                failure_threshold,
                window,
            } => {
                count(check, "trip.failure_threshold", *failure_threshold)?;
                check.positive("trip.window", *window)?;
                &None
            }
            Self::RateOfCalls {
                calls,
                failure_rate,
                minimum_calls,
                slow,
            } => {
                let holds = (1..=100_000).contains(calls);
                check.holds("trip.calls", calls, holds, "1 to 100,000")?;
                check.rate("trip.failure_rate", *failure_rate)?;
                let holds = (1..=*calls).contains(minimum_calls);
                check.holds(
                    "trip.minimum_calls",
                    minimum_calls,
                    holds,
                    "1 to trip.calls",
                )?;
                slow
            }
            Self::RateInWindow {
                window,
                failure_rate,
                minimum_calls,
                minimum_failures,
                slow,
            } => {
                check.positive("trip.window", *window)?;
                let holds = *window >= Duration::from_millis(1) * BUCKETS;
                check.holds("trip.window", window, holds, "at least 10 ms")?;
                check.rate("trip.failure_rate", *failure_rate)?;
                check.at_least_one("trip.minimum_calls", *minimum_calls)?;
                check.at_least_one("trip.minimum_failures", *minimum_failures)?;
                slow
            }
        };
        if let Some(Slow { duration, rate }) = slow {
            check.positive("trip.slow.duration", *duration)?;
            check.rate("trip.slow.rate", *rate)?;
        }
        Ok(check)
    }
}

/// A number that the core has room for.
fn count(check: Check, field: &'static str, value: u32) -> Result<Check, ConfigError> {
    check.holds(field, value, (1..=MOST).contains(&value), "1 to 2,047")
}

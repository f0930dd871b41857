use algedonic_transport::{Key, Lane, Pattern};

/// Which messages a fault is for: a place in the count of those that are meant, from 1 on.
///
/// ```
/// use algedonic_memory::Which;
/// use algedonic_transport::{Lane, Pattern};
///
/// // The third event that the transport `planner` sends to a key below `orders`.
/// let third = Which::nth(3).of("planner").on(Lane::Event).key(Pattern::new("orders.#")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Which {
    turn: Turn,
    name: Option<String>,
    lane: Option<Lane>,
    key: Option<Pattern>,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Nth(u64),
    First(u64),
    Every(u64),
}

impl Which {
    /// The one of this number, counted from 1 since the faults were injected.
    ///
    /// # Panics
    ///
    /// When `number` is 0.
    pub fn nth(number: u64) -> Self {
        assert!(number > 0, "the first is number 1");
        Self::new(Turn::Nth(number))
    }

    /// So many from the first on.
    pub fn first(messages: u64) -> Self {
        Self::new(Turn::First(messages))
    }

    /// Each whose number can be divided by `step`.
    ///
    /// # Panics
    ///
    /// When `step` is 0.
    pub fn every(step: u64) -> Self {
        assert!(step > 0, "every single one is every(1)");
        Self::new(Turn::Every(step))
    }

    /// All of them.
    pub fn all() -> Self {
        Self::every(1)
    }

    fn new(turn: Turn) -> Self {
        Self {
            turn,
            name: None,
            lane: None,
            key: None,
        }
    }

    /// Counts only those that the transport of this name sends, or receives.
    pub fn of(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Counts only those of this lane.
    pub fn on(mut self, lane: Lane) -> Self {
        self.lane = Some(lane);
        self
    }

    /// Counts only those whose key the pattern selects.
    pub fn key(mut self, keys: Pattern) -> Self {
        self.key = Some(keys);
        self
    }

    pub(crate) fn counts(&self, name: &str, lane: Lane, key: &Key) -> bool {
        self.name.as_ref().is_none_or(|own| own == name)
            && self.lane.is_none_or(|own| own == lane)
            && self.key.as_ref().is_none_or(|own| own.matches(key))
    }

    /// Whether the one of this number is meant.
    pub(crate) fn means(&self, number: u64) -> bool {
        match self.turn {
            Turn::Nth(nth) => number == nth,
            Turn::First(first) => number <= first,
            Turn::Every(step) => number.is_multiple_of(step),
        }
    }
}

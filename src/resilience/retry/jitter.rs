use serde::{Deserialize, Serialize};

/// Which part of a delay is random, so that requests that failed together do not come back together. Each is drawn
/// anew for each request and each attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// From `first_delay` to three times the last delay, evenly: grows with the delays that were drawn, and is
    /// never shorter than the first ("decorrelated jitter", AWS Architecture Blog, 2015).
    Decorrelated,
    /// From nothing to the whole delay, evenly: the fewest calls at a time, and some without a pause.
    #[default]
    Full,
    /// From half of the delay to the whole of it, evenly: never without a pause.
    Half,
    /// None. For tests, and where requests do not come together.
    None,
}

//! Layers around layers.

/// A service that keeps its neighbours to what tower says.
mod checked;
/// In the order that is recommended, and in others: who sheds.
mod order;
/// In the order that is recommended: CO-1.
mod refusals;
/// In any order: CO-2.
mod stacks;

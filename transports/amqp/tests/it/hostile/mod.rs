//! What comes from the other end is what an attacker makes it.

mod answers;
mod beginning;
mod broker;
mod case;
mod deliveries;
mod held;
mod letters;
mod nonsense;
mod publishers;
mod tune;

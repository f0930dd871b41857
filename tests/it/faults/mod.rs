/// What a bus does while its broker is killed, stopped, paused, absent.
mod broker;
/// The two example programs, over a restart of the broker between them.
mod hosts;

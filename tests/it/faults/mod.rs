/// The breaker of a mirror, and its signals.
mod breaking;
/// What a bus does while its broker is killed, stopped, paused, absent.
mod broker;
/// The system's clock jumps.
mod clock;
/// The two example programs, over a restart of the broker between them.
mod hosts;
/// What was given up arrives after all.
mod late;

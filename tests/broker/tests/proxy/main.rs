//! What the proxy promises, each command tried before a plain server.

mod cutting;
mod door;
mod echo;
mod flow;
mod pace;

/// The layer among other services: LS-1 to LS-3, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;

/// The layer among other services: FB-1, FB-2, FB-4, TC-1 to TC-6.
mod calls;
/// TC-7.
mod config;
/// The three forms, and what of a call they see: FB-3, FB-5 to FB-7.
mod forms;
/// A fallback written as plainly as can be.
mod model;
/// Another fallback.
mod peers;

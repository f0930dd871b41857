//! The breakers and pools that the requirements name, without a name to misspell (requirement 1.13).

use super::Registry;
use crate::resilience::{
    breaker::{ByKind, Classifier, ResponseFuture},
    bulkhead::Scope,
};

macro_rules! with_breaker {
    ($($function:ident: $name:literal, $what:literal;)*) => {$(
        #[doc = concat!("Runs ", $what, " through the breaker `", $name, "`, as [`with_breaker`](Self::with_breaker) does.")]
        pub fn $function<F, T, E>(&self, call: impl FnOnce() -> F) -> ResponseFuture<F>
        where
            F: Future<Output = Result<T, E>>,
            ByKind: Classifier<T, E>,
        {
            self.with_breaker($name, call)
        }
    )*};
}

macro_rules! with_pool {
    ($($function:ident: $name:literal, $what:literal;)*) => {$(
        #[doc = concat!("Runs ", $what, " with a slot of the bulkhead `", $name, "`, as [`with_pool`](Self::with_pool) does.")]
        pub fn $function<C, F, T, E>(&self, call: C) -> Scope<C, F>
        where
            C: FnOnce() -> F,
            F: Future<Output = Result<T, E>>,
        {
            self.with_pool($name, call)
        }
    )*};
}

/// Helpers for the [standard](super::RegistryBuilder::standard) components. One that nobody has configured is made when
/// it is first asked for, with the configuration of its name.
impl Registry {
    with_breaker! {
        with_llm_breaker: "llm_api", "a call of a language model";
        with_amqp_breaker: "amqp", "an operation of a message broker";
        with_external_api_breaker: "external_api", "a call of other people's server";
        with_database_breaker: "database", "an operation of a database";
    }

    with_pool! {
        with_worker_pool: "worker_agent", "general work";
        with_llm_pool: "llm_worker", "work with a language model";
        with_sensor_pool: "sensor_agent", "the reading of a sensor";
        with_api_pool: "api_agent", "the answer to a request from outside";
        with_telegram_pool: "telegram_bot", "work of the bot";
    }
}

//! The bus, with a mirror if there is an address and the feature.

use algedonic::{Bus, Error, Mirror};

use super::options::Options;

/// A bus that mirrors what `register` says if it was told where to; whether a broker is there now
/// does not matter.
#[cfg(feature = "amqp")]
pub(crate) fn bus(
    options: &Options,
    register: impl FnOnce(Mirror) -> Mirror,
) -> Result<Bus, Error> {
    use std::time::Duration;

    use algedonic::amqp::{Amqp, AmqpConfig};

    let builder = Bus::builder().source(options.queue.as_str());
    let Some(url) = &options.amqp else {
        return builder.build();
    };
    let config = AmqpConfig::new(url)?
        .prefix("host")
        .queue(options.queue.as_str())
        // Whoever tries this restarts the broker, and looks.
        .max_backoff(Duration::from_secs(2));
    builder
        .mirror(register(Mirror::new(Amqp::new(config)?)))
        .build()
}

/// Without the feature there is no mirror; told where to mirror to, that is an error.
#[cfg(not(feature = "amqp"))]
pub(crate) fn bus(options: &Options, _: impl FnOnce(Mirror) -> Mirror) -> Result<Bus, Error> {
    use algedonic::ErrorKind;

    if options.amqp.is_some() {
        let unsupported = Error::permanent(ErrorKind::Unsupported, "mirror over RabbitMQ");
        return Err(unsupported.with_advice("build with --features amqp"));
    }
    Bus::builder().source(options.queue.as_str()).build()
}

//! Of the room of the same name in the AMQP transport, what needs no connection.

pub(crate) use names::Purpose;

source! {
    "../../transports/amqp/src/topology/audit.rs" audit;
    "../../transports/amqp/src/topology/bands.rs" bands;
    "../../transports/amqp/src/topology/definitions.rs" definitions;
    "../../transports/amqp/src/topology/names.rs" names;
    "../../transports/amqp/src/topology/plan.rs" plan;
}

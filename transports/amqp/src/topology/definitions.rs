//! What would an operator import, so that nothing is left to declare?

use std::fmt::Write;

use algedonic_transport::{Lane, Pattern};

use super::plan::{ALTERNATE, Argument, End, Plan};
use crate::AmqpConfig;

impl AmqpConfig {
    /// Everything that an instance with these settings, interested in these patterns, declares: as a
    /// definitions file of RabbitMQ, to be imported by `rabbitmqctl import_definitions` once the broker is up.
    /// Then [`TopologyMode::Expect`](crate::TopologyMode::Expect) finds all it needs. A lane that is not
    /// mentioned is only published to.
    ///
    /// It names no user, no password and no vhost. A broker that has no data yet makes its own at its start, but
    /// not if it is told to import something then (`load_definitions`, `definitions.import_backend`): it does not
    /// come up, unless the `vhosts`, `users` and `permissions` that it is to have are added to the file.
    pub fn definitions(&self, interest: &[(Lane, Vec<Pattern>)]) -> String {
        let plans = Lane::ALL.map(|lane| match interest.iter().find(|(of, _)| *of == lane) {
            Some((_, patterns)) => Plan::to_receive(self, lane, patterns),
            None => Plan::to_publish(self, lane),
        });
        let vhost = quoted(&self.uri.vhost);
        let (mut exchanges, mut queues, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
        for plan in &plans {
            for exchange in &plan.exchanges {
                let name = quoted(&exchange.name);
                let internal = exchange.internal;
                let alternate = exchange.alternate.as_ref();
                let arguments = alternate
                    .map(|name| format!("{}:{}", quoted(ALTERNATE), quoted(name)))
                    .unwrap_or_default();
                exchanges.push(format!(
                    r#"{{"name":{name},"vhost":{vhost},"type":"topic","durable":true,"auto_delete":false,"internal":{internal},"arguments":{{{arguments}}}}}"#
                ));
            }
            let audit = plan.audit.as_ref();
            for queue in plan.queues.iter().chain(audit.map(|audit| &audit.queue)) {
                let name = quoted(&queue.name);
                let arguments: Vec<_> = queue
                    .arguments
                    .iter()
                    .map(|(argument, value)| format!("{}:{}", quoted(argument), json(value)))
                    .collect();
                queues.push(format!(
                    r#"{{"name":{name},"vhost":{vhost},"durable":true,"auto_delete":false,"arguments":{{{}}}}}"#,
                    arguments.join(",")
                ));
            }
            for binding in plan
                .bindings
                .iter()
                .chain(audit.map(|audit| &audit.binding))
            {
                let source = quoted(&binding.source);
                let (name, kind) = match &binding.to {
                    End::Queue(name) => (quoted(name), "queue"),
                    End::Exchange(name) => (quoted(name), "exchange"),
                };
                let key = quoted(binding.pattern.as_str());
                bindings.push(format!(
                    r#"{{"source":{source},"vhost":{vhost},"destination":{name},"destination_type":"{kind}","routing_key":{key},"arguments":{{}}}}"#
                ));
            }
        }
        format!(
            "{{\"exchanges\":[\n{}],\n\"queues\":[\n{}],\n\"bindings\":[\n{}]}}\n",
            exchanges.join(",\n"),
            queues.join(",\n"),
            bindings.join(",\n")
        )
    }
}

fn json(value: &Argument) -> String {
    match value {
        Argument::Text(text) => quoted(text),
        Argument::Number(number) => number.to_string(),
    }
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_escapes_is_escaped() {
        assert_eq!(quoted("a\"b\\c\nd\u{7f}é"), r#""a\"b\\c\u000ad\u007fé""#);
    }

    #[test]
    fn a_lane_that_is_not_received_has_its_exchange_only() {
        let config = AmqpConfig::new("amqp://u:canary@localhost/v").expect("valid");
        let patterns = vec![Pattern::new("a.*").expect("a pattern")];
        let text = config
            .prefix("p")
            .queue("q")
            .definitions(&[(Lane::Event, patterns)]);
        for part in [
            "\"p.events\"",
            "\"p.signals\"",
            "\"p.commands\"",
            "\"p.q.events\"",
            "\"p.q.events.dlq\"",
            "\"a.*\"",
            "\"p.algedonic.signals\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !["p.q.signals", "p.q.commands", "canary"]
                .iter()
                .any(|part| text.contains(part)),
            "{text}"
        );
    }
}

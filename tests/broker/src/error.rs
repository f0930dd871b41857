//! Why there is no node.

use std::{error, fmt, io};

const WAYS: &str = "No RabbitMQ server was found. There are three ways to get one:
  1. install it:           apt-get install -y --no-install-recommends rabbitmq-server
  2. point at a copy:      ALGEDONIC_RABBITMQ_SERVER=/path/to/sbin/rabbitmq-server
                           (or ALGEDONIC_RABBITMQ_ROOT=DIR, a root directory made by debootstrap)
  3. run one elsewhere:    docker compose up -d --wait, and
                           ALGEDONIC_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f
The third serves the tests that share a broker. Tests that kill or pause a broker need a node of their own: 1 or 2.";

/// Why a private node did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is no server to start. The text says the ways to get one.
    NoServer {
        /// Where was looked, and what was missing there.
        looked: String,
    },
    /// The operating system refused a folder, a port or a process.
    Io(io::Error),
    /// The server ended before it was up.
    Ended {
        /// The last lines of its log.
        log: String,
    },
    /// The server did not answer in time.
    TimedOut {
        /// The last lines of its log.
        log: String,
    },
}

impl StartError {
    /// Whether another set of ports may help.
    pub(crate) fn is_port_clash(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::AddrInUse,
            Self::Ended { log } | Self::TimedOut { log } => {
                log.contains("eaddrinuse") || log.contains("address already in use")
            }
            Self::NoServer { .. } => false,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer { looked } => write!(f, "{WAYS}\n({looked})"),
            Self::Io(error) => write!(f, "RabbitMQ could not be started: {error}"),
            Self::Ended { log } => write!(
                f,
                "RabbitMQ ended before it was up. Its log ends with:\n{log}"
            ),
            Self::TimedOut { log } => write!(
                f,
                "RabbitMQ did not come up in time. Its log ends with:\n{log}"
            ),
        }
    }
}

impl error::Error for StartError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

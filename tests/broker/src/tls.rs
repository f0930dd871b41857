//! What a node needs to speak TLS, and to let clients in by their certificates.

use crate::ports::Ports;
use std::fs;
use std::io;
use std::path::Path;

/// The certificate of a node, all of it in PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority whose certificates of clients are good.
    pub authority: String,
    /// The node's own certificate.
    pub certificate: String,
    /// The key of that.
    pub key: String,
}

impl Tls {
    /// The plugins file: a login by certificate is one.
    pub(crate) const PLUGINS: &str = "[rabbitmq_auth_mechanism_ssl].\n";

    /// Writes the files that [`Tls::configuration`] names.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("authority.pem"), &self.authority)?;
        fs::write(folder.join("certificate.pem"), &self.certificate)?;
        fs::write(folder.join("key.pem"), &self.key)
    }

    /// The lines for `rabbitmq.conf`; `folder` as the server sees it.
    pub(crate) fn configuration(ports: Ports, folder: &Path) -> String {
        let folder = folder.display();
        format!(
            "listeners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.cacertfile = {folder}/authority.pem\n\
             ssl_options.certfile = {folder}/certificate.pem\n\
             ssl_options.keyfile = {folder}/key.pem\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = false\n\
             ssl_cert_login_from = common_name\n\
             auth_mechanisms.1 = PLAIN\n\
             auth_mechanisms.2 = AMQPLAIN\n\
             auth_mechanisms.3 = EXTERNAL\n",
            ports.tls
        )
    }
}

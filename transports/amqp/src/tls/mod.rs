//! Which certificates does TLS trust, and which one do we show?

use std::{fmt, path::PathBuf};

#[cfg(feature = "tls")]
pub(crate) mod connector;

/// What TLS trusts, and how this client proves who it is.
///
/// The broker's certificate is always verified: that an authority we trust has signed it, that it is
/// valid now, and that it is for the host in the URL. There is no setting against that. Whose
/// authority is trusted: the system's, or only one's own ([`authority_pem`](Self::authority_pem),
/// [`authority_file`](Self::authority_file)).
///
/// Files are read for every connection, so that a renewed certificate counts from the next one on.
/// `Debug` shows neither keys nor passwords.
///
/// ```
/// use algedonic_amqp::Tls;
///
/// let tls = Tls::new()
///     .authority_file("/etc/broker/ca.pem")
///     .identity_files("/etc/broker/me.pem", "/etc/broker/me.key")
///     .external();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub(crate) authority: Option<Material>,
    pub(crate) identity: Option<Identity>,
    pub(crate) external: bool,
}

/// Something to read, or its content.
#[derive(Clone)]
pub(crate) enum Material {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// A certificate of this client, and its key.
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "in a build without TLS nobody reads it")
)]
#[derive(Clone)]
pub(crate) enum Identity {
    Pem {
        certificates: Material,
        key: Material,
    },
    Pkcs12 {
        archive: Material,
        password: String,
    },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self {
            Self::Pem { certificates, .. } => certificates,
            Self::Pkcs12 { archive, .. } => archive,
        };
        shown.fmt(f)
    }
}

impl Tls {
    /// Trusts the system's authorities, and shows no certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these authorities, one or more certificates in PEM, and no others.
    pub fn authority_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(Material::Bytes(pem.into()));
        self
    }

    /// Trusts the authorities in this file, one or more certificates in PEM, and no others.
    pub fn authority_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authority = Some(Material::File(path.into()));
        self
    }

    /// Shows this certificate, followed by those between it and its authority, in PEM. The key is in
    /// PEM too (PKCS#8, or the older forms of RSA and EC keys), and not encrypted.
    pub fn identity_pem(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some(Identity::Pem {
            certificates: Material::Bytes(certificates.into()),
            key: Material::Bytes(key.into()),
        });
        self
    }

    /// Like [`identity_pem`](Self::identity_pem), from files.
    pub fn identity_files(
        mut self,
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.identity = Some(Identity::Pem {
            certificates: Material::File(certificates.into()),
            key: Material::File(key.into()),
        });
        self
    }

    /// Shows the certificate in this PKCS#12 archive (`.p12`, `.pfx`).
    pub fn identity_pkcs12(
        mut self,
        archive: impl Into<Vec<u8>>,
        password: impl Into<String>,
    ) -> Self {
        self.identity = Some(Identity::Pkcs12 {
            archive: Material::Bytes(archive.into()),
            password: password.into(),
        });
        self
    }

    /// Like [`identity_pkcs12`](Self::identity_pkcs12), from a file.
    pub fn identity_pkcs12_file(
        mut self,
        path: impl Into<PathBuf>,
        password: impl Into<String>,
    ) -> Self {
        self.identity = Some(Identity::Pkcs12 {
            archive: Material::File(path.into()),
            password: password.into(),
        });
        self
    }

    /// Logs in by the certificate instead of a password (SASL EXTERNAL). The broker needs its plugin
    /// `rabbitmq_auth_mechanism_ssl`, and decides which part of the certificate names the user. User
    /// and password of the URL are not used then.
    pub fn external(mut self) -> Self {
        self.external = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Tls::new().identity_pem("certificate", "canary"),
            Tls::new().identity_pkcs12("canary", "canary"),
            Tls::new()
                .authority_file("/ca.pem")
                .identity_files("/me.pem", "/me.key"),
        );
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.contains("/ca.pem") && shown.contains("/me.pem"),
            "{shown}"
        );
    }
}

//! How do the settings of TLS become what encrypts a connection?

use std::{borrow::Cow, io};

use algedonic_transport::{Error, ErrorKind};
use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use p12_keystore::KeyStore;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
    pem::{self, PemObject},
};

use super::{Identity, Material, Tls};

impl Tls {
    /// Reads what there is to read. It blocks: the system has its certificates in files too.
    ///
    /// # Errors
    ///
    /// `Misconfigured`, naming what cannot be read or does not fit.
    pub(crate) fn connector(&self) -> Result<RustlsConnector, Error> {
        let trusted = match &self.authority {
            Some(authority) => {
                let certificates = certificates("authority", authority)?;
                let mut store = rustls::RootCertStore::empty();
                for certificate in &certificates {
                    // Added unseen, one that is of no use would be left out without a word.
                    store.add(certificate.clone()).map_err(|error| {
                        refuse("authority: a certificate that cannot be one of an authority")
                            .with_source(error)
                    })?;
                }
                RustlsConnectorConfig::default().with_parsable_certificates(certificates)
            }
            None => RustlsConnectorConfig::new_with_native_certs().map_err(|error| {
                refuse("the system's certificate authorities cannot be read")
                    .with_advice("name your own by Tls::authority_file or Tls::authority_pem")
                    .with_source(error)
            })?,
        };
        match &self.identity {
            None => trusted.connector_with_no_client_auth(),
            Some(identity) => {
                let (certificates, key) = identity.read()?;
                trusted.connector_with_single_cert(certificates, key)
            }
        }
        .map_err(|error| refuse(format!("identity or authority: {error}")).with_source(error))
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        match self {
            Self::Pem {
                certificates: shown,
                key,
            } => {
                let certificates = certificates("identity", shown)?;
                // What is wrong with a key may quote it: neither is told.
                let key =
                    PrivateKeyDer::from_pem_slice(&key.read("identity key")?).map_err(|_| {
                        refuse("identity key: must be one private key in PEM, not encrypted")
                    })?;
                Ok((certificates, key))
            }
            Self::Pkcs12 { archive, password } => {
                let archive = archive.read("identity")?;
                let store = KeyStore::from_pkcs12(&archive, password).map_err(|_| {
                    refuse("identity: must be a PKCS#12 archive, opened by its password")
                })?;
                let (_, chain) = store
                    .private_key_chain()
                    .ok_or_else(|| refuse("identity: the PKCS#12 archive holds no private key"))?;
                let certificates = chain
                    .chain()
                    .iter()
                    .map(|certificate| CertificateDer::from(certificate.as_der().to_vec()))
                    .collect();
                let key = PrivatePkcs8KeyDer::from(chain.key().to_vec());
                Ok((certificates, PrivateKeyDer::from(key)))
            }
        }
    }
}

impl Material {
    fn read(&self, what: &str) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => {
                let unreadable = |error: io::Error| {
                    refuse(format!("{what}: {} cannot be read", path.display())).with_source(error)
                };
                std::fs::read(path).map(Cow::Owned).map_err(unreadable)
            }
        }
    }
}

fn certificates(what: &str, pem: &Material) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = pem.read(what)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(refuse(format!("{what}: must hold certificates in PEM"))),
    }
}

fn refuse(rule: impl Into<Cow<'static, str>>) -> Error {
    Error::permanent(ErrorKind::Misconfigured, "prepare TLS").with_detail(rule)
}

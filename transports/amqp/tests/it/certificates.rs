//! An authority of the test's own, and the certificates that it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// One that signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
    /// The certificate once more, and the key, as a PKCS#12 archive wants them.
    der: (Vec<u8>, Vec<u8>),
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// For a server of these host names.
    pub(crate) fn server(&self, hosts: &[&str]) -> Certificate {
        self.sign(&server_params(hosts))
    }

    /// One that was good until some years ago.
    pub(crate) fn expired_server(&self, hosts: &[&str]) -> Certificate {
        let mut params = server_params(hosts);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    /// For a client whose user has this name.
    pub(crate) fn client(&self, name: &str) -> Certificate {
        let mut params = params(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        Certificate {
            pem: signed.pem(),
            key: key.serialize_pem(),
            der: (signed.der().to_vec(), key.serialize_der()),
        }
    }
}

impl Certificate {
    pub(crate) fn pkcs12(&self, password: &str) -> Vec<u8> {
        use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};
        let (certificate, key) = &self.der;
        let chain = [Certificate::from_der(certificate).expect("a certificate")];
        let entry = KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(key, "1", chain));
        let mut store = KeyStore::new();
        store.add_entry("1", entry);
        store.writer(password).write().expect("written")
    }
}

fn server_params(hosts: &[&str]) -> CertificateParams {
    let mut params = params("broker", hosts);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

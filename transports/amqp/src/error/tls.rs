//! What is wrong when TLS fails, and what can be done about it?

use std::io;

use algedonic_transport::ErrorKind;
use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error};

/// The kind, what happened, and advice; None if `error` is not about TLS.
pub(super) fn meaning(error: &io::Error) -> Option<(ErrorKind, &'static str, &'static str)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(reason) => {
            let (what, advice) = certificate(reason);
            (ErrorKind::Misconfigured, what, advice)
        }
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => (
            ErrorKind::Denied,
            "the broker refused our certificate, or that we showed none",
            super::WELCOME,
        ),
        Error::AlertReceived(_) | Error::PeerIncompatible(_) => (
            ErrorKind::Misconfigured,
            "the broker and this client have no form of TLS in common",
            "the broker must offer TLS 1.2 or 1.3",
        ),
        Error::InvalidMessage(_) => (
            ErrorKind::Misconfigured,
            "the port does not speak TLS",
            "use the broker's TLS port (5671 by default), or amqp://",
        ),
        _ => (
            ErrorKind::Misconfigured,
            "the TLS handshake failed",
            "check the certificates, and whether the port speaks TLS",
        ),
    })
}

fn certificate(reason: &Certificate) -> (&'static str, &'static str) {
    match reason {
        Certificate::Expired | Certificate::ExpiredContext { .. } => (
            "the broker's certificate has expired",
            "renew it; or is the clock of this machine wrong?",
        ),
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => (
            "the broker's certificate is not valid yet",
            "is the clock of this machine wrong?",
        ),
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => (
            "the broker's certificate is for another host",
            "use a host name that is in the certificate, or a certificate with this one",
        ),
        Certificate::UnknownIssuer => (
            "the broker's certificate is of an authority that is not trusted",
            "name the authority by Tls::authority_file or Tls::authority_pem",
        ),
        Certificate::Revoked => ("the broker's certificate is revoked", "renew it"),
        _ => (
            "the broker's certificate is not valid",
            "check it, and the authority that is trusted",
        ),
    }
}

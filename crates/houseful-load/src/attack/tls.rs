//! Whom an attack trusts, and who it says that it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::dial::Offer;

/// The TLS of an attack; made once, shared by its connections.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Offers HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
    /// Offers HTTP/2 first.
    http2: Arc<ClientConfig>,
}

/// What TLS is made of. The default trusts whom the system trusts.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Trust any server.
    pub insecure: bool,
    /// Files of certificates in PEM that are trusted instead of the system's.
    pub roots: Vec<PathBuf>,
    /// Our certificate in PEM, and those that vouch for it.
    pub certificate: Option<PathBuf>,
    /// Its key in PEM; if absent, it is in the certificate's file.
    pub key: Option<PathBuf>,
    /// Resume sessions where the server allows it: with a ticket, or by their number (RFC 8446, 2.2;
    /// RFC 5077).
    pub resumes: bool,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("cannot read {what} from `{}`", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// A file without what it should hold.
    #[error("expected {what} in `{}`, found none", path.display())]
    Missing {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// A key without a certificate.
    #[error("a key needs a certificate")]
    KeyAlone,
    /// Certificates or a key that do not fit.
    #[error("cannot use these certificates: {0}")]
    Unfit(rustls::Error),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn new(files: &TlsFiles) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unfit)?;
        let builder = if files.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            builder.with_root_certificates(roots(&files.roots)?)
        };
        let mut config = match (&files.certificate, &files.key) {
            (None, None) => builder.with_no_client_auth(),
            (None, Some(_)) => return Err(TlsError::KeyAlone),
            (Some(certificate), key) => {
                let chain = certificates("a certificate", certificate)?;
                let key = private_key(key.as_ref().unwrap_or(certificate))?;
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Unfit)?
            }
        };
        if !files.resumes {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Tls { http1, http2: Arc::new(config) })
    }

    pub(super) fn config(&self, offer: Offer) -> &Arc<ClientConfig> {
        match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
        }
    }
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if files.is_empty() {
        // Some of a system's may be odd; and without any, each server's is refused with a reason.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for file in files {
        for certificate in certificates("root certificates", file)? {
            roots.add(certificate).map_err(TlsError::Unfit)?;
        }
    }
    Ok(roots)
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |source| TlsError::File { what, path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(file)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(file)?;
    if found.is_empty() {
        return Err(TlsError::Missing { what, path: path.to_owned() });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "a private key";
    PrivateKeyDer::from_pem_file(path).map_err(|source| match source {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::Missing { what, path: path.to_owned() }
        }
        source => TlsError::File { what, path: path.to_owned(), source },
    })
}

/// Trusts any certificate; that the server has its key is still checked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! TLS as the settings say: which authorities are trusted, and with which certificate we show ourselves. The files are
//! read at each connect, so that a renewed certificate needs no restart.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tracing::warn;

use super::reason::Reason;
use super::settings::{ClientCertificate, Tls};
use crate::files;

/// A system's authorities all together have a quarter of it.
const LARGEST_PEM: u64 = 1 << 20;

/// The client's side of TLS.
///
/// # Errors
/// [`Reason::File`] when a file cannot be read or does not hold what it should; [`Reason::Tls`] when certificate and
/// key do not fit each other.
pub(super) fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, Reason> {
    // Named here and not taken from the process, so that no default has to be installed before.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS");
    let builder = if tls.verify {
        builder.with_root_certificates(authorities(tls.ca_file.as_deref())?)
    } else {
        warn!(
            "`verify = false` in [mqtt]: whoever answers at the broker's address is believed; use it only to find an error"
        );
        builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
    };
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = (chain(&client.cert_file, "client_cert_file")?, key(client)?);
            builder.with_client_auth_cert(chain, key).map_err(|_| Reason::File {
                path: client.key_file.clone(),
                role: "client_key_file",
                problem: format!("does not fit the certificate in `{}`", client.cert_file.display()),
            })?
        }
    };
    Ok(Arc::new(config))
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, Reason> {
    let mut store = RootCertStore::empty();
    let Some(path) = ca_file else {
        let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            let problem =
                "this system has no certificate authorities: install `ca-certificates`, or set `ca_file` in [mqtt]";
            return Err(Reason::Client { problem: problem.into() });
        }
        return Ok(store);
    };
    for certificate in chain(path, "ca_file")? {
        store.add(certificate).map_err(|error| Reason::File {
            path: path.to_owned(),
            role: "ca_file",
            problem: format!("holds a certificate that cannot be used as an authority: {error}"),
        })?;
    }
    Ok(store)
}

fn chain(path: &Path, role: &'static str) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let file = |problem| Reason::File { path: path.to_owned(), role, problem };
    let pem = read(path, role)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(file("holds no PEM certificate (`-----BEGIN CERTIFICATE-----`)".into())),
    }
}

fn key(client: &ClientCertificate) -> Result<PrivateKeyDer<'static>, Reason> {
    let pem = read(&client.key_file, "client_key_file")?;
    // What is wrong inside is not repeated: it would show parts of the key.
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| Reason::File {
        path: client.key_file.clone(),
        role: "client_key_file",
        problem: "holds no PEM private key without a passphrase (`-----BEGIN PRIVATE KEY-----`)".into(),
    })
}

fn read(path: &Path, role: &'static str) -> Result<Vec<u8>, Reason> {
    files::read(path, LARGEST_PEM).map_err(|error| Reason::File {
        path: path.to_owned(),
        role,
        problem: format!("cannot be read: {error}"),
    })
}

/// Believes every certificate, for `verify = false`. Signatures are still checked: the peer owns the key it shows.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::path::PathBuf;

    use super::*;

    fn tls(ca_file: PathBuf) -> Tls {
        Tls { ca_file: Some(ca_file), client: None, verify: true }
    }

    #[test]
    fn a_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let text = client_config(&tls(missing.clone())).unwrap_err().to_string();
        assert_eq!(
            text,
            format!("`{}` (ca_file) cannot be read: No such file or directory (os error 2)", missing.display())
        );

        let garbage = folder.path().join("garbage.pem");
        fs::write(&garbage, "not a certificate").unwrap();
        let text = client_config(&tls(garbage.clone())).unwrap_err().to_string();
        assert_eq!(
            text,
            format!("`{}` (ca_file) holds no PEM certificate (`-----BEGIN CERTIFICATE-----`)", garbage.display())
        );
    }

    #[test]
    fn certificate_and_key_have_to_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (one, other) = (
            rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap(),
            rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap(),
        );
        fs::write(path("cert.pem"), one.cert.pem()).unwrap();
        fs::write(path("good.pem"), one.signing_key.serialize_pem()).unwrap();
        fs::write(path("bad.pem"), other.signing_key.serialize_pem()).unwrap();
        let with_key = |name| Tls {
            ca_file: Some(path("cert.pem")),
            client: Some(ClientCertificate { cert_file: path("cert.pem"), key_file: path(name) }),
            verify: true,
        };
        client_config(&with_key("good.pem")).unwrap();
        let text = client_config(&with_key("bad.pem")).unwrap_err().to_string();
        assert!(text.ends_with(&format!("does not fit the certificate in `{}`", path("cert.pem").display())), "{text}");
        let text = client_config(&with_key("cert.pem")).unwrap_err().to_string();
        assert!(text.contains("holds no PEM private key"), "{text}");
    }
}

//! TLS with certificates made for the occasion.

use std::fs;
use std::path::PathBuf;

use eyewitness::mqtt::{self, ClientCertificate, Settings, Tls};

use crate::support::mosquitto::{Mosquitto, Options, ServerTls};
use crate::{Daemon, SOON, settings};

/// An authority, a broker's certificate for `localhost` and 127.0.0.1, and a client's.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new(broker_names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        for (file, names) in [("broker", broker_names), ("client", &["eyewitness"][..])] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, file);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(folder.path().join(format!("{file}.pem")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn broker(&self, require_client_certificate: bool) -> Mosquitto {
        let tls = ServerTls {
            ca: self.path("ca.pem"),
            cert: self.path("broker.pem"),
            key: self.path("broker.key"),
            require_client_certificate,
        };
        Mosquitto::start(&Options { tls: Some(tls), ..Options::default() })
    }

    fn settings(&self, port: u16) -> Settings {
        let tls = Tls { ca_file: Some(self.path("ca.pem")), client: None, verify: true };
        Settings { tls: Some(tls), ..settings(port) }
    }
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let certificates = Certificates::new(&["localhost", "127.0.0.1"]);
    let broker = certificates.broker(false);
    let mut daemon = Daemon::start(certificates.settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=20).await;
    let outbox = daemon.outbox.clone();
    daemon.stop().await;
    assert_eq!((outbox.stats().rows, outbox.stats().acked_total), (0, 20));
    let by_name = Settings { host: "localhost".into(), ..certificates.settings(broker.port()) };
    let answer = mqtt::probe(&by_name, SOON).await.unwrap();
    assert!(answer.ends_with("answered (MQTT 5, with TLS)"), "{answer}");
}

#[tokio::test]
async fn what_tls_refuses_is_said() {
    let certificates = Certificates::new(&["broker.example"]);
    let broker = certificates.broker(false);
    let probe = async |settings: &Settings| mqtt::probe(settings, SOON).await.map_err(|reason| reason.to_string());

    let reason = probe(&certificates.settings(broker.port())).await.unwrap_err();
    assert!(reason.starts_with("the certificate is for `broker.example`, not for `127.0.0.1`"), "{reason}");

    let other = Certificates::new(&["127.0.0.1"]);
    let reason = probe(&other.settings(broker.port())).await.unwrap_err();
    assert!(reason.contains("is signed by an authority that"), "{reason}");

    let mut unverified = certificates.settings(broker.port());
    unverified.tls.as_mut().unwrap().verify = false;
    let answer = probe(&unverified).await.unwrap();
    assert!(answer.contains("not verified"), "{answer}");

    // Plain on the TLS port, TLS on the plain port.
    let reason = probe(&settings(broker.port())).await.unwrap_err();
    assert!(reason.contains("the port expects TLS: then write `mqtts://`"), "{reason}");
    let plain = Mosquitto::open();
    let reason = probe(&certificates.settings(plain.port())).await.unwrap_err();
    assert!(reason.contains("does not speak TLS"), "{reason}");
}

#[tokio::test]
async fn mutual_tls() {
    let certificates = Certificates::new(&["127.0.0.1"]);
    let broker = certificates.broker(true);
    let mut settings = certificates.settings(broker.port());
    let reason = mqtt::probe(&settings, SOON).await.unwrap_err().to_string();
    assert!(reason.contains("wants a client certificate"), "{reason}");
    settings.tls.as_mut().unwrap().client = Some(ClientCertificate {
        cert_file: certificates.path("client.pem"),
        key_file: certificates.path("client.key"),
    });
    mqtt::probe(&settings, SOON).await.unwrap();
}

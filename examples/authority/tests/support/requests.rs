//! Requests to a server as browsers and scripts make them.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{
    Method,
    blocking::{Client, Response},
    redirect::Policy,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde_json::Value;

/// The name that every request asks for, unless the caller names another.
const HOST: &str = "authority";

/// A response with its body, read whole.
pub struct WholeResponse {
    pub status: u16,
    /// The headers in lower case, one a line.
    pub head: String,
    pub body: String,
}

impl WholeResponse {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The status and the code of a refusal, whose form is checked.
    pub fn problem(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/problem+json"), "{} {}", self.head, self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string());
        let kind = problem["type"].as_str().unwrap();
        (self.status, kind.rsplit(':').next().unwrap().to_owned())
    }
}

impl From<Response> for WholeResponse {
    fn from(response: Response) -> Self {
        let line = |(name, value): (_, &reqwest::header::HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().unwrap().to_lowercase())
        };
        let head = response.headers().iter().map(line).collect();
        Self { status: response.status().as_u16(), head, body: response.text().unwrap() }
    }
}

/// One request with these headers, over a connection of its own.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> WholeResponse {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client().request(method, format!("http://{address}{path}")).body(body.to_vec());
    for (name, value) in [("Host", HOST), ("Connection", "close")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    WholeResponse::from(request.send().unwrap_or_else(|e| panic!("{path}: {e:?}")))
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // No request here is over TLS. Given a configuration, reqwest asks for no process-wide cryptography.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().redirect(Policy::none());
        client.pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build().unwrap()
    })
}
